/**
 * What has become of both sides since the target was taken over.
 *
 * From the takeover on they go separate ways, so an audit compares the last revision that both have
 * had, and EQUAL speaks of that moment. Whoever reads it has to know which moment it was and what has
 * been written since; on a source that nobody should write any more, that is a late write.
 */
import { LockstepError } from '../errors.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import type { PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { readPrefixes } from '../source/prefixes.js';
import type { Phase, StoredCutover } from '../target/cutoverstate.js';
import type { EtcdClient } from '../wire/client.js';

export interface TakenOver {
  /** How far the cutover is. */
  phase: Phase;
  /** The last revision at which the target was the source's exact copy. */
  exact: Revision;
  /** When it was taken over, by the clock of who did it. */
  at: string;
  source: Changes;
  target: Changes;
}

/** Of the keys under the prefixes, as they are now. */
interface Changes {
  /** Keys that were put since. */
  put: number;
  /** The first and the last revision of those; null where there are none. */
  first: Revision | null;
  last: Revision | null;
  /** Keys of the copy that were deleted since; null where the cutover's prefixes are others. */
  deleted: number | null;
}

export async function sinceTakeover(
  source: EtcdClient,
  target: EtcdClient,
  { state, exact }: StoredCutover,
  prefixes: PrefixSet,
  signal: AbortSignal,
): Promise<TakenOver> {
  const copied = prefixes.equals(state.prefixes) ? state.keys : null;
  const changes = (client: EtcdClient) => changesOn(client, prefixes, exact, copied, signal);
  const [there, here] = await Promise.all([changes(source), changes(target)]);
  const { phase, fencedAt: at } = state;
  return { phase, exact, at, source: there, target: here };
}

/** Reads the names of all keys, and what may be compacted meanwhile as it is then. */
async function changesOn(
  client: EtcdClient,
  prefixes: PrefixSet,
  exact: Revision,
  copied: number | null,
  signal: AbortSignal,
): Promise<Changes> {
  const changes: Changes = { put: 0, first: null, last: null, deleted: null };
  let left = 0;
  for await (const { rows } of readPrefixes(client, prefixes, { keysOnly: true })) {
    signal.throwIfAborted();
    for (const row of rows) {
      const { modRevision, createRevision } = parseKeyValue(row);
      if (createRevision <= exact) left++;
      if (modRevision <= exact) continue;
      changes.put++;
      changes.first = Math.min(changes.first ?? modRevision, modRevision);
      changes.last = Math.max(changes.last ?? modRevision, modRevision);
    }
  }
  if (copied !== null) changes.deleted = copied - left;
  return changes;
}

/** `3 keys put, at revisions 410 to 697; 1 deleted` */
export function changesText({ put, first, last, deleted }: Changes): string {
  if (put === 0 && deleted === 0) return 'nothing';
  const at = first === last ? `revision ${first ?? 0}` : `revisions ${first ?? 0} to ${last ?? 0}`;
  return [
    put === 0 ? 'no key put' : `${put} ${put === 1 ? 'key' : 'keys'} put, at ${at}`,
    deleted === null ? 'how many were deleted is not known' : `${deleted} deleted`,
  ].join('; ');
}

/** Where the copy can be read no more: an apiserver compacts every five minutes. */
export function nothingInCommon({ exact, at, phase, source, target }: TakenOver): LockstepError {
  return new LockstepError(
    'TARGET_CUT_OVER',
    `the target was taken over at ${at} (${phase}), and the last revision that both sides had, ${exact}, is compacted away: there is nothing left to compare. Changed since: on the source ${changesText(source)}; on the target ${changesText(target)}`,
    {
      revision: exact,
      hint: 'The takeover itself has compared every key. `etcd-lockstep status` says how far it is since, and what comes next.',
    },
  );
}
