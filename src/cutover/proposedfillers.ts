/**
 * Raising the target's head by proposals: fillers whose order and number do not matter, hundreds in one
 * message, where transactions need as many requests.
 *
 * Nothing is proposed before what was has shown, so of what comes late after all there is one message too
 * many at the most. What does not come is left to transactions (fillers.ts), which say why.
 */
import { pause } from '../async/again.js';
import { hasCode } from '../errors.js';
import type { Revision } from '../mvcc/revision.js';
import { slotKey } from '../target/guard.js';
import type { RaisingPort } from '../target/peerport.js';
import type { EtcdClient } from '../wire/client.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';

const MOST_IN_MESSAGE = 512;
const LOOK_EVERY_MS = 3;
const GIVE_UP_MS = 500;

/**
 * Until the head is at `goal` or above, `signal` aborts, or nothing comes.
 * @returns whether the port does
 */
export async function proposeFillers(
  client: EtcdClient,
  port: RaisingPort,
  goal: Revision,
  guard: readonly pb.Compare.$Properties[],
  signal: AbortSignal,
): Promise<boolean> {
  const stopped = () => signal.aborted;
  let { revision: head } = await client.head(slotKey(0));
  while (head < goal && !stopped()) {
    const before = head;
    try {
      await port.raise(Math.min(goal - head, MOST_IN_MESSAGE), guard);
    } catch (error) {
      if (!hasCode(error, 'PEER_PORT')) throw error;
      return false;
    }
    const until = performance.now() + GIVE_UP_MS;
    const goalOfMessage = Math.min(goal, before + MOST_IN_MESSAGE);
    while (head < goalOfMessage && performance.now() < until && !stopped()) {
      head = (await client.head(slotKey(0))).revision;
      if (head < goalOfMessage) await pause(LOOK_EVERY_MS, signal);
    }
    if (head === before) return false;
  }
  return true;
}
