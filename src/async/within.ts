/**
 * A limit of time for some work, as a signal.
 *
 * Not AbortSignal.timeout within AbortSignal.any: Node 20 holds the former weakly, and where the garbage is
 * collected before its time has come, it never comes. Nor AbortSignal.any at all: a signal that lives as long as
 * the process keeps a hundred bytes of each that was made of it, and a kilobyte where somebody listens to that.
 */

import { setMaxListeners } from 'node:events';

/**
 * Does `work` with a signal that aborts with `signal`, or after `ms`.
 * @param work gets that, and whether it was the time that is over
 */
export async function within<T>(
  ms: number,
  signal: AbortSignal,
  work: (over: AbortSignal, isLate: () => boolean) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  // Many may wait at the same time, and Node warns of more than ten.
  setMaxListeners(0, signal);
  let late = false;
  const end = () => {
    over.abort(signal.reason);
  };
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  const timer = setTimeout(() => {
    late = true;
    over.abort();
  }, ms);
  try {
    return await work(over.signal, () => late && !signal.aborted);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}
