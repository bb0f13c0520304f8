/**
 * What a night has told, kept: what is looked at while it goes on, and what its report is made of.
 *
 *     NightEvent ─► NightLog ─► NightRecord ─► view, /status.json, report
 *
 * It only knows what this run has told. Of earlier runs it knows what the target says of them: which revision
 * was exact, and since when writes are frozen. What it keeps is bounded: a night may wait for days.
 */
import type { AuditReport } from '../audit/report.js';
import { LockstepError, passes, type ErrorCode } from '../errors.js';
import type { Revision } from '../mvcc/revision.js';
import type { Heads, Serving } from '../proof/servedfrom.js';
import type { Phase } from '../target/cutoverstate.js';
import type { FenceReport } from './fencealone.js';
import type { NightEvent } from './nightevents.js';
import type { CutoverReport } from './nightoptions.js';
import type { RollbackReport } from './rollback.js';
import { CUTOVER_STEPS, FENCE_STEPS, ROLLBACK_STEPS } from './script.js';
import type { StepText } from './steps.js';

/** The commands that conduct a night, or a part of it. */
export type NightCommand = 'cutover' | 'rollback' | 'fence';

export interface StepRecord extends StepText {
  /** `passed over`: an earlier run did it, or there was nothing to be done. */
  state: 'to do' | 'now' | 'done' | 'failed' | 'passed over';
  /** Null: it has not begun in this run. */
  beganAt: Date | null;
  /** Null while it has not ended. */
  seconds: number | null;
}

export interface ApiserverRecord {
  /** As it was seen first, and last; null: it was not asked yet. */
  before: Serving | null;
  now: Serving | null;
  apiserver: string;
  /** Where it has to be, since when it was seen there; null: it is not. */
  movedAt: Date | null;
}

/** A line that was told, and when. */
export interface ToldAt {
  at: Date;
  text: string;
}

/** How the night has ended. */
export type NightEnd =
  | { kind: 'cutover'; report: CutoverReport }
  | { kind: 'rollback'; report: RollbackReport }
  /** The fence was kept until a signal, or raised once. */
  | { kind: 'fence' }
  /** `code` is null for a bug. */
  | { kind: 'failed'; code: ErrorCode | null; message: string; hint: string | null }
  /** Somebody has stopped it. */
  | { kind: 'stopped' };

export interface NightRecord {
  command: NightCommand;
  startedAt: Date;
  /** Of the fence, as it was asked for. */
  margin: Revision;
  steps: StepRecord[];
  prefixes: readonly string[];
  resources: readonly string[];
  /** It waits until then; null: it does not wait. */
  postponed: {
    until: string;
    notReady: { code: ErrorCode; message: string; hint: string | null; since: Date } | null;
  } | null;
  /** Of all keys, before the freeze; `at`: when it ended. */
  audit: { at: Date; report: AuditReport } | null;
  frozenAt: Date | null;
  thawedAt: Date | null;
  /** What the target was when it was taken over. */
  taken: { exact: Revision; keys: number; checksum: string; at: string } | null;
  /** To where an earlier run had come; null: there was none. */
  earlier: Phase | null;
  /** As they were asked last, `at` when, while the one was kept above the other; and the least that it was ahead. */
  fence: { heads: Heads; ahead: number; at: Date; lowest: { ahead: number; at: Date } } | null;
  apiservers: ApiserverRecord[];
  alarms: ToldAt[];
  /** Of which only the first were kept. */
  alarmCount: number;
  /** What was logged: the first lines, and the last. */
  logged: (ToldAt & { level: 'info' | 'warn' | 'error' })[];
  /** Lines between them, which are not kept. */
  loggedMore: number;
  /** What it tells of long work. */
  progress: string | null;
  raised: FenceReport | null;
  end: NightEnd | null;
  endedAt: Date | null;
}

const STEPS = { cutover: CUTOVER_STEPS, rollback: ROLLBACK_STEPS, fence: FENCE_STEPS };
const MAX_ALARMS = 100;
/** Of what is logged so many of the first lines are kept, and of the last. */
const MAX_LOGGED = 100;

/** What it is of. */
export interface NightAbout {
  command: NightCommand;
  margin: Revision;
}

export class NightLog {
  readonly record: NightRecord;

  constructor({ command, margin }: NightAbout) {
    this.record = {
      ...{ command, margin, startedAt: new Date() },
      steps: STEPS[command].map((text) => ({
        ...text,
        ...{ state: 'to do', beganAt: null, seconds: null },
      })),
      ...{
        prefixes: [],
        resources: [],
        postponed: null,
        audit: null,
        frozenAt: null,
        thawedAt: null,
      },
      ...{ taken: null, earlier: null, fence: null, alarms: [], alarmCount: 0 },
      apiservers: [],
      ...{ logged: [], loggedMore: 0, progress: null, raised: null, end: null, endedAt: null },
    };
  }

