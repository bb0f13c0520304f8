/**
 * A store's compact revision. etcd has no call that tells it, but a watch from revision 1 is
 * cancelled with it.
 */
import { LockstepError, hasCode } from '../errors.js';
import { OWN_PREFIX } from '../mvcc/prefix.js';
import { safeRevision, type Revision } from '../mvcc/revision.js';
import type { EtcdClient } from '../wire/client.js';

/** No such key is ever written; it only gives the probes something to ask about. */
const NO_KEY = Buffer.from(`${OWN_PREFIX}no-such-key`);

/** 1 for a store that was never compacted: revision 1 is empty in every etcd. */
export async function compactRevision(client: EtcdClient): Promise<Revision> {
  try {
    await client.range({ key: NO_KEY, revision: 1, limit: 1 });
    return 1;
  } catch (error) {
    if (!hasCode(error, 'COMPACTED')) throw error;
  }
  const stream = client.watch();
  try {
    stream.send({ createRequest: { key: NO_KEY, startRevision: 1 } });
    for await (const message of stream.messages())
      if (message.canceled) return safeRevision(message.compactRevision);
  } finally {
    stream.cancel();
  }
  throw new LockstepError('UNAVAILABLE', `${client.side}: the watch ended before its answer`, {
    disposition: 'retry',
  });
}
