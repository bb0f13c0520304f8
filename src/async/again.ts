/**
 * Again: waiting between tries, and the tries themselves. The one place where it is said how long it is
 * waited before what failed is tried again, and which failures are.
 */
import { defer, EMPTY, retry, type MonoTypeOperatorFunction } from 'rxjs';
import { setTimeout as delay } from 'node:timers/promises';
import { passes } from '../errors.js';
import type { Attempts } from './patience.js';

/** Doubles from 100 ms to 2 s, with a quarter of jitter, so that many clients do not come in step. */
function backoffMs(attempt: number): number {
  const base = Math.min(100 * 2 ** attempt, 2000);
  return base * (0.75 + Math.random() / 2);
}

/** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await delay(ms, undefined, signal ? { signal } : {}).catch(() => undefined);
}

/** Waits before try `attempt` (from 0) is made again. Resolves at once when `signal` aborts. */
export type Rest = (attempt: number, signal: AbortSignal) => Promise<void>;

const rest: Rest = (attempt, signal) => pause(backoffMs(attempt), signal);

/** Ever longer rests, for who sees by himself whether it goes on; others have {@link untilAnswered}. */
export class Backoff {
  #attempt = 0;

  /** @param wait how long; a growing time unless given */
  constructor(
    private readonly signal: AbortSignal,
    private readonly wait: Rest = rest,
  ) {}

  /** Before another try. Resolves at once when the signal aborts. */
  async rest(): Promise<void> {
    await this.wait(this.#attempt++, this.signal);
  }

  /** It went on: the next rest is a short one. */
  reset(): void {
    this.#attempt = 0;
  }
}

/**
 * Does something every so often until `signal` aborts; what another try may mend is left to it.
 * @param told hears how each time has ended; undefined only where nothing can fail, or somebody else tells
 */
export async function repeat(
  everyMs: number,
  signal: AbortSignal,
  once: () => Promise<void>,
  told: Attempts | undefined,
): Promise<void> {
  const isOver = () => signal.aborted;
  while (!isOver()) {
    try {
      await once();
      told?.answered();
    } catch (error) {
      if (!passes(error)) throw error;
      if (!isOver()) told?.failed(error);
    }
    await pause(everyMs, signal);
  }
}

/**
 * Asks until there is an answer, for as long as another try may mend what stands in the way.
 * @param told hears how each try has ended
 */
export async function untilAnswered<T>(
  signal: AbortSignal,
  ask: () => Promise<T>,
  told?: Attempts,
): Promise<T> {
  const backoff = new Backoff(signal);
  while (true) {
    signal.throwIfAborted();
    try {
      const answer = await ask();
      told?.answered();
      return answer;
    } catch (error) {
      if (!passes(error)) throw error;
      if (!signal.aborted) told?.failed(error);
      await backoff.rest();
    }
  }
}

/**
 * The same for what goes on: made anew for as long as what breaks it passes, from the start of the cold
 * source that it stands behind. Completes when `signal` has aborted.
 * @param told hears of each failure
 */
export function whilePasses<T>(
  signal: AbortSignal,
  told?: Pick<Attempts, 'failed'>,
): MonoTypeOperatorFunction<T> {
  return retry({
    resetOnSuccess: true,
    delay: (error: unknown, attempt) => {
      const ended = signal.aborted && (passes(error) || error === signal.reason);
      if (ended) return EMPTY;
      if (!passes(error)) throw error;
      told?.failed(error);
      return defer(() => rest(attempt - 1, signal));
    },
  });
}
