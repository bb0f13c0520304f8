/** Waiting: between tries, and until something is signalled or aborted. */
import { setTimeout as delay } from 'node:timers/promises';

/** Doubles from 100 ms to 2 s, with a quarter of jitter, so that many clients do not come in step. */
export function backoffMs(attempt: number): number {
  const base = Math.min(100 * 2 ** attempt, 2000);
  return base * (0.75 + Math.random() / 2);
}

/** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await delay(ms, undefined, signal ? { signal } : {}).catch(() => undefined);
}

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
