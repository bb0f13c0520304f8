/**
 * Back-off: the target is written more slowly while source or target answer slowly.
 *
 * Our own polls tell (sourcehead.ts, targetpoll.ts): small reads, which wait as long as those of others do.
 * Each side has a baseline: what its answers take while little is asked. Where all answers of some seconds
 * take far longer, the rate is halved, and again after as many seconds more; each second of calm answers
 * makes it a tenth wider, until it is well above what it was and bounds nothing.
 *
 * The invariant: it only slows catching up. It never goes below what the source itself writes, with some
 * more to catch up by, so no lag begins or grows by it, and no baseline, however wrong, can stop it. At
 * that rate little is asked, which is when a baseline is learned: one that is too low, because there is
 * another way to that side now or others load it, comes up to what is true in some minutes.
 *
 * Tried and dropped: the mean of all answers as baseline. Under our own load it becomes what that load
 * makes of it. And the latency of the writes themselves: those that share an fsync wait for each other, so
 * they are slow where nothing is wrong.
 */
import type { OnNote } from '../async/patience.js';
import type { Revision } from '../mvcc/revision.js';
import type { Side } from '../wire/side.js';

/** An etcd warns by itself of what takes longer; what a long way takes is in the baseline. */
const SLOW_MS = 100;
const SLOW_TIMES = 2;
/** All answers of so long, and so many at least, or it was a hiccup. */
const LASTS_MS = 3000;
const LASTS_ANSWERS = 3;
const NARROWER = 0.5;
const WIDER_IN_A_SECOND = 1.1;
/** It is over when it would let pass so many times what went when it began. */
const OVER_AT = 2;
/** Revisions a second that it always lets pass, and of what the source writes. */
const LEAST = 50;
const LEAST_OF_SOURCE = 1.25;
/** What goes at the least rate and is counted a little higher is little still. */
const LITTLE = 1.1;
/** In so long a baseline has come two thirds of its way up. */
const LEARNED_IN_SECONDS = 300;
/** How long the source's own rate is looked back at. */
const SOURCE_SECONDS = 10;
/** Silence says nothing of how it was meanwhile. */
const MOST_SECONDS = 5;

export class BackOff {
  readonly #sides = { source: new SideLoad(), target: new SideLoad() };
  #head: { revision: Revision; atMs: number } | undefined;
  /** Revisions that the source writes in a second. */
  #sourceRate = 0;

  constructor(private readonly onNote: OnNote = () => undefined) {}

  /** Revisions a second, and the side that is slow; undefined while it bounds nothing. */
  get bound(): { rate: number; side: Side } | undefined {
    const { source, target } = this.#sides;
    const [rate, side] =
      source.rate <= target.rate
        ? ([source.rate, 'source'] as const)
        : ([target.rate, 'target'] as const);
    return rate === Infinity ? undefined : { rate: Math.max(rate, this.#least), side };
  }

  /**
   * The source has answered.
   * @param written revisions that are written to the target in a second now
   */
  source(tookMs: number, head: Revision, written: number): void {
    const now = performance.now();
    if (this.#head) {
      const seconds = (now - this.#head.atMs) / 1000;
      const rate = seconds > 0 ? Math.max(0, head - this.#head.revision) / seconds : 0;
      this.#sourceRate += (rate - this.#sourceRate) * Math.min(1, seconds / SOURCE_SECONDS);
    }
    this.#head = { revision: head, atMs: now };
    this.#heard('source', tookMs, written);
  }

  /** The target has answered. */
  target(tookMs: number, written: number): void {
    this.#heard('target', tookMs, written);
  }

  get #least(): number {
    return Math.max(LEAST, this.#sourceRate * LEAST_OF_SOURCE);
  }

  #heard(side: Side, tookMs: number, written: number): void {
    const load = this.#sides[side];
    const before = load.rate;
    const usual = load.baselineMs;
    load.heard(tookMs, written, this.#least);
    const isBound = load.rate < Infinity;
    if (isBound === before < Infinity) return;
    if (!isBound) this.onNote(`the ${side} answers as usual again: back-off is over`);
    else
      this.onNote(
        `the ${side} answers slowly (${ms(tookMs)}, usually ${ms(usual)}): backing off to ${Math.round(load.rate)} revisions a second, and further if that does not help`,
        true,
      );
  }
}

function ms(time: number): string {
  return time < 10 ? `${time.toFixed(1)} ms` : `${time.toFixed(0)} ms`;
}

/** What one side's answers say. */
class SideLoad {
  /** Revisions a second; Infinity while it is not slow. */
  rate = Infinity;
  baselineMs = Infinity;
  #slow: { sinceMs: number; answers: number } | undefined;
  #heardMs = performance.now();
  /** What went when it began. */
  #wasWritten = 0;

  /** @param least never below */
  heard(tookMs: number, written: number, least: number): void {
    const now = performance.now();
    const seconds = Math.min(MOST_SECONDS, (now - this.#heardMs) / 1000);
    this.#heardMs = now;
    const isSlow = tookMs > this.baselineMs * SLOW_TIMES + SLOW_MS;
    this.#learn(tookMs, written <= least * LITTLE ? seconds : 0);
    if (!isSlow) {
      this.#slow = undefined;
      this.rate *= WIDER_IN_A_SECOND ** seconds;
      if (this.rate >= this.#wasWritten * OVER_AT) this.rate = Infinity;
      return;
    }
    const slow = (this.#slow ??= { sinceMs: now, answers: 0 });
    slow.answers++;
    if (slow.answers < LASTS_ANSWERS || now - slow.sinceMs < LASTS_MS) return;
    this.#slow = undefined;
    this.#narrow(written, least);
  }

  #narrow(written: number, least: number): void {
    if (this.rate === Infinity) {
      // Where hardly anything is written it is not us.
      if (written <= least * LITTLE) return;
      this.#wasWritten = written;
    }
    this.rate = Math.max(least, Math.min(this.rate, written) * NARROWER);
  }

  #learn(tookMs: number, seconds: number): void {
    if (tookMs < this.baselineMs) this.baselineMs = tookMs;
    else this.baselineMs += (tookMs - this.baselineMs) * (seconds / LEARNED_IN_SECONDS);
  }
}
