/** The view of a cutover, a rollback or a fence alone, from what it has told. */
import type { AuditOutcome } from '../auditing/outcome.js';
import type { ApiserverRecord, NightRecord, StepRecord } from '../cutover/nightlog.js';
import { stepUnderWay, verdict, waitingText, whatIsLeft } from '../cutover/nightoutcome.js';
import { count, duration } from '../text.js';
import { blankView, type ViewFacts } from './blankview.js';
import { frozenSeconds } from './nightclock.js';
import type { Mood, NightStepView, NightView, View } from './view.js';

export function nightView(record: NightRecord, facts: ViewFacts): View {
  const { command, prefixes, progress, audit } = record;
  const blank = blankView(command, facts);
  const now = new Date(blank.at);
  const night = nightPart(record, now);
  const [next = { text: '', command: null }] = whatIsLeft(record);
  return {
    ...blank,
    state: nightState(record),
    sentence: sentence(record, night, now),
    mood: mood(record, now),
    ready: nightReady(record, now),
    prefixes: [...prefixes],
    clusters: {
      source: audit?.report.source.cluster ?? null,
      target: audit?.report.target.cluster ?? null,
    },
    heads: record.fence?.heads ?? blank.heads,
    progress: progress === null ? null : { share: null, text: progress },
    trouble: trouble(record, now),
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
 * not stand while it has to, or of which nothing is known.
 */
function nightReady(record: NightRecord, now: Date): boolean {
  const { fence, thawedAt, alarmCount } = record;
  if (record.postponed?.notReady && !record.end) return false;
  const stands = fence === null || fence.ahead > 0 || thawedAt !== null;
  const isKnown = fenceUnknownSince(record, now) === null;
  return stands && isKnown && alarmCount === 0 && nightState(record) !== 'failed';
}

/** Both heads are asked ten times a second, but while the one is raised. */
const FENCE_KNOWN_MS = 10_000;
/** It is raised by the margin at once, at the most; some thousands a second is usual, one in a ms is slow. */
const RAISED_MS = 1;

/** Since when it is not known whether the fence stands that has to; null while it is. */
function fenceUnknownSince(record: NightRecord, now: Date): Date | null {
  const { command, fence, margin, thawedAt, end } = record;
  const step = stepUnderWay(record)?.name ?? '';
  // A rollback raises the other head, once.
  const isKept = command !== 'rollback' && ['fence', 'switch', 'keep'].includes(step);
  if (!fence || !isKept || thawedAt || end) return null;
  const silentMs = now.getTime() - fence.at.getTime();
  return silentMs > FENCE_KNOWN_MS + margin * RAISED_MS ? fence.at : null;
}

function mood(record: NightRecord, now: Date): Mood {
  if (!nightReady(record, now)) return 'trouble';
  return ['done', 'kept'].includes(nightState(record)) ? 'well' : 'working';
}

function sentence(record: NightRecord, night: NightView, now: Date): string {
  const { steps, end, apiservers, alarmCount } = record;
  // Null while nobody knows since when writes are refused.
  const frozenFor = frozenSeconds(night, now.toISOString());
  if (end) return `${verdict(record)}.`;
  if (record.postponed) return `${waitingText(record.postponed)}.`;
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
    ...(step?.name === 'keep' && night.fence
      ? [`${count(night.fence.ahead)} revisions ahead`]
      : []),
    ...(fenceUnknownSince(record, now) ? ['nobody knows whether the fence stands'] : []),
    ...(alarmCount > 0 ? [`${count(alarmCount)} alarms`] : []),
  ];
  return `${parts.join('; ')}.`;
}

function trouble(record: NightRecord, now: Date): View['trouble'] {
  const { end, endedAt } = record;
  const since = fenceUnknownSince(record, now);
  const notReady = end ? null : record.postponed?.notReady;
  if (notReady) return { ...notReady, since: notReady.since.toISOString() };
  if (since) return { ...FENCE_UNKNOWN, since: since.toISOString() };
  if (end?.kind !== 'failed' || end.code === null || !endedAt) return null;
  const { code, message, hint } = end;
  return { code, message, hint, since: endedAt.toISOString() };
}

const FENCE_UNKNOWN = {
  code: 'UNAVAILABLE',
  message:
    'the two heads cannot be asked: nobody knows whether the fence stands, and it is not raised',
  hint: 'Make both etcds reachable from here: it goes on by itself. Move no apiserver until then. The log says which does not answer.',
} as const;

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
  return { since: step.beganAt.toISOString(), share: null, differences: 0 };
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
    fence:
      fence && fenceUnknownSince(record, now) === null
        ? { ...fence.heads, ahead: fence.ahead, margin }
        : null,
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
