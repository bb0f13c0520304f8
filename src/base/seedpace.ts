/**
 * The pace of a seed: as fast as pages are used, and slower while the source takes long for them.
 *
 * Usual is what the way there and back takes, and so much for each byte; both are the least so far. Where
 * some pages in a row take more than twice as long and 100 ms more, the source has a rest before the next
 * one, as long as that page took; twice as long where the next is slow, too, up to four times; half as long
 * after each that is not. So it never goes below a fifth of its pace.
 *
 * What a byte takes comes up with each page that takes longer: a source or a way that has become slower for
 * good costs some dozen pages at a slower pace. Pages that are small say nothing of it.
 */
import { pause } from '../async/again.js';
import type { OnNote } from '../async/patience.js';
import type { PagePace } from '../source/pages.js';

const SLOW_MS = 100;
const SLOW_TIMES = 2;
/** Or it was a hiccup. */
const SLOW_IN_A_ROW = 3;
const MOST_RESTS = 4;
const MOST_REST_MS = 10_000;
/** Of a whole page: what is smaller is small. */
const SMALL = 1 / 8;
const LEARNED_BY_A_PAGE = 0.02;
const FIRST_PAGE_KEYS = 64;

export class SeedPace implements PagePace {
  keys = FIRST_PAGE_KEYS;
  #wayMs = Infinity;
  #byteMs = Infinity;
  #slow = 0;
  /** How long a rest is, in times of the page before it; 0: none. */
  #rests = 0;
  #restMs = 0;

  constructor(
    private readonly onNote: OnNote,
    private readonly signal: AbortSignal,
    readonly pageBytes = 2 * 1024 * 1024,
  ) {}

  async turn(): Promise<void> {
    if (this.#restMs > 0) await pause(this.#restMs, this.signal);
  }

  took(bytes: number, tookMs: number): void {
    this.#wayMs = Math.min(this.#wayMs, tookMs);
    if (bytes < this.pageBytes * SMALL) return;
    const usualMs = this.#wayMs + this.#byteMs * bytes;
    const isSlow = tookMs > usualMs * SLOW_TIMES + SLOW_MS;
    this.#learn(tookMs / bytes);
    this.#slow = isSlow ? this.#slow + 1 : 0;
    const before = this.#rests;
    if (!isSlow) this.#rests = this.#rests > 1 ? this.#rests / 2 : 0;
    else if (this.#rests > 0) this.#rests = Math.min(MOST_RESTS, this.#rests * 2);
    else if (this.#slow >= SLOW_IN_A_ROW) this.#rests = 1;
    this.#restMs = Math.min(MOST_REST_MS, tookMs * this.#rests);
    if (before === 0 && this.#rests > 0)
      this.onNote(
        `the source answers slowly (a page in ${Math.round(tookMs)} ms, usually ${Math.round(usualMs)} ms): reading it more slowly`,
        true,
      );
    if (before > 0 && this.#rests === 0)
      this.onNote('the source answers as usual again: reading it as fast as it goes');
  }

  #learn(byteMs: number): void {
    if (byteMs < this.#byteMs) this.#byteMs = byteMs;
    else this.#byteMs += (byteMs - this.#byteMs) * LEARNED_BY_A_PAGE;
  }
}
