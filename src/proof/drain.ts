/**
 * The drain: nothing is written on the source any more, and the target has all of it.
 *
 *   quiet   the source's head before and after a while, and no event under the prefixes in between: the
 *           watch has passed the second head, so what it has not brought was not written
 *   equal   the live audit has compared both sides up to that second head
 *
 * A request that was let in just before the freeze may still be on its way to etcd, which is what
 * the quiet time is for. One that takes longer shows up as a late write, before any apiserver moves.
 *
 * Dropped: the time since the last event came. A watch that is late looks quiet.
 */
import { pause } from '../async/again.js';
import type { LiveAudit } from '../audit/live.js';
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
 * Waits until the source has been quiet for the quiet time, from now on.
 * @returns the source's head then: up to it the target has to come
 * @throws LockstepError NOT_DRAINED at the deadline; the signal's reason
 */
export async function untilQuiet(options: DrainOptions): Promise<Revision> {
  const { source, key, audit, quietMs, signal } = options;
  audit.hurry();
  for (let before = await source.head(key); ;) {
    await pause(quietMs, signal);
    // Ended early, it proves nothing: whoever has been told to stop would take the target over.
    signal.throwIfAborted();
    const after = await source.head(key);
    while (audit.sourcePosition < after.revision) {
      refuseLate(options, behindText(audit, after.revision));
      await pause(POLL_MS, signal);
    }
    if (audit.lastEvent <= before.revision) return after.revision;
    refuseLate(options, 'keys under the prefixes are still written on the source');
    before = after;
  }
}

function behindText({ sourcePosition }: LiveAudit, head: Revision): string {
  return `the source's watch has come to revision ${sourcePosition} only, and its head is ${head}`;
}

/**
 * Waits until both sides were compared up to there.
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
    hint: 'Is `etcd-lockstep follow` running and in lockstep (`etcd-lockstep status`)? Does every apiserver refuse writes (`etcd-lockstep freeze probe`)? Then run the same command again.',
  });
}
