/**
 * What one hook has still to be told, in order, and bounded: a hook that hangs must not fill the memory.
 *
 * Where it is full the oldest goes of those that repeat, for a later one says how things are now. What is kept
 * (an alarm, the end) goes only where nothing else is left, and never the last of it. Who is dropped is
 * counted.
 */
import { KEPT, type Told } from './events.js';

const MAX_QUEUED = 100;

export class Queue {
  /** Since it was asked last. */
  #dropped = 0;
  #waiting: Told[] = [];

  constructor(private readonly most = MAX_QUEUED) {}

  get size(): number {
    return this.#waiting.length;
  }

  /** @returns whether another had to go */
  push(told: Told): boolean {
    this.#waiting.push(told);
    if (this.#waiting.length <= this.most) return false;
    const repeats = this.#waiting.findIndex(({ event }) => !KEPT.includes(event));
    this.#waiting.splice(Math.max(repeats, 0), 1);
    this.#dropped++;
    return true;
  }

  take(): Told | undefined {
    return this.#waiting.shift();
  }

  /** Leaves only what is kept: there is no time for the rest. */
  hurry(): void {
    const kept = this.#waiting.filter(({ event }) => KEPT.includes(event));
    this.#dropped += this.#waiting.length - kept.length;
    this.#waiting = kept;
  }

  /** How many were dropped; from now on it counts anew. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
