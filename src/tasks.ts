/** Several things that live and die together, and things done again and again. */
import { pause } from './backoff.js';
import { LockstepError } from './errors.js';

/**
 * Runs all tasks until each has ended. The first failure aborts the signal that all of them got,
 * and is thrown when the others have ended too, so that nobody is left working on what the caller
 * closes next. Aborting `outer` aborts the tasks; one that then ends quietly is no failure.
 */
export async function runTogether(
  outer: AbortSignal,
  tasks: ((signal: AbortSignal) => Promise<unknown>)[],
): Promise<void> {
  const failed = new AbortController();
  const signal = AbortSignal.any([outer, failed.signal]);
  const failures: unknown[] = [];
  await Promise.all(
    tasks.map((task) =>
      task(signal).catch((error: unknown) => {
        failures.push(error);
        failed.abort();
      }),
    ),
  );
  if (failures.length > 0) throw failures[0];
}

/** Does something every so often until `signal` aborts; what another try may mend is left to it. */
export async function repeat(
  everyMs: number,
  signal: AbortSignal,
  once: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await once();
    } catch (error) {
      if (!(error instanceof LockstepError && error.disposition === 'retry')) throw error;
    }
    await pause(everyMs, signal);
  }
}
