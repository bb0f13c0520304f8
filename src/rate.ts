/** How fast work goes, and how long it still takes. */
import { duration } from './text.js';

/** Turns totals that grow into a rate over the last few seconds. */
export class Rate {
  #samples: { total: number; ms: number }[] = [];

  /** Per second. */
  per(total: number, nowMs = Date.now()): number {
    this.#samples.push({ total, ms: nowMs });
    while (this.#samples.length > 2 && nowMs - (this.#samples[0]?.ms ?? 0) > 5000)
      this.#samples.shift();
    const first = this.#samples[0];
    if (!first || nowMs === first.ms) return 0;
    return ((total - first.total) * 1000) / (nowMs - first.ms);
  }
}

/** Less of the work, or of time, says nothing about the rest. */
const WORTH_SHARE = 0.01;
const WORTH_SECONDS = 3;

/** How long work still takes, from how it has gone since it was asked first. */
export class Estimate {
  #first: { share: number; ms: number } | undefined;
  #last = 0;

  /**
   * @param share of the work that is done, 0 to 1
   * @returns seconds; undefined while nothing can be told
   */
  left(share: number, nowMs = Date.now()): number | undefined {
    // Work that was begun anew has its own time.
    if (!this.#first || share < this.#last) this.#first = { share, ms: nowMs };
    this.#last = share;
    const done = share - this.#first.share;
    const seconds = (nowMs - this.#first.ms) / 1000;
    if (done < WORTH_SHARE || seconds < WORTH_SECONDS) return undefined;
    return ((1 - share) * seconds) / done;
  }

  /** For a line: nothing while nothing can be told. */
  texts(share: number): string[] {
    const left = this.left(share);
    return left === undefined ? [] : [`${duration(left)} left`];
  }
}
