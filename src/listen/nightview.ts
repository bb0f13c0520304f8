/** The view of a cutover, a rollback or a fence alone, from what it has told. */
import type { AuditOutcome } from '../auditing/outcome.js';
import type { ApiserverRecord, NightRecord, StepRecord } from '../cutover/nightlog.js';
import { stepUnderWay, verdict, whatIsLeft } from '../cutover/nightoutcome.js';
import { count, duration } from '../text.js';
import { blankView, type ViewFacts } from './blankview.js';
import { frozenSeconds } from './nightclock.js';
import type { Mood, NightStepView, NightView, View } from './view.js';

/** While it is kept both heads are asked ten times a second; older than this nobody knows how far it is ahead. */
const SILENT_MS = 10_000;

export function nightView(record: NightRecord, facts: ViewFacts): View {
  const { command, prefixes, progress, audit } = record;
  const blank = blankView(command, facts);
  const now = new Date(blank.at);
  const night = nightPart(record, now);
  const [next = { text: '', command: null }] = whatIsLeft(record);
  return {
    ...blank,
    state: nightState(record),
    sentence: sentence(record, frozenSeconds(night, blank.at), now),
    mood: mood(record, now),
    ready: nightReady(record, now),
    prefixes: [...prefixes],
    clusters: {
      source: audit?.report.source.cluster ?? null,
      target: audit?.report.target.cluster ?? null,
    },
    heads: record.fence?.heads ?? blank.heads,
    progress: progress === null ? null : { share: null, text: progress },
    trouble: trouble(record),
    audits: audits(record),
    auditing: auditing(record),
    ...{ night, next },
  };
}

/** One of `STATES` of the command. */
export function nightState(record: NightRecord): string {
  const { command, end, alarmCount, steps } = record;
  if (end?.kind === 'failed' || end?.kind === 'stopped') return 'failed';
  if (command === 'fence') {
    if (record.raised) return 'kept';
    const raise = steps.find(({ name }) => name === 'raise');
    return raise?.beganAt ? 'raising' : 'draining';
  }
  if (!end) return 'running';
  return alarmCount > 0 ? 'done with alarms' : 'done';
}

/**
 * While it goes on as it should. An alarm is for somebody to look at, and stays one; so does a fence that does
 * not stand while it has to, or of which nobody has heard whether it does.
 */
function nightReady(record: NightRecord, now: Date): boolean {
  const { fence, thawedAt, alarmCount } = record;
  const stands = fence === null || fence.ahead > 0 || thawedAt !== null;
  const heard = silentSeconds(record, now) === null;
  return stands && heard && alarmCount === 0 && nightState(record) !== 'failed';
}

/** For how long the heads were not heard of while the fence has to be kept; null: they are. */
function silentSeconds(record: NightRecord, now: Date): number | null {
  const { command, fence } = record;
  const { name } = stepUnderWay(record) ?? {};
  const isKept = name === 'keep' || (name === 'switch' && command === 'cutover');
  const silentMs = fence && isKept ? now.getTime() - fence.at.getTime() : 0;
  return silentMs > SILENT_MS ? silentMs / 1000 : null;
}

function mood(record: NightRecord, now: Date): Mood {
  if (!nightReady(record, now)) return 'trouble';
  return ['done', 'kept'].includes(nightState(record)) ? 'well' : 'working';
}

/** @param frozenFor seconds; null while nobody knows since when writes are refused */
function sentence(record: NightRecord, frozenFor: number | null, now: Date): string {
  const { steps, end, apiservers, fence, alarmCount } = record;
  const silent = silentSeconds(record, now);
  if (end) return `${verdict(record)}.`;
  const step = stepUnderWay(record);
  const moved = apiservers.filter(({ movedAt }) => movedAt !== null).length;
  const parts = [
    step
      ? `Step ${steps.indexOf(step) + 1} of ${steps.length}, ${step.name}: ${step.does}`
      : 'It has just begun, or waits for go',
    ...(frozenFor !== null && !record.thawedAt
      ? [`writes refused for ${duration(frozenFor)}`]
      : []),
    ...(step?.name === 'switch' ? [`${moved} of ${apiservers.length} apiservers have moved`] : []),
    ...(silent === null ? [] : [`whether the fence stands was not seen for ${duration(silent)}`]),
    ...(step?.name === 'keep' && fence && silent === null
      ? [`${count(fence.ahead)} revisions ahead`]
      : []),
    ...(alarmCount > 0 ? [`${count(alarmCount)} alarms`] : []),
  ];
  return `${parts.join('; ')}.`;
}

function trouble({ end, endedAt }: NightRecord): View['trouble'] {
  if (end?.kind !== 'failed' || end.code === null || !endedAt) return null;
  const { code, message, hint } = end;
  return { code, message, hint, since: endedAt.toISOString() };
}

function audits({ audit }: NightRecord): AuditOutcome[] {
  if (!audit) return [];
  const { equal, revision, source, differences, seconds } = audit.report;
  return [
    {
      at: audit.at.toISOString(),
      result: equal ? 'equal' : 'different',
      ...{ revision, keys: source.keys, differences, seconds, file: null, message: null },
    },
  ];
}

function auditing(record: NightRecord): View['auditing'] {
  const step = stepUnderWay(record);
  if (step?.name !== 'audit' || !step.beganAt) return null;
  return { since: step.beganAt.toISOString(), share: null };
}

function nightPart(record: NightRecord, now: Date): NightView {
  const step = stepUnderWay(record);
  const { margin, frozenAt, thawedAt, taken, alarms } = record;
  // Behind the thaw nobody needs it: that it is overtaken then is no news.
  const fence = thawedAt ? null : record.fence;
  return {
    steps: record.steps.map((one) => stepView(one, now)),
    waitsFor: step?.waitsFor ?? null,
    ifAborted: step?.ifAborted ?? null,
    frozenAt: frozenAt?.toISOString() ?? null,
    thawedAt: thawedAt?.toISOString() ?? null,
    fence: fence && { ...fence.heads, ahead: fence.ahead, margin },
    apiservers: record.apiservers.map(apiserverView),
    exact: taken?.exact ?? null,
    alarms: alarms.map(({ text }) => text),
  };
}

function stepView({ name, does, state, beganAt, seconds }: StepRecord, now: Date): NightStepView {
  const soFar = state === 'now' && beganAt ? (now.getTime() - beganAt.getTime()) / 1000 : null;
  return { name, does, state: state === 'passed over' ? 'done' : state, seconds: seconds ?? soFar };
}

function apiserverView({ apiserver, now, movedAt }: ApiserverRecord): NightView['apiservers'][0] {
  const seen = now ?? { apiserver, from: 'unclear' as const, why: 'not asked yet' };
  return { ...seen, moved: movedAt !== null };
}
