/**
 * Raising the target's head by proposals: fillers whose order and number do not matter, hundreds in one
 * message, where transactions need as many requests.
 *
 * Nothing is proposed before what was has shown, so of what comes late after all there is one message too
 * many at the most. What does not come is left to transactions (fillers.ts), which say why. The head alone
 * does not tell: apiservers that have moved write there, too. The slot's version does.
 */
import { pause } from '../async/again.js';
import { passes } from '../errors.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import type { Revision } from '../mvcc/revision.js';
import { slotKey } from '../target/guard.js';
import type { RaisingPort } from '../target/peerport.js';
import type { EtcdClient } from '../wire/client.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';

const MOST_IN_MESSAGE = 512;
const LOOK_EVERY_MS = 3;
/** Without another filler. */
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
  try {
    let now = await look(client);
    while (now.head < goal && !stopped()) {
      const count = Math.min(goal - now.head, MOST_IN_MESSAGE);
      const all = now.landed + count;
      await port.raise(count, guard);
      let until = performance.now() + GIVE_UP_MS;
      while (now.landed < all && now.head < goal && !stopped()) {
        const { landed } = now;
        now = await look(client);
        if (now.landed > landed) until = performance.now() + GIVE_UP_MS;
        else if (performance.now() > until) return false;
        if (now.landed < all) await pause(LOOK_EVERY_MS, signal);
      }
    }
    return true;
  } catch (error) {
    if (!passes(error)) throw error;
    return false;
  }
}

/** The head, and how many fillers of ours there ever were. */
async function look(client: EtcdClient): Promise<{ head: Revision; landed: number }> {
  const { header, rows } = await client.few({ key: slotKey(0), keysOnly: true });
  return { head: header.revision, landed: rows[0] ? parseKeyValue(rows[0]).version : 0 };
}
