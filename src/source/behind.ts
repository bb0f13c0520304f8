/**
 * How far behind somebody is who copies a source, by a look from outside.
 *
 * etcd does not say when a revision was written. So the head that the source has now is noted, and it is
 * seen how long the copy takes to come there: that is its lag, measured, and it shows that somebody
 * brings it on. A copy that has everything already may have nobody: that cannot be told from outside,
 * until the source goes on.
 */
import { pause } from '../async/again.js';
import type { Revision } from '../mvcc/revision.js';

export interface Behind {
  /** Until the copy had what the source had when it was asked; null: not within the time. */
  seconds: number | null;
  /** Whether it came on meanwhile; null where it had everything at once. */
  moves: boolean | null;
}

const POLL_MS = 100;

/**
 * @param askGoal what it has to come to, as it is now
 * @param position where it is
 * @param withinSeconds how long that is waited for
 */
export async function measureBehind(
  askGoal: () => Promise<Revision>,
  position: () => Promise<Revision>,
  withinSeconds: number,
  signal: AbortSignal,
): Promise<Behind> {
  const started = performance.now();
  const goal = await askGoal();
  const first = await position();
  if (first >= goal) return { seconds: 0, moves: null };
  for (let last = first; ; last = await position()) {
    const seconds = (performance.now() - started) / 1000;
    if (last >= goal) return { seconds: Math.round(seconds * 10) / 10, moves: true };
    if (seconds >= withinSeconds) return { seconds: null, moves: last > first };
    await pause(POLL_MS, signal);
    signal.throwIfAborted();
  }
}
