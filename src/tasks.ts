/** Several things that live and die together. */

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
