/** What `follow --reverse` shows. */
import type { ReverseStatus } from '../reverse/reversestatus.js';
import { count, duration } from '../text.js';
import { blankView, type ViewFacts } from './blankview.js';
import type { View } from './view.js';

/** The commands that it names. */
export interface ReverseCommands {
  /** Of one prefix. */
  audit: (prefix: string) => string;
  rollback: string;
}

/** @param status null before the first one */
export function reverseView(
  facts: ViewFacts,
  status: ReverseStatus | null,
  commands: ReverseCommands,
): View {
  const view = { ...blankView('reverse', facts), prefixes: status?.prefixes ?? [] };
  if (!status)
    return {
      ...{ ...view, state: 'raising the source', sentence: 'It is just beginning.' },
      ...{ mood: 'working', ready: false, next: WAIT },
    };
  const { state, clusters, position, exact, sourceHead, targetHead, margin } = status;
  const { lagRevisions, lagSeconds, lateWrites, lateSeenSeconds } = status;
  const { transactions, puts, deletions, bytes, leases, retries, trouble } = status;
  const { count: found, replaced, open } = lateWrites;
  return {
    ...{ ...view, state, clusters, leases, retries, trouble },
    sentence: sentence(status),
    mood: trouble ? 'trouble' : isThere(status) ? 'well' : 'working',
    ready: isReady(status, facts.readyLagSeconds),
    heads: { source: sourceHead || null, target: targetHead || null },
    lag: lagRevisions === null ? null : { revisions: lagRevisions, seconds: lagSeconds ?? 0 },
    wrote: { revisions: transactions, fillers: 0, puts, deletions, bytes },
    wayBack: {
      ...{ exact, position, margin, lateSeenSeconds },
      lateWrites: { count: found, replaced, open: open.length },
    },
    next: next(status, commands),
  };
}

const WAIT = { text: 'Wait: it goes on by itself.', command: null };

function isThere({ state }: ReverseStatus): boolean {
  return state === 'the way back is open' || state === 'over';
}

function isReady({ state, lagSeconds }: ReverseStatus, within: number): boolean {
  return state === 'the way back is open' && lagSeconds !== null && lagSeconds <= within;
}

function sentence(s: ReverseStatus): string {
  const behind = `${count(s.lagRevisions ?? 0)} revisions, ${duration(s.lagSeconds ?? 0)}`;
  switch (s.state) {
    case 'raising the source':
      return "The source's head is raised above the target's.";
    case 'waiting for the source':
      return 'The source does not answer, or takes no writes.';
    case 'waiting for the target':
      return 'The target does not answer.';
    case 'comparing':
      return `Source and target are compared, and what differs is brought to the source: ${count(s.comparing?.keys ?? 0)} keys so far.`;
    case 'catching up':
      return `Catching up: the source is ${behind} behind the target.`;
    case 'the way back is open':
      return `The way back is open: the source has what the target had at revision ${s.position ?? 0}, ${behind} behind.`;
    case 'over':
      return `It is over: the cutover is ${s.endedBy ?? 'ended'}.`;
  }
}

function next(s: ReverseStatus, { audit, rollback }: ReverseCommands): View['next'] {
  if (s.trouble) return { text: s.trouble.hint ?? WAIT.text, command: null };
  if (s.state === 'over') return { text: 'Nothing is left to do for it.', command: null };
  if (!isThere(s)) return WAIT;
  if (s.lateWrites.open.length > 0)
    return {
      text: 'Somebody has written on the source. Find out who; the keys differ until the target changes them, or a rollback does.',
      command: audit(s.prefixes[0] ?? ''),
    };
  return { text: 'Nothing. If it has to be, this goes back.', command: rollback };
}
