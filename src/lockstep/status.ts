/** What a target says of itself, and how far it is behind. */
import type { Cursor } from '../cursor.js';
import type { Phase } from '../cutoverstate.js';
import { LockstepError } from '../errors.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { takeStock } from './stock.js';
import { EtcdTarget } from './target.js';
import type { EtcdClient } from '../wire/client.js';

export interface TargetStatus {
  cursor: Cursor;
  /** The target's head: its position in the source's history, if `trouble` is null. */
  position: Revision;
  /** Why the target may not be followed into any more; null if it may. */
  trouble: { code: string; message: string; hint: string | null } | null;
  /** Where the target was taken over for a cutover: how far that is, and the last revision before. */
  cutover: { phase: Phase; exact: Revision } | null;
  sourceHead: Revision | null;
  lagRevisions: number | null;
}

/** @throws LockstepError TARGET_NOT_OURS where there is no cursor */
export async function targetStatus(
  target: EtcdClient,
  source: EtcdClient | undefined,
): Promise<TargetStatus> {
  // Asked first because its deadline is short: a target that is not there is told soon.
  await target.status();
  const state = await new EtcdTarget(target).read();
  if (!state.cursor)
    throw new LockstepError('TARGET_NOT_OURS', 'the target has no cursor', {
      disposition: 'fatal',
      hint: 'Check --dest-endpoints. A target comes from a base that etcd-lockstep has sealed.',
    });
  const prefixes = PrefixSet.of(state.cursor.prefixes);
  const head = source ? await source.head(probeKey(prefixes)) : undefined;
  const identity = { source: head?.clusterId ?? state.cursor.source ?? '', prefixes };
  let trouble: TargetStatus['trouble'] = null;
  try {
    takeStock(state, identity);
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    trouble = { code: error.code, message: error.message, hint: error.hint ?? null };
  }
  return {
    cursor: state.cursor,
    position: state.head,
    trouble,
    cutover: state.cutover
      ? { phase: state.cutover.state.phase, exact: state.cutover.exact }
      : null,
    sourceHead: head?.revision ?? null,
    lagRevisions: head ? head.revision - state.head : null,
  };
}
