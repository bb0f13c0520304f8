/**
 * Whether a watch answers when it is asked for progress: seen at the endpoint, since no version tells.
 * What stands before an etcd may drop the question (`etcd grpc-proxy` does), and then no position is ever
 * proven by it.
 */
import type { EtcdClient } from '../wire/client.js';

const ANSWERS_WITHIN_MS = 3000;
const ASKED_EVERY_MS = 500;

/**
 * Asks on a stream of its own, which has nothing to catch up with, for three seconds at the most.
 * @param key one that the user may read
 * @returns false only where the watch was there and did not answer; true also where it broke off
 */
export async function answersProgress(client: EtcdClient, key: Uint8Array): Promise<boolean> {
  const stream = await client.watch();
  const ask = setInterval(() => {
    stream.send({ progressRequest: {} });
  }, ASKED_EVERY_MS);
  const seen = { created: false, late: false };
  const end = setTimeout(() => {
    seen.late = true;
    stream.cancel();
  }, ANSWERS_WITHIN_MS);
  try {
    stream.send({ createRequest: { key } });
    for await (const { created, canceled, events } of stream.messages()) {
      if (canceled) return true;
      if (created) seen.created = true;
      else if (events.length === 0) return true;
    }
  } catch (error) {
    if (!seen.late) throw error;
  } finally {
    clearInterval(ask);
    clearTimeout(end);
    stream.cancel();
  }
  return !(seen.created && seen.late);
}

/** Says once what is different behind something that drops the question. */
export function noProgressNote(side: string): string {
  return `the ${side}'s watch does not answer when asked for progress (is there an etcd grpc-proxy before it?); watching its whole key space instead of the prefixes, since there only events prove a position. With the members' own addresses only the prefixes are watched`;
}
