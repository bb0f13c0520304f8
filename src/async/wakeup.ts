/** Lets waiters sleep until somebody calls {@link wake}; a wake-up between two waits is not lost. */
export class Wakeup {
  #generation = 0;
  readonly #waiters = new Set<() => void>();

  get generation(): number {
    return this.#generation;
  }

  wake(): void {
    this.#generation++;
    for (const waiter of this.#waiters) waiter();
    this.#waiters.clear();
  }

  /** Resolves when {@link wake} was called after `seen` was read, or when `signal` aborts. */
  async after(seen: number, signal: AbortSignal): Promise<void> {
    if (this.#generation !== seen || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        this.#waiters.delete(done);
        resolve();
      };
      this.#waiters.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
