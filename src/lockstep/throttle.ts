/**
 * How fast the target is written, at most: a bucket of revisions that both ways take from.
 *
 *     --max-rate, or what was set since ─┐
 *                                        ├─► the lower one fills the bucket ─► a way takes, and sends
 *     back-off (backoff.ts) ─────────────┘
 *
 * A way takes a revision, data or filler, when it is sent for the first time. What has to be sent again was
 * taken already; what was taken and lost with a term has only made it slower.
 *
 * The invariant: in any time no more is sent than the rate times that time and a tenth of a second's worth
 * more, and as long as something waits, something goes. It says when, never what: order, links and counts
 * are the way's, which sends later just what it would have sent now.
 *
 * Tried and dropped: taking where revisions are handed to a way. A way that a target has kept waiting for
 * ten seconds has ten seconds' worth by then, and sends it at once.
 */
import { pause } from '../async/again.js';
import type { OnNote } from '../async/patience.js';
import type { Revision } from '../mvcc/revision.js';
import { Rate } from '../rate.js';
import { BackOff } from './backoff.js';

/** What bounds how fast the target is written; docs/reference.md has it as the JSON contract. */
export interface ThrottleStatus {
  /** Revisions a second: of --max-rate, or what was set since; null: none. */
  maxRate: number | null;
  /** Revisions a second that may be written now; null: as many as go. */
  nowRate: number | null;
  /** Why it is not more; null where it is as many as go. */
  because: 'max rate' | 'the source is slow' | 'the target is slow' | null;
  /** Whether writes have had to wait for it just now: then it is why the target lags. */
  holds: boolean;
}

/** A timer, or a busy process, is so late now and then; without it the rate would never be reached. */
const BURST_SECONDS = 0.1;
/** Sooner the next turn is not worth a message of its own. */
const LEAST_WAIT_MS = 10;
/** A change has effect by then. */
const MOST_WAIT_MS = 100;
const HOLDS_MS = 2000;

export class Throttle {
  readonly #backOff: BackOff;
  readonly #written = new Rate();
  #taken = 0;
  /** What may be taken, as of `#filledMs`. */
  #tokens = 0;
  #filledMs = performance.now();
  #heldMs = Number.NEGATIVE_INFINITY;

  /** @param maxRate revisions a second, asked each time; null: as many as go */
  constructor(
    private readonly maxRate: () => number | null = () => null,
    onNote?: OnNote,
  ) {
    this.#backOff = new BackOff(onNote);
  }

  get status(): ThrottleStatus {
    const { rate, because } = this.#bound;
    const nowRate = rate === Infinity ? null : Math.round(rate);
    const holds = performance.now() - this.#heldMs < HOLDS_MS;
    return { maxRate: this.maxRate(), nowRate, because, holds };
  }

  /** @returns how many of them may be sent now; they count as sent */
  take(revisions: number): number {
    const granted = Math.min(revisions, this.#available());
    if (granted < revisions) this.#heldMs = performance.now();
    // Where nothing bounds it there are none to be taken from.
    this.#tokens = Math.max(0, this.#tokens - granted);
    this.#taken += granted;
    return granted;
  }

  /** Milliseconds until it should be asked again, where it has granted less than was asked for. */
  get waitMs(): number {
    const { rate } = this.#bound;
    const untilOneMs = Math.ceil(((1 - this.#tokens) / rate) * 1000);
    return Math.min(MOST_WAIT_MS, Math.max(LEAST_WAIT_MS, untilOneMs));
  }

  /** Resolves when there is one to take, or when `signal` aborts. */
  async turn(signal: AbortSignal): Promise<void> {
    while (this.#available() < 1 && !signal.aborted) {
      this.#heldMs = performance.now();
      await pause(this.waitMs, signal);
    }
  }

  /** The source has answered a small read; it stands at `head`. */
  sourceAnswered(tookMs: number, head: Revision): void {
    this.#backOff.source(tookMs, head, this.#writtenNow);
  }

  /** The target has answered one. */
  targetAnswered(tookMs: number): void {
    this.#backOff.target(tookMs, this.#writtenNow);
  }

  /** Revisions a second, over the last few. */
  get #writtenNow(): number {
    return this.#written.per(this.#taken, performance.now());
  }

  get #bound(): { rate: number; because: ThrottleStatus['because'] } {
    const asked = this.maxRate() ?? Infinity;
    const { bound } = this.#backOff;
    if (bound && bound.rate < asked)
      return { rate: bound.rate, because: `the ${bound.side} is slow` };
    return { rate: asked, because: asked === Infinity ? null : 'max rate' };
  }

  #available(): number {
    const { rate } = this.#bound;
    const now = performance.now();
    const seconds = (now - this.#filledMs) / 1000;
    this.#filledMs = now;
    // What was there before a bound came, or a lower one, is no more than a burst of it either.
    const most = Math.max(1, rate * BURST_SECONDS);
    this.#tokens = rate === Infinity ? 0 : Math.min(most, this.#tokens + seconds * rate);
    return rate === Infinity ? Infinity : Math.floor(this.#tokens);
  }
}
