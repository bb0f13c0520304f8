/**
 * A limit of time for some work, as a signal.
 *
 * Not AbortSignal.timeout within AbortSignal.any: Node 20 holds the former weakly, and where the garbage is
 * collected before its time has come, it never comes.
 */

/**
 * Does `work` with a signal that aborts with `signal`, or after `ms`.
 * @param work gets that, and whether it was the time that is over
 */
export async function within<T>(
  ms: number,
  signal: AbortSignal,
  work: (over: AbortSignal, isLate: () => boolean) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort();
  }, ms);
  try {
    return await work(
      AbortSignal.any([signal, late.signal]),
      () => late.signal.aborted && !signal.aborted,
    );
  } finally {
    clearTimeout(timer);
  }
}
