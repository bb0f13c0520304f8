/**
 * Raising a store's head: fillers whose order and number do not matter, many at once.
 *
 * In lockstep a filler too many would be a wrong revision. Here the head only has to be high enough,
 * so a filler that comes late or twice does no harm, an unclear answer is no doubt, and up to 63 too
 * many are nobody's concern.
 */
import { Backoff } from '../async/again.js';
import type { Attempts } from '../async/patience.js';
import { passes } from '../errors.js';
import type { Revision } from '../mvcc/revision.js';
import { slotKey, SLOTS } from './guard.js';
import { put } from './txn.js';
import type { EtcdClient } from '../wire/client.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';

/**
 * Writes until the head is at `goal` or above, or `signal` aborts.
 * @param guard what must hold, or it ends: a filler may come from a process that was given up
 * @param tell hears what stands in the way
 * @returns the head that was seen last, and whether the guard held
 * @throws LockstepError NO_SPACE, PERMISSION, … ; not for what passes
 */
export async function raiseHead(
  client: EtcdClient,
  goal: Revision,
  guard: pb.Compare.$Properties[],
  signal: AbortSignal,
  tell?: Attempts,
): Promise<{ head: Revision; held: boolean }> {
  let { revision: head } = await client.head(slotKey(0));
  let held = true;
  const backoff = new Backoff(signal);
  let resting: Promise<void> | undefined;
  const worker = async (slot: number): Promise<void> => {
    const success = [put(slotKey(slot), Buffer.alloc(0))];
    while (held && head < goal && !signal.aborted) {
      try {
        const answer = await client.txn({ compare: guard, success });
        held &&= answer.succeeded;
        head = Math.max(head, answer.revision);
        backoff.reset();
        tell?.answered();
      } catch (error) {
        if (!passes(error) || error.code === 'NO_SPACE') throw error;
        tell?.failed(error);
        // All of them wait together, for what keeps one from writing keeps all.
        resting ??= backoff.rest().then(() => (resting = undefined));
        await resting;
      }
    }
  };
  await Promise.all(Array.from({ length: SLOTS }, (_, slot) => worker(slot)));
  return { head, held };
}
