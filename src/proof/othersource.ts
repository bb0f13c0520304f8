/**
 * That the source is the one that the target was cut over from.
 *
 * A cluster id alone does not tell: two single etcds with default flags have the same one, and so has one
 * that was restored from its own backup. But the source has been at the revision of the takeover, and it
 * does not hold what was written to the target alone.
 */
import { hasCode, LockstepError } from '../errors.js';
import { modRevisionOf } from '../mvcc/keyvalue.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { refuseOne, sameEtcd } from '../source/sameetcd.js';
import { CURSOR_KEY } from '../target/cursor.js';
import { CUTOVER_KEY, type StoredCutover } from '../target/cutoverstate.js';
import type { TargetState } from '../target/target.js';
import type { EtcdClient } from '../wire/client.js';

/**
 * Who goes on must go on with the same source: a fence above another one's head is none, and retire
 * would remove keys from a store that has nothing to do with it.
 * @throws LockstepError TARGET_OTHER_SOURCE; SAME_ETCD where it is the target itself
 */
export async function refuseOtherSource(
  source: EtcdClient,
  target: EtcdClient,
  { state, exact, modRevision }: StoredCutover,
): Promise<void> {
  await refuseOne(source, target, probeKey(PrefixSet.of(state.prefixes)));
  const { clusterId, revision } = await source.head(probeKey(PrefixSet.of(state.prefixes)));
  if (clusterId !== state.source)
    throw otherSource(`from cluster ${state.source}, not from ${clusterId}`);
  if (revision < exact)
    throw otherSource(`at revision ${exact}, and this one is at ${revision} only`);
  await refuseRow(source, CUTOVER_KEY, modRevision);
}

/**
 * The same for a target that is still in lockstep: an etcd that is compared with itself is equal.
 * @param key one that both users may read
 * @throws LockstepError SAME_ETCD
 */
export async function refuseItself(
  source: EtcdClient,
  target: EtcdClient,
  state: TargetState,
  key: Buffer,
): Promise<void> {
  await refuseOne(source, target, key);
  await refuseRow(source, CURSOR_KEY, state.cursorMod);
}

/** Where roles are in force, a key of ours may not be readable on the source: then it tells nothing. */
async function refuseRow(source: EtcdClient, key: Buffer, mod: Revision): Promise<void> {
  try {
    const { rows } = await source.few({ key, keysOnly: true });
    if (!rows[0] || modRevisionOf(rows[0]) !== mod) return;
  } catch (error) {
    if (!hasCode(error, 'PERMISSION')) throw error;
    return;
  }
  throw sameEtcd(
    `the source has ${key.toString()} as the target has it`,
    'Give the old etcd to --endpoints and the new one to --dest-endpoints. Nothing was changed.',
  );
}

function otherSource(how: string): LockstepError {
  return new LockstepError('TARGET_OTHER_SOURCE', `the target was cut over ${how}`, {
    hint: 'Check --endpoints and --dest-endpoints. A source that was restored from a backup is another one.',
  });
}
