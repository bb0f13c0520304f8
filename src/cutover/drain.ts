/**
 * The drain: nothing is written on the source any more, and the target has all of it.
 *
 *   quiet   no event under the prefixes for a while, and the watch has passed the source's head
 *   equal   the live audit has compared both sides up to that head
 *
 * A request that was let in just before the freeze may still be on its way to etcd, which is what
 * the quiet time is for. One that takes longer shows up as a late write, before any apiserver moves.
 */
import type { LiveAudit } from '../audit/live.js';
import { pause } from '../backoff.js';
import { LockstepError } from '../errors.js';
import type { Revision } from '../mvcc/revision.js';
import type { EtcdClient } from '../wire/client.js';

const POLL_MS = 10;

export interface DrainOptions {
  source: EtcdClient;
  /** A key of the source that the user may read. */
  key: Buffer;
  audit: LiveAudit;
  quietMs: number;
  /** In ms of performance.now(). */
  deadline: number;
  signal: AbortSignal;
}

/**
 * Waits until the source has been quiet since it was frozen.
 * @param since when it was frozen, in ms of performance.now()
 * @returns the source's head then: up to it the target has to come
 * @throws LockstepError NOT_DRAINED at the deadline
 */
export async function untilQuiet(options: DrainOptions, since: number): Promise<Revision> {
  const { source, key, audit, quietMs, signal } = options;
  while (Math.min(audit.quietMs, performance.now() - since) < quietMs) {
    refuseLate(options, 'keys under the prefixes are still written on the source');
    await pause(POLL_MS, signal);
  }
  return (await source.head(key)).revision;
}

/**
 * Waits until both sides were compared up to there. It also proves that nothing came in the quiet time:
 * the watch has passed it.
 * @throws LockstepError NOT_DRAINED at the deadline
 */
export async function untilEqual(options: DrainOptions, head: Revision): Promise<void> {
  const { audit, signal } = options;
  while (audit.equal < head) {
    refuseLate(
      options,
      `the target was found equal up to revision ${audit.equal} only, and the source stands at ${head}`,
    );
    await pause(POLL_MS, signal);
  }
}

function refuseLate({ deadline, signal }: DrainOptions, why: string): void {
  signal.throwIfAborted();
  if (performance.now() < deadline) return;
  throw new LockstepError('NOT_DRAINED', why, {
    disposition: 'retry',
    hint: 'Is `etcd-lockstep follow` running and in lockstep (`etcd-lockstep status`)? Does every apiserver refuse writes (`etcd-lockstep freeze probe`)? Then run the same command again.',
  });
}
