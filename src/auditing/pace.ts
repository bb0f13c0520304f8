/**
 * The pace of an audit that goes on beside others: so many bytes a second from one side, in small pages,
 * and none while it is not its turn.
 *
 * Each page moves the time of the next one on by what it has cost. Time in which nothing could be read is
 * not made up for, but for a moment: a burst is just what the side should not feel.
 */
import { pause } from '../async/again.js';
import type { PagePace } from '../source/pages.js';

/** Eight pages a second where the rate is low; no page above this, which is a few milliseconds' work. */
const PAGES_PER_SECOND = 8;
const MAX_PAGE_BYTES = 256 * 1024;
const FIRST_PAGE_KEYS = 8;
const LOOK_MS = 200;
/** So late a timer, or an answer, may be; it is made up for, or the rate would never be reached. */
const LATE_MS = 100;

export class Pace implements PagePace {
  keys = FIRST_PAGE_KEYS;
  #nextMs = 0;

  /**
   * @param rate bytes a second, asked each time
   * @param mayRead whether it is its turn
   */
  constructor(
    private readonly rate: () => number,
    private readonly mayRead: () => boolean,
    private readonly signal: AbortSignal,
  ) {}

  get pageBytes(): number {
    return Math.min(MAX_PAGE_BYTES, this.rate() / PAGES_PER_SECOND);
  }

  /** @throws the signal's reason once it has aborted */
  async turn(): Promise<void> {
    const { signal } = this;
    await pause(this.#nextMs - performance.now(), signal);
    while (!this.mayRead() && !signal.aborted) await pause(LOOK_MS, signal);
    signal.throwIfAborted();
    this.#nextMs = Math.max(this.#nextMs, performance.now() - LATE_MS);
  }

  took(bytes: number): void {
    this.#nextMs += (bytes / this.rate()) * 1000;
  }
}
