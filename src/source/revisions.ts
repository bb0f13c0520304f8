/**
 * revisions$: a store's whole revisions and proven positions, from a position on, for as long as one likes.
 *
 *     begin ─► watch ─► store ─► watch ─► store …
 *       ▲        │ breaks, and another try may mend it: after a while ─┐
 *       ├────────┼─────────────────────────────────────────────────────┘
 *       └─ gap ◄─┘ compacted past where it stands
 *
 * The one way to have them. seed and follow store into the journal, a mirror into its backlog; a live
 * audit compares, and late writes are counted. One watch is source/watch.ts.
 *
 * Invariant: a new watch begins where the last batch that was stored has ended, since the next batch is
 * asked for only then (async/pull.ts).
 */
import { defer, finalize, of, type Observable } from 'rxjs';
import { Backoff, whilePasses } from '../async/again.js';
import type { Attempts } from '../async/patience.js';
import { pull } from '../async/pull.js';
import { hasCode, type LockstepError } from '../errors.js';
import type { EtcdClient } from '../wire/client.js';
import { watchRevisions, type WatchBatch, type WatchOptions } from './watch.js';

export interface RevisionsOptions extends Omit<WatchOptions, 'after' | 'limits'> {
  /** Asked before each watch: from where, and how it has to be read. What it throws is tried again, too. */
  begin: () => Promise<Pick<WatchOptions, 'after' | 'limits'>>;
  /**
   * History above `after` is lost: brings whatever `begin` tells past that, and the watch goes on. Unless
   * given, HISTORY_GAP ends it.
   */
  bridge?: ((gap: LockstepError, signal: AbortSignal) => Promise<void>) | undefined;
  /** Hears when the watch breaks, and when it goes on. */
  told?: Attempts | undefined;
}

/**
 * Cold: each subscription watches by itself. Completes when `signal` has aborted and the last batch is
 * stored.
 * @param store gets the batches in their order, one at a time
 * @returns what `store` has given for each
 * @throws LockstepError for what another try does not mend: see {@link watchRevisions}
 */
export function revisions$<R>(
  client: EtcdClient,
  options: RevisionsOptions,
  store: (batch: WatchBatch) => R | Promise<R>,
): Observable<R> {
  return defer(() => {
    const left = new AbortController();
    const signal = AbortSignal.any([options.signal, left.signal]);
    return defer(() => of(watches(client, { ...options, signal }))).pipe(
      pull(store),
      whilePasses(signal, options.told),
      finalize(() => {
        left.abort();
      }),
    );
  });
}

/** One watch after another, over gaps; until one breaks. */
async function* watches(client: EtcdClient, options: RevisionsOptions): AsyncGenerator<WatchBatch> {
  const { begin, bridge, signal, told } = options;
  const backoff = new Backoff(signal);
  for (let gaps = 0; !signal.aborted; gaps++) {
    // A member that lags may show the same gap again.
    if (gaps > 1) await backoff.rest();
    try {
      for await (const batch of watchRevisions(client, { ...options, ...(await begin()) })) {
        told?.answered();
        yield batch;
        gaps = 0;
      }
    } catch (error) {
      if (!bridge || !hasCode(error, 'HISTORY_GAP')) throw error;
      await bridge(error, signal);
    }
  }
}
