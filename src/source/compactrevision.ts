/**
 * A store's compact revision. etcd has no call that tells it, but a watch from revision 1 is
 * cancelled with it.
 */
import { LockstepError, hasCode } from '../errors.js';
import { safeRevision, type Revision } from '../mvcc/revision.js';
import type { EtcdClient } from '../wire/client.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';
import { mapCancelReason } from '../wire/grpcerrors.js';

/**
 * 1 for a store that was never compacted: revision 1 is empty in every etcd.
 * @param key one that the user may read; whether it exists plays no part
 */
export async function compactRevision(client: EtcdClient, key: Uint8Array): Promise<Revision> {
  try {
    await client.few({ key, revision: 1, limit: 1 });
    return 1;
  } catch (error) {
    if (!hasCode(error, 'COMPACTED')) throw error;
  }
  const stream = await client.watch();
  try {
    stream.send({ createRequest: { key, startRevision: 1 } });
    for await (const message of stream.messages())
      if (message.canceled) return cancelledAt(message, client);
  } finally {
    stream.cancel();
  }
  throw new LockstepError('UNAVAILABLE', `${client.side}: the watch ended before its answer`, {
    side: client.side,
  });
}

/** A watch is also cancelled where it is not allowed, and then knows nothing of compaction. */
function cancelledAt(message: pb.WatchResponse, { side }: EtcdClient): Revision {
  const revision = safeRevision(message.compactRevision);
  if (revision > 0) return revision;
  throw mapCancelReason(message.cancelReason, side);
}
