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

/**
 * Runs `main` with other tasks beside it, which end when it does. If one of them fails, `main` is
 * aborted and the failure thrown.
 */
export async function beside<T>(
  outer: AbortSignal,
  tasks: ((signal: AbortSignal) => Promise<unknown>)[],
  main: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const done = new AbortController();
  const results: T[] = [];
  const last = async (signal: AbortSignal) => {
    results.push(await main(signal));
    done.abort();
  };
  await runTogether(AbortSignal.any([outer, done.signal]), [last, ...tasks]);
  const [result] = results;
  if (results.length === 0) outer.throwIfAborted();
  return result as T;
}

/** So many tasks at once and no more; the first failure is thrown to whoever comes next. */
export class Lanes {
  readonly #running = new Set<Promise<void>>();
  #failed: { error: unknown } | undefined;

  constructor(private readonly atOnce: number) {}

  /** Begins a task; resolves when there is room for another one, at once if there is already. */
  async run(task: () => Promise<void>): Promise<void> {
    this.#throwFailure();
    const running = task()
      .catch((error: unknown) => {
        this.#failed ??= { error };
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
    if (this.#running.size >= this.atOnce) await Promise.race(this.#running);
    this.#throwFailure();
  }

  /** Waits for all of them. */
  async settle(): Promise<void> {
    await Promise.all(this.#running);
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failed) throw this.#failed.error;
  }
}
