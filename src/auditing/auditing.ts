/**
 * Audited all the time: beside a follower, source and target are compared again and again.
 *
 *     due, and in lockstep ─► pass ─► outcome ─► report, status, log
 *          ▲                   │ fails: later, from the same key
 *          └───────────────────┘
 *
 * What must hold: it never slows the follower (it reads at its rate, and only in lockstep), and never ends
 * it. Whatever goes wrong in here is an audit that has failed, and is tried again. What has compared
 * nothing has not passed.
 *
 * A difference is told at once, when it was seen for the second time: not at the end of an audit that may
 * take an hour, or fail.
 */
import { pause } from '../async/again.js';
import type { OnNote } from '../async/patience.js';
import { refuseNothing } from '../audit/nothing.js';
import { hasCode, LockstepError } from '../errors.js';
import type { AuditOutcome } from './outcome.js';
import { probeKey, type PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import type { Steering } from '../steering.js';
import { describeClusters } from '../report/clusters.js';
import type { MadeWith } from '../report/madeby.js';
import { damagedNotes } from '../source/damaged.js';
import { areOne, sameEtcd } from '../source/sameetcd.js';
import { duration } from '../text.js';
import type { EtcdClient } from '../wire/client.js';
import { cursorAgrees, factsOf } from './facts.js';
import { fileIndex, fileReport } from './folder.js';
import { Pace } from './pace.js';
import { Pass, shareOf } from './pass.js';
import { Place } from './place.js';
import { atTheBeginning, type Progress } from './progress.js';
import { alarmText, outcomeText, overText, WHAT_NOW, WRONG_CURSOR } from './words.js';

/** How often, how fast, and where to. */
export interface AuditingRequest {
  /**
   * From the beginning of one audit to that of the next; where one takes longer, the next follows at once.
   * Null: only when one is asked for.
   */
  everySeconds: number | null;
  /** Bytes that are read of each side in a second, at most; default: 4 MiB. */
  bytesPerSecond?: number;
  /** What the reports name as what has made them; default: the library's call. */
  calledAs?: Pick<MadeWith, 'command' | 'environment'>;
}

export interface AuditingOptions extends Required<AuditingRequest> {
  source: EtcdClient;
  target: EtcdClient;
  /** Cluster id of the source. */
  clusterId: string;
  /** Where the journal's watch begins: another seed begins elsewhere, and has another target. */
  watchFrom: Revision;
  prefixes: PrefixSet;
  /** For its place, and the reports; is made. */
  folder: string;
  /** Whether the follower has nothing else to do. */
  inLockstep: () => boolean;
  onNote: OnNote;
  /** What is changed of it while it runs. */
  steering?: Steering | undefined;
  /** A difference, once in each audit. */
  onAlarm: (text: string) => void;
}

/** What a follower says of its audits. */
export interface AuditingStatus {
  /** Newest first; the last few. */
  audits: AuditOutcome[];
  /** One that is under way, and what it has found by now; null: none is. */
  auditing: { since: string; share: number | null; differences: number } | null;
}

/** A few milliseconds of a busy etcd's second. */
const RATE = 4 * 1024 * 1024;

/** What is not asked for otherwise. */
export const AUDITING_DEFAULTS = {
  bytesPerSecond: RATE,
  calledAs: { command: 'Migration.follow', environment: [] },
};
const SHOWN = 5;
const SAVE_MS = 5000;
const LOOK_MS = 500;
/** After a failure; doubles up to the time between two audits. */
const FIRST_RETRY_SECONDS = 60;
/** Where it would go on is gone, or what it has read proves nothing: it is begun anew. */
const NO_PLACE_TO_GO_ON = [
  ...(['COMPACTED_MEANWHILE', 'NOTHING_COMPARED', 'SOURCE_INCONSISTENT'] as const),
];

interface Ends {
  source: EtcdClient;
  target: EtcdClient;
}

export class Auditing {
  #place: Place | undefined;
  #failures = 0;
  /** Somebody has asked for one, which has not ended yet. */
  #asked = false;
  /** Behind a failure: not before, by a clock that nobody sets. */
  #retryAtMs = 0;
  /** Since when the present one is worked at, or its time was counted. */
  #countedMs = 0;
  #savedMs = 0;

  constructor(private readonly o: AuditingOptions) {}

  get status(): AuditingStatus {
    const { outcomes = [], running = null } = this.#place ?? {};
    return {
      audits: outcomes.slice(0, SHOWN),
      auditing: running && {
        since: running.since,
        share: shareOf(running),
        differences: running.differences,
      },
    };
  }

  /** Until `signal` aborts, or the target was taken over; does not fail. */
  async run(signal: AbortSignal): Promise<void> {
    const { source, target } = this.o;
    // Of its own, so that nobody waits behind its pages.
    const ends = {
      source: source.another().closeAt(signal),
      target: target.another().closeAt(signal),
    };
    try {
      while (!signal.aborted && (await this.#goesOn(ends, signal))) await pause(LOOK_MS, signal);
    } finally {
      ends.source.close();
      ends.target.close();
    }
  }

  /** @returns whether there will be another audit */
  async #goesOn(ends: Ends, signal: AbortSignal): Promise<boolean> {
    this.#heed();
    if (!this.#isWanted || !this.o.inLockstep() || performance.now() < this.#retryAtMs) return true;
    try {
      const place = (this.#place ??= await this.#open(ends.target));
      if (!this.#isDue(place)) return true;
      await this.#audit(place, ends, signal);
      this.#failures = 0;
      this.#asked = false;
    } catch (error) {
      if (signal.aborted || hasCode(error, 'TARGET_CUT_OVER')) return false;
      await this.#failed(error);
    }
    return true;
  }

  /** Whether anybody wants audits at all. */
  get #isWanted(): boolean {
    // One that this process has begun is brought to its end.
    return this.#everySeconds !== null || this.#asked || (this.#place?.running ?? null) !== null;
  }

  /** Who asks for one gets one, and does not wait until a failure is forgotten. */
  #heed(): void {
    const { steering } = this.o;
    if (!steering?.auditNow) return;
    steering.auditNow = false;
    this.#asked = true;
    this.#retryAtMs = 0;
  }

  get #everySeconds(): number | null {
    const { everySeconds, steering } = this.o;
    return steering?.auditEverySeconds === undefined ? everySeconds : steering.auditEverySeconds;
  }

  /** Bytes that are read of each side in a second, at most. */
  get #rate(): number {
    return this.o.steering?.auditBytesPerSecond ?? this.o.bytesPerSecond;
  }

  async #open(target: EtcdClient): Promise<Place> {
    const { folder, clusterId, watchFrom, prefixes, onNote } = this.o;
    const { clusterId: targetId } = await target.status();
    const list = [...prefixes.list];
    const owner = { source: clusterId, target: targetId, watchFrom, prefixes: list };
    return Place.open(folder, owner, (why) => {
      onNote(`${why}: auditing is begun anew`, true);
    });
  }

  /** In weeks a name may come to lead elsewhere: so it is asked for each audit. */
  async #refuseItself({ source, target }: Ends): Promise<void> {
    const { clusterId, prefixes } = this.o;
    const key = probeKey(prefixes);
    const here = { client: target, clusterId: (await target.status()).clusterId, key };
    if (await areOne({ client: source, clusterId, key }, here)) throw sameEtcd(clusterId);
  }

  #isDue({ running, begun }: Place): boolean {
    // A failure has its own time, which has come.
    if (running || begun === null || this.#failures > 0 || this.#asked) return true;
    const sinceMs = Date.now() - Date.parse(begun);
    // Begun in the future: somebody has set the clock.
    return sinceMs < 0 || sinceMs >= (this.#everySeconds ?? Infinity) * 1000;
  }

  async #audit(place: Place, { source, target }: Ends, signal: AbortSignal): Promise<void> {
    const { prefixes, inLockstep } = this.o;
    const progress = (place.running ??= atTheBeginning());
    place.begun = progress.since;
    this.#countedMs = performance.now();
    const side = (client: EtcdClient) => {
      return { client, pace: new Pace(() => this.#rate, inLockstep, signal) };
    };
    const onPage = () => this.#saveSometimes(place, progress);
    const pass = new Pass({
      source: side(source),
      target: side(target),
      prefixes,
      progress,
      onPage,
    });
    try {
      await this.#save(place);
      await this.#refuseItself({ source, target });
      for (const note of await damagedNotes(source, target)) this.o.onNote(note, true);
      await pass.run();
    } catch (error) {
      if (signal.aborted) await this.#save(place);
      throw error;
    }
    await this.#finish(place, progress, { source, target }, signal);
  }

  async #saveSometimes(place: Place, progress: Progress): Promise<void> {
    if (progress.differences > 0 && !progress.alarmed) {
      progress.alarmed = true;
      this.o.onAlarm(alarmText(progress));
      await this.#save(place);
    } else if (performance.now() - this.#savedMs > SAVE_MS) await this.#save(place);
  }

  async #save(place: Place): Promise<void> {
    this.#countTime(place);
    this.#savedMs = performance.now();
    await place.save();
  }

  #countTime({ running }: Place): void {
    const now = performance.now();
    if (running) running.seconds += (now - this.#countedMs) / 1000;
    this.#countedMs = now;
  }

  async #finish(place: Place, progress: Progress, ends: Ends, signal: AbortSignal): Promise<void> {
    const { prefixes, onNote, onAlarm } = this.o;
    this.#countTime(place);
    const wrongCursor = cursorAgrees(progress) === false;
    const isEqual = progress.differences === 0 && !wrongCursor;
    if (isEqual) refuseNothing(progress.empty, prefixes, progress.cursor !== null, 0);
    const at = new Date().toISOString();
    const outcome: AuditOutcome = {
      ...{ at, result: isEqual ? 'equal' : 'different', differences: progress.differences },
      revision: progress.ranges.at(-1)?.revision ?? null,
      ...{ keys: progress.source.keys, seconds: rounded(progress.seconds), file: null },
      message: wrongCursor ? WRONG_CURSOR : null,
    };
    if (wrongCursor && !progress.alarmed) onAlarm(`audit: ${WRONG_CURSOR}. ${WHAT_NOW}`);
    onNote(outcomeText(outcome, progress), !isEqual);
    if (progress.over > 0) onNote(overText(progress), true);
    outcome.file = await this.#report(outcome, progress, ends, signal);
    place.running = null;
    await this.#record(place, outcome);
  }

  /** @returns its file; null where it could not be written, for the result counts all the same */
  async #report(
    outcome: AuditOutcome,
    progress: Progress,
    { source, target }: Ends,
    signal: AbortSignal,
  ): Promise<string | null> {
    const { folder, onNote, prefixes, calledAs } = this.o;
    const bytesPerSecond = this.#rate;
    try {
      const [from, to] = await Promise.all([source.status(), target.status()]);
      const known = {
        source: { cluster: from.clusterId, version: from.version },
        target: { cluster: to.clusterId, version: to.version },
      };
      const clusters = await describeClusters({ source, target }, known, signal);
      const facts = factsOf(outcome, progress, { prefixes, bytesPerSecond, calledAs, clusters });
      return await fileReport(folder, facts, outcome.at);
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      onNote(`the report of the audit could not be written: ${error.message}`, true);
      return null;
    }
  }

  async #record(place: Place, outcome: AuditOutcome): Promise<void> {
    place.add(outcome);
    await this.#save(place);
    await fileIndex(this.o.folder, place.outcomes);
  }

  async #failed(error: unknown): Promise<void> {
    const place = this.#place;
    const { onNote } = this.o;
    const most = this.#everySeconds ?? Infinity;
    const inSeconds = Math.min(FIRST_RETRY_SECONDS * 2 ** this.#failures++, most);
    this.#retryAtMs = performance.now() + inSeconds * 1000;
    const { message, hint } = error instanceof LockstepError ? error : bug(error);
    onNote(
      `the audit could not go on: ${message}; again in ${duration(inSeconds)}. ${hint ?? ''}`.trim(),
      true,
    );
    if (!place) return;
    this.#countTime(place);
    const { source, differences = 0, seconds = 0 } = place.running ?? {};
    const isOver = hasCode(error, ...NO_PLACE_TO_GO_ON);
    if (isOver) place.running = null;
    const outcome: AuditOutcome = {
      at: new Date().toISOString(),
      // What was seen twice is not taken back, or the last one that was equal would stand.
      result: isOver && differences > 0 ? 'different' : 'failed',
      ...{ revision: null, file: null, message },
      ...{ keys: source?.keys ?? 0, differences, seconds: rounded(seconds) },
    };
    // Where this cannot be written, that is what has failed, as a rule.
    await this.#record(place, outcome).catch(() => undefined);
  }
}

function rounded(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}

function bug(error: unknown): { message: string; hint?: string } {
  return {
    message: `this is a bug: ${error instanceof Error ? String(error.stack) : String(error)}`,
  };
}
