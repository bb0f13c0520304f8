/**
 * How far, and how soon, writes are sent ahead of the answers of those that must come before them.
 *
 * etcd does not execute the calls of one connection in their order: two that arrive close together
 * change places now and then. A write that overtakes the one before it is refused by its guard and has
 * to be sent again. So the more writes are on their way the more of them are in vain, and it is found
 * out how many pay: what lands makes the window wider, what is refused makes it narrower, in balance
 * at one refusal for three that land. Where the round trip is long, they are also spread over it, since
 * an answer that brings many others along would else send as many in one moment.
 *
 * Measured with 4 KB values on two cores, landed per second, one by one = 1: two on their way 1.4, three
 * 1.5, four 1.4, eight 0.8; with 5 ms more each way sixteen 1.1, and spread over the round trip 4.8.
 *
 * Tried and dropped: a balance at one for eight. Without fsync it lands as many with fewer in vain; with
 * it, 0.85 times what one by one lands, where one for three reaches 1.0: those that wait together share
 * an fsync. Also dropped: only a time between two writes and no window. It has to be so short beside a
 * near target that Node can keep it only by turning in a loop, and etcd then lacks the processor.
 */
const WIDEST = 16;
const WIDER = 1.02;
const NARROWER = 0.94;
/** A round trip that is no longer spreads the writes by itself, and timers are no finer. */
const SPREAD_FROM_MS = 4;
/** Two that leave in one moment arrive in one, and those change places most of the time. */
const LEAST_APART_MS = 0.2;
const SMOOTHING = 0.1;

export interface Pace {
  /** So many writes that wait for each other may be on their way; 1: each waits for the answer. */
  readonly window: number;
  /** Milliseconds until something may be sent behind what was sent at `sentAt`; 0: now. */
  wait(sentAt: number): number;
  landed(roundTripMs: number): void;
  refused(): void;
}

export class AdaptivePace implements Pace {
  #window = 2;
  #roundTripMs = 0;

  get window(): number {
    return Math.floor(this.#window);
  }

  wait(sentAt: number): number {
    const far = this.#roundTripMs > SPREAD_FROM_MS;
    const apartMs = far ? this.#roundTripMs / this.#window : LEAST_APART_MS;
    return Math.max(0, sentAt + apartMs - performance.now());
  }

  landed(roundTripMs: number): void {
    this.#roundTripMs += (roundTripMs - this.#roundTripMs) * SMOOTHING;
    this.#window = Math.min(WIDEST, this.#window * WIDER);
  }

  refused(): void {
    this.#window = Math.max(1, this.#window * NARROWER);
  }
}
