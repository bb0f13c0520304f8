/** What `mirror` shows. */
import type { MirrorStatus } from '../mirror/mirrorstatus.js';
import { count, duration } from '../text.js';
import { blankView, type ViewFacts } from './blankview.js';
import type { View } from './view.js';

/**
 * @param status null before the first one
 * @param prefix what is mirrored; empty: everything
 * @param audit the command that compares both
 */
export function mirrorView(
  facts: ViewFacts,
  status: MirrorStatus | null,
  prefix: string,
  audit: string,
): View {
  const view = { ...blankView('mirror', facts), prefixes: [prefix] };
  if (!status)
    return {
      ...{ ...view, state: 'waiting for the source', sentence: 'It is just beginning.' },
      ...{ mood: 'working', ready: false, next: WAIT },
    };
  const { state, clusters, position, sourceHead, lagRevisions, lagSeconds } = status;
  const { transactions, puts, deletions, bytes, leases, retries, trouble } = status;
  return {
    ...{ ...view, state, clusters, leases, retries, trouble },
    sentence: sentence(status),
    mood: trouble ? 'trouble' : state === 'mirroring' ? 'well' : 'working',
    ready: isReady(status, facts.readyLagSeconds),
    heads: { source: sourceHead || null, target: position },
    lag: lagRevisions === null ? null : { revisions: lagRevisions, seconds: lagSeconds ?? 0 },
    wrote: { revisions: transactions, fillers: 0, puts, deletions, bytes },
    progress: progress(status),
    next: next(status, audit),
  };
}

const WAIT = { text: 'Wait: it goes on by itself.', command: null };

/** Before it has caught up for the first time its lag is a guess. */
function isReady({ state, caughtUpAt, lagSeconds }: MirrorStatus, within: number): boolean {
  const goesOn = state === 'mirroring' || state === 'catching up';
  return goesOn && caughtUpAt !== null && lagSeconds !== null && lagSeconds <= within;
}

function progress({ comparing }: MirrorStatus): View['progress'] {
  if (!comparing) return null;
  const all = comparing.keys + comparing.remaining;
  const share = comparing.keys / Math.max(all, 1);
  return { share, text: `${count(comparing.keys)} of ${count(all)} keys` };
}

function sentence(s: MirrorStatus): string {
  const { position, lagRevisions, lagSeconds } = s;
  const behind = `${count(lagRevisions ?? 0)} revisions, ${duration(lagSeconds ?? 0)}`;
  switch (s.state) {
    case 'waiting for the source':
      return 'The source does not answer.';
    case 'waiting for the target':
      return 'The target does not answer, or takes no writes.';
    case 'comparing':
      return `Source and target are compared, and what differs is brought: ${progress(s)?.text ?? 'just beginning'}.`;
    case 'catching up':
      return `Catching up: ${behind} behind the source.`;
    case 'mirroring':
      return `Mirroring: the target has what the source had at revision ${position ?? 0}, ${behind} behind.`;
  }
}

function next({ state, trouble }: MirrorStatus, audit: string): View['next'] {
  if (trouble) return { text: trouble.hint ?? WAIT.text, command: null };
  if (state !== 'mirroring') return WAIT;
  return { text: 'Nothing. An audit compares both, as often as you like.', command: audit };
}