  hear(event: NightEvent): void {
    const { record } = this;
    switch (event.kind) {
      case 'step':
        this.#stepBegins(event.step.number - 1);
        break;
      case 'step ended':
        this.#stepEnded(event);
        break;
      case 'progress':
        record.progress = event.text;
        break;
      case 'checked':
        record.prefixes = event.prefixes;
        record.resources = event.resources;
        break;
      case 'postponed':
        this.#postponed(event);
        break;
      case 'audited':
        record.audit = { at: new Date(), report: event.audit };
        break;
      case 'frozen':
        record.frozenAt = event.at;
        break;
      case 'thawed':
        record.thawedAt = event.at;
        break;
      case 'taken over':
        this.#takenOver(event);
        break;
      case 'heads':
        this.#heads(event);
        break;
      case 'serving':
        this.#serving(event);
        break;
      case 'alarm':
        record.alarmCount++;
        if (record.alarms.length < MAX_ALARMS)
          record.alarms.push({ at: new Date(), text: event.alarm });
        break;
      case 'waiting':
      // Who is waited for shows in where each serves from.
    }
  }

  logged(level: NightRecord['logged'][number]['level'], text: string): void {
    const { logged } = this.record;
    logged.push({ at: new Date(), level, text });
    if (logged.length <= 2 * MAX_LOGGED) return;
    logged.splice(MAX_LOGGED, 1);
    this.record.loggedMore++;
  }

  /** @param urls of the apiservers that have to move, or, if old, to end */
  expect(urls: readonly string[]): void {
    this.record.apiservers = urls.map(notAsked);
  }

  raised(report: FenceReport): void {
    this.record.raised = report;
  }

  ended(end: NightEnd): void {
    this.record.end = end;
    this.record.endedAt = new Date();
  }

  /** @param stopped it was told to stop: then what another try mends is no failure */
  failed(error: unknown, stopped: boolean): void {
    this.ended(endOf(error, stopped));
  }

  #stepBegins(at: number): void {
    const { steps } = this.record;
    this.record.progress = null;
    for (const before of steps.slice(0, at))
      if (before.state === 'to do') before.state = 'passed over';
    const step = steps[at];
    if (step) Object.assign(step, { state: 'now', beganAt: new Date() });
  }

  #stepEnded({ step: name, seconds, failed }: NightEvent & { kind: 'step ended' }): void {
    const step = this.record.steps.find((one) => one.name === name);
    if (step) Object.assign(step, { state: failed ? 'failed' : 'done', seconds });
  }

  #postponed({ until, notReady }: NightEvent & { kind: 'postponed' }): void {
    const before = this.record.postponed?.notReady;
    if (until === null) {
      this.record.postponed = null;
      return;
    }
    const since = before && before.code === notReady?.code ? before.since : new Date();
    const why = notReady && {
      ...{ code: notReady.code, message: notReady.message, hint: notReady.hint ?? null, since },
    };
    this.record.postponed = { until, notReady: why };
  }

  #takenOver({ exact, state, earlier }: NightEvent & { kind: 'taken over' }): void {
    const { keys, checksum, prefixes, resources, fencedAt: at } = state;
    Object.assign(this.record, { prefixes, resources, earlier });
    this.record.taken = { exact, keys, checksum, at };
  }

  #heads({ heads, ahead }: NightEvent & { kind: 'heads' }): void {
    const { record } = this;
    const before = record.fence?.lowest;
    // Behind the thaw nobody needs it.
    const lower = !before || (ahead < before.ahead && record.thawedAt === null);
    const at = new Date();
    record.fence = { heads, ahead, at, lowest: lower ? { ahead, at } : before };
  }

  #serving({ serving, there }: NightEvent & { kind: 'serving' }): void {
    const { apiservers } = this.record;
    const { apiserver } = serving;
    let one = apiservers.find((known) => known.apiserver === apiserver);
    // One that was left out as dead, and is asked whether it is still so.
    if (!one) apiservers.push((one = notAsked(apiserver)));
    one.before ??= serving;
    one.now = serving;
    one.movedAt = there ? (one.movedAt ?? new Date()) : null;
  }
}

function notAsked(apiserver: string): ApiserverRecord {
  return { apiserver, before: null, now: null, movedAt: null };
}

function endOf(error: unknown, stopped: boolean): NightEnd {
  if (error instanceof LockstepError) {
    if (stopped && passes(error)) return { kind: 'stopped' };
    const { code, message, hint = null } = error;
    return { kind: 'failed', code, message, hint };
  }
  if (error instanceof Error && error.name === 'AbortError') return { kind: 'stopped' };
  return { kind: 'failed', code: null, message: String(error), hint: null };
}
