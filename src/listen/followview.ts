/** What `follow` shows: its status, in words for who looks at night. */
import type { FollowStatus } from '../lockstep/follow.js';
import { bytes, count, duration } from '../text.js';
import { blankView, type ViewFacts } from './blankview.js';
import type { Mood, View } from './view.js';

/** Commands that may be next, with the flags that this one was given. */
export interface FollowCommands {
  audit: string;
  /** This follow, with --repair. */
  repair: string;
}

/** Of a target that `--repair` reads to make the journal anew. */
export interface TargetRead {
  keys: number;
  bytes: number;
}

/**
 * @param status null before the first one
 * @param reading null where nothing is read
 */
export function followView(
  facts: ViewFacts,
  status: FollowStatus | null,
  commands: FollowCommands,
  reading: TargetRead | null = null,
): View {
  const view = blankView('follow', facts);
  if (!status) return { ...view, ...beginning(reading), ready: false, prefixes: [] };
  const { position, sourceHead, lagRevisions, lagSeconds, trouble } = status;
  const lag = lagRevisions === null ? null : { revisions: lagRevisions, seconds: lagSeconds ?? 0 };
  const { state, prefixes, clusters, compaction, leases, retries, audits, auditing } = status;
  return {
    ...view,
    ...{ state, prefixes, clusters, compaction, leases, retries, trouble, lag, audits, auditing },
    sentence: sentence(status),
    mood: mood(status),
    ready: isReady(status, facts.readyLagSeconds),
    // The source has come at least as far as what was captured of it; it is asked twice a second.
    heads: { source: Math.max(sourceHead, status.journalPosition), target: position },
    wrote: wrote(status),
    way: way(status),
    throttle: status.throttle,
    active: status.standby && status.standby.active,
    journal: {
      revision: status.journalPosition,
      bytes: status.journalBytes,
      freeBytes: status.journalFreeBytes,
    },
    next: next(status, commands),
  };
}

function beginning(reading: TargetRead | null) {
  const working = { mood: 'working', next: { text: 'Wait.', command: null } } as const;
  if (!reading)
    return { ...working, state: 'waiting for the source', sentence: 'It is just beginning.' };
  const text = `${count(reading.keys)} keys, ${bytes(reading.bytes)}`;
  return {
    ...{ ...working, state: 'bridging a gap', progress: { share: null, text } },
    sentence: `The journal is made anew from the target: ${text} so far.`,
  };
}

function wrote({ revisions, fillers, puts, deletions, bytes }: FollowStatus): View['wrote'] {
  return { revisions, fillers, puts, deletions, bytes };
}

function way({ way: { by, where, why } }: FollowStatus): View['way'] {
  return by && { by, where, why };
}

/** Before it has caught up for the first time its lag is a guess. */
function isReady(status: FollowStatus, within: number): boolean {
  const { state, caughtUpAt, lagSeconds, standby, trouble } = status;
  if (state === 'taken over') return true;
  // It could take over: what it would write is there.
  if (state === 'standby') return trouble === null && (standby?.journalLagSeconds ?? 0) <= within;
  const goesOn = state === 'in lockstep' || state === 'catching up';
  return goesOn && caughtUpAt !== null && lagSeconds !== null && lagSeconds <= within;
}

/** A target that is still to be restored is no trouble; one that is down since before we began looks the same. */
function mood({ state, position, trouble, ...audited }: FollowStatus): Mood {
  const isAwaited = state === 'waiting for the target' && position === null;
  if (trouble && !(isAwaited && trouble.code === 'UNAVAILABLE')) return 'trouble';
  if (isDifferent(audited)) return 'trouble';
  return WELL.includes(state) ? 'well' : 'working';
}

const WELL: readonly FollowStatus['state'][] = ['in lockstep', 'standby', 'taken over'];

/** By what the audit that is under way has found already, or the last that was carried through. */
function isDifferent({ audits, auditing }: Pick<View, 'audits' | 'auditing'>): boolean {
  if ((auditing?.differences ?? 0) > 0) return true;
  return audits.find(({ result }) => result !== 'failed')?.result === 'different';
}

function sentence(s: FollowStatus): string {
  const { position, journalPosition, lagRevisions, lagSeconds, cutover } = s;
  const captured = `the source's changes are written down up to revision ${journalPosition}`;
  const behind = `${count(lagRevisions ?? 0)} revisions, ${duration(lagSeconds ?? 0)}`;
  switch (s.state) {
    case 'waiting for the source':
      return `The source does not answer; ${captured}.`;
    case 'waiting for the target':
      return position === null
        ? `Waiting for a target, which has not answered yet; ${captured}.`
        : `The target does not take writes at revision ${position}, ${behind} behind; ${captured}.`;
    case 'bridging a gap':
      return 'The source has forgotten what came next; reading what it holds now, to go on behind the gap.';
    case 'catching up':
      return `Catching up: ${behind} behind the source${heldText(s)}.`;
    case 'in lockstep':
      return `In lockstep at revision ${position ?? 0}: ${behind} behind the source${heldText(s)}.`;
    case 'standby':
      return standing(s);
    case 'taken over':
      return `A cutover has taken the target over at revision ${cutover?.exact ?? 0}: this follower has done its work.`;
  }
}

/** Where it lags because it is held back, that is said with the lag. */
function heldText({ throttle: { holds, nowRate, because } }: FollowStatus): string {
  if (!holds || nowRate === null || because === null) return '';
  return `; held to ${count(nowRate)} revisions a second (${because})`;
}

function standing({ standby, position, lagRevisions, lagSeconds }: FollowStatus): string {
  if (!standby?.named)
    return "Standing by: nobody writes to the target yet; it begins with the source's next change.";
  const behind = `${count(lagRevisions ?? 0)} revisions, ${duration(lagSeconds ?? 0)} behind`;
  const still =
    standby.stillSeconds > 0 ? `; it stands still for ${duration(standby.stillSeconds)}` : '';
  return `Standing by: the target was written last by follower ${standby.named}, and is at revision ${position ?? 0}, ${behind}${still}.`;
}

function next(s: FollowStatus, { audit }: FollowCommands): View['next'] {
  const { state, position, trouble } = s;
  if (state === 'waiting for the target' && position === null)
    return {
      text: 'A target that was restored already: start it, and make it reachable from here. Otherwise restore the base with the commands that `seed` has printed, and start it. This goes on by itself then.',
      command: null,
    };
  if (trouble) return { text: trouble.hint ?? AWAY[state] ?? TRIED_AGAIN, command: null };
  switch (state) {
    case 'in lockstep':
      if (isDifferent(s))
        return {
          text: 'An audit has found the target different. Do not cut over to it: compare both once more, and see what differs; then seed a new target.',
          command: audit,
        };
      return {
        text: 'Audit, as often as you like. When it is time, cut over, with the runbook beside you.',
        command: audit,
      };
    case 'standby':
      return { text: 'Nothing: it takes over by itself when the other one fails.', command: null };
    case 'taken over':
      return { text: 'Nothing: this need not be started again.', command: null };
    default:
      return { text: 'Wait: it goes on by itself.', command: null };
  }
}

const TRIED_AGAIN = 'Wait: it is tried again, and goes on by itself.';
/** Where the error has no hint of its own. */
const AWAY: Partial<Record<FollowStatus['state'], string>> = {
  'waiting for the source':
    'Is the source up, and can it be reached from here? It goes on by itself when it answers; what the source forgets before that is lost.',
  'waiting for the target':
    'Is the target up, and can it be reached from here? It goes on by itself when it answers; nothing is lost meanwhile while the journal has room.',
};
