/**
 * Whether something lasts. What comes and goes within seconds wakes nobody, and what comes and goes all
 * night is told once.
 *
 *     level:  up by the time while it holds, down by the time while it does not, never below zero
 *     told    when the level reaches the limit, and over when it is at zero again
 *
 * So a server that is started anew, or a burst of writes every minute, is never told; what holds for more
 * than half of the time is.
 *
 * Tried and dropped: told after so long without a break. What fails for 20 s and answers for one, all
 * night, would never be told.
 */

/** A server that is started anew is back by then. */
const LASTS_MS = 30_000;
/** A look stands for no more than this: a machine that was stopped for a while has seen nothing. */
const LOOK_MS = 2000;

export class Steady {
  #levelMs = 0;
  #seenMs: number | undefined;
  #told = false;

  /** @param lastsMs the limit */
  constructor(private readonly lastsMs = LASTS_MS) {}

  /**
   * @param holds now, and since it was looked at last
   * @param nowMs of a clock that only goes forward
   * @returns what has to be told, if anything
   */
  look(holds: boolean, nowMs: number): 'begun' | 'over' | undefined {
    const passedMs = Math.min(nowMs - (this.#seenMs ?? nowMs), LOOK_MS);
    this.#seenMs = nowMs;
    const level = this.#levelMs + (holds ? passedMs : -passedMs);
    this.#levelMs = Math.min(Math.max(level, 0), this.lastsMs);
    const wasTold = this.#told;
    if (this.#levelMs === this.lastsMs) this.#told = true;
    if (this.#levelMs === 0) this.#told = false;
    if (wasTold === this.#told) return undefined;
    return this.#told ? 'begun' : 'over';
  }
}
