/** A watch that is made anew, from where it was, for as long as what breaks it passes. */
import { backoffMs, pause } from '../backoff.js';
import { passes } from '../errors.js';
import type { EtcdClient } from '../wire/client.js';
import { watchRevisions, type WatchBatch, type WatchOptions } from './watch.js';

/**
 * Ends when `signal` aborts.
 * @throws LockstepError for what another try does not mend: see {@link watchRevisions}
 */
export async function* steadyRevisions(
  client: EtcdClient,
  options: WatchOptions,
): AsyncGenerator<WatchBatch> {
  const { signal } = options;
  let { after } = options;
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      for await (const batch of watchRevisions(client, { ...options, after })) {
        attempt = 0;
        after = batch.position;
        yield batch;
      }
    } catch (error) {
      if (!passes(error)) throw error;
      await pause(backoffMs(attempt), signal);
    }
  }
}
