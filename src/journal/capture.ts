/**
 * Source watch ─► journal, for as long as it is let.
 *
 * The data is pulled: the next message is read when the one before is in the journal, so a slow disk
 * pauses the gRPC stream instead of filling memory (rxjs by itself would buffer). rxjs does what it
 * is good at: trying again, from wherever the journal then stands.
 */
import { defer, from, fromEvent, retry, takeUntil, timer, type Observable } from 'rxjs';
import { backoffMs } from '../backoff.js';
import { LockstepError, passes } from '../errors.js';
import { PrefixSet } from '../mvcc/prefix.js';
import type { Position } from '../position.js';
import type { WatchLimits } from '../source/limits.js';
import { watchRevisions } from '../source/watch.js';
import type { EtcdClient } from '../wire/client.js';
import { refuseOtherHistory } from './continuity.js';
import type { Journal } from './journal.js';

export interface CaptureOptions {
  limits: WatchLimits;
  signal: AbortSignal;
  /** Called before each new try. */
  onRetry?: (error: LockstepError) => void;
  /** See WatchOptions. */
  onNote?: (note: string) => void;
}

/**
 * Emits the journal's position after every append; completes when `signal` aborts.
 * @throws LockstepError HISTORY_GAP, SOURCE_CHANGED and whatever else another try cannot mend
 */
export function capture(
  client: EtcdClient,
  journal: Journal,
  options: CaptureOptions,
): Observable<Position> {
  const { signal, onRetry } = options;
  return defer(() => from(appendAll(client, journal, options))).pipe(
    retry({
      resetOnSuccess: true,
      delay: (error: unknown, attempt) => {
        if (!passes(error) || signal.aborted) throw error;
        onRetry?.(error);
        return timer(backoffMs(attempt - 1)).pipe(takeUntil(fromEvent(signal, 'abort')));
      },
    }),
  );
}

async function* appendAll(
  client: EtcdClient,
  journal: Journal,
  { limits, signal, onNote }: CaptureOptions,
): AsyncGenerator<Position> {
  await refuseOtherHistory(client, journal);
  const { clusterId, prefixes } = journal.state;
  const options = {
    prefixes: PrefixSet.of(prefixes),
    after: journal.position,
    limits,
    clusterId,
    signal,
    ...(onNote ? { onNote } : {}),
  };
  for await (const batch of watchRevisions(client, options)) {
    await journal.append(batch.revisions, batch.position);
    yield batch.position;
  }
}
