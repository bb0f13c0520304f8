/**
 * How far behind: in revisions, and in seconds since the source was where we are.
 *
 * Times are of performance.now(): a machine's clock that is set back would make a lag of minutes a negative
 * one, and silence none.
 */
import type { Revision } from '../mvcc/revision.js';

interface Sample {
  head: Revision;
  atMs: number;
}

/** A busy source is always a few revisions ahead; that is no backlog. */
const CAUGHT_UP_SECONDS = 2;
/** Half an hour at two a second; where a target is away for longer, older ones are thinned out. */
const MAX_SAMPLES = 4096;

export class LagClock {
  /** Heads above the position, oldest first. */
  #samples: Sample[] = [];
  #head: Revision = 0;
  #firstHead: Revision | undefined;
  #seenMs: number | undefined;
  #caughtUpAt: string | undefined;

  /** The source's head when it was asked last; 0 before that. */
  get head(): Revision {
    return this.#head;
  }

  /**
   * Whether a target has caught up once it stands here: it has passed the first head that was seen,
   * before which its lag in seconds is a guess.
   */
  caughtUp(position: Revision): boolean {
    const passedFirst = position >= (this.#firstHead ?? Number.MAX_SAFE_INTEGER);
    const caughtUp = passedFirst && this.#secondsBehind(position) < CAUGHT_UP_SECONDS;
    if (caughtUp) this.#caughtUpAt ??= new Date().toISOString();
    return caughtUp;
  }

  /** When it was found to have caught up first; ISO 8601; undefined before that. */
  get caughtUpAt(): string | undefined {
    return this.#caughtUpAt;
  }

  /** Seconds since the source has answered. */
  silence(nowMs = performance.now()): number {
    return this.#seenMs === undefined ? 0 : (nowMs - this.#seenMs) / 1000;
  }

  /** The source answered with this head. */
  saw(head: Revision, atMs = performance.now()): void {
    this.#firstHead ??= head;
    this.#seenMs = atMs;
    if (head > this.#head) this.#samples.push({ head, atMs });
    this.#head = head;
    // Every second sample of the older half goes.
    if (this.#samples.length > MAX_SAMPLES)
      this.#samples = this.#samples.filter((_, i) => i % 2 === 0 || i > MAX_SAMPLES / 2);
  }

  /** Lag of a target at `position`. Seconds are 0 when it stands at the last head that was seen. */
  behind(position: Revision, nowMs = performance.now()): { revisions: number; seconds: number } {
    return {
      revisions: Math.max(0, this.#head - position),
      seconds: Math.round(this.#secondsBehind(position, nowMs) * 10) / 10,
    };
  }

  #secondsBehind(position: Revision, nowMs = performance.now()): number {
    while (this.#samples[0] && this.#samples[0].head <= position) this.#samples.shift();
    const [first] = this.#samples;
    return first ? (nowMs - first.atMs) / 1000 : 0;
  }
}
