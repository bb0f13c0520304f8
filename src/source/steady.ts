/** A watch that is made anew, from where it was, for as long as what breaks it passes. */
import { backoffMs, pause } from '../backoff.js';
import { passes } from '../errors.js';
import type { Attempts } from '../patience.js';
import type { EtcdClient } from '../wire/client.js';
import { watchRevisions, type WatchBatch, type WatchOptions } from './watch.js';

/**
 * Ends when `signal` aborts.
 * @param told hears when it breaks, and when it goes on
 * @throws LockstepError for what another try does not mend: see {@link watchRevisions}
 */
export async function* steadyRevisions(
  client: EtcdClient,
  options: WatchOptions,
  told?: Attempts,
): AsyncGenerator<WatchBatch> {
  const { signal } = options;
  let { after } = options;
  const isOver = () => signal.aborted;
  for (let attempt = 0; !isOver(); attempt++) {
    try {
      for await (const batch of watchRevisions(client, { ...options, after })) {
        attempt = 0;
        told?.answered();
        after = batch.position;
        yield batch;
      }
    } catch (error) {
      if (!passes(error)) throw error;
      if (!isOver()) told?.failed(error);
      await pause(backoffMs(attempt), signal);
    }
  }
}
