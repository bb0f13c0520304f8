/**
 * Whether two ends are one etcd, told by reading alone. What is compared with itself is equal, and
 * that proves nothing.
 *
 * Names do not tell: 127.0.0.1 and localhost, another member, a proxy. Nor do ids tell all: two
 * clusters with other ids are two, but two single etcds with default flags have the same cluster
 * and member ids, and so has a copy of a data directory. So the ends count as one until something
 * shows that they are two:
 *
 *   1. Other cluster ids.
 *   2. The order of looks. A store's revision and the index of its raft log only go up, whichever
 *      member is asked, behind a linearizable read. Looked at in the order source, target, source, one
 *      store shows numbers in that order.
 *   3. Our own keys. At one revision one store has the same rows, and a target has a cursor.
 *
 * Invariant: one etcd is never taken for two. Two may be taken for one where all of it fails:
 * same ids, at rest or in step, as many entries in both logs, no cursor (or no right to read
 * it). A look takes less than a second, and that ends as soon as one of them is restarted.
 *
 * Dropped: the list of members, and `/metrics`, for which a proxy answers in its own name; HashKV, which
 * reads the whole store and is the same for a true copy.
 */
import { pause } from '../async/again.js';
import { hasCode, LockstepError } from '../errors.js';
import { OWN_PREFIX, prefixRange } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import type { EtcdClient, StoreProgress } from '../wire/client.js';

interface End {
  client: EtcdClient;
  clusterId: string;
  /** A key that its user may read. */
  key: Buffer;
}

const LOOKS = 5;
const LOOK_MS = 100;

/** False: they are two. True: nothing shows that they are; takes half a second. */
export async function areOne(source: End, target: End): Promise<boolean> {
  if (source.clusterId !== target.clusterId) return false;
  for (let look = 1; look <= LOOKS; look++) {
    const before = await source.client.standing(source.key);
    const between = await target.client.standing(target.key);
    const after = await source.client.standing(source.key);
    if (!inOrder(before, between) || !inOrder(between, after)) return false;
    if (await ownKeysDiffer(source.client, target.client, before.head)) return false;
    await pause(LOOK_MS);
  }
  return true;
}

/**
 * For a command whose two ends may not be one. Where one of them does not let us look, it says nothing.
 * @param key one that both users may read
 * @throws LockstepError SAME_ETCD
 */
export async function refuseOne(
  source: EtcdClient,
  target: EtcdClient,
  key: Buffer,
): Promise<void> {
  try {
    const from = await source.head(key);
    const to = await target.head(key);
    const ends = [
      { client: source, clusterId: from.clusterId, key },
      { client: target, clusterId: to.clusterId, key },
    ] as const;
    if (await areOne(...ends)) throw sameEtcd(`cluster ${from.clusterId}`);
  } catch (error) {
    if (!hasCode(error, 'PERMISSION')) throw error;
  }
}

/** The same where nothing else may fail for it. */
export async function refuseOneIfTold(
  source: EtcdClient,
  target: EtcdClient,
  key: Buffer,
): Promise<void> {
  try {
    await refuseOne(source, target, key);
  } catch (error) {
    if (!(error instanceof LockstepError) || error.code === 'SAME_ETCD') throw error;
  }
}

export function sameEtcd(which: string, hint?: string): LockstepError {
  return new LockstepError('SAME_ETCD', `source and target are the same etcd: ${which}`, {
    hint:
      hint ??
      'Give the old etcd to --endpoints and the new one to --dest-endpoints. If they are two all the same, their ids, heads, raft logs and cursors are alike: restart the target, and they are told apart.',
  });
}

function inOrder(earlier: StoreProgress, later: StoreProgress): boolean {
  if (earlier.head > later.head) return false;
  const [a, b] = [earlier.raftIndex, later.raftIndex];
  return a === undefined || b === undefined || a <= b;
}

/** Both hold this revision. What one of them refuses to tell shows nothing. */
async function ownKeysDiffer(a: EtcdClient, b: EtcdClient, revision: Revision): Promise<boolean> {
  const query = { ...prefixRange(OWN_PREFIX), revision, limit: 1 };
  try {
    const [left, right] = await Promise.all([a.few(query), b.few(query)]);
    const [one, other] = [left.rows[0], right.rows[0]];
    return one && other ? !one.equals(other) : one !== other;
  } catch (error) {
    if (hasCode(error, 'PERMISSION', 'COMPACTED')) return false;
    throw error;
  }
}
