/**
 * How long the source keeps its history, and how much of that time is left to the journal.
 *
 * etcd does not say when a revision was written. But the head is asked for all the time, so a revision is
 * as old as it is since the head first came to it. When the source's compact revision moves to C, the oldest
 * of what came behind C is as old as its history gets: whoever compacts, by whatever clock, forgets what is
 * older. A revision that the journal lacks is lost when it has come to that age. Where nothing came behind C,
 * as on an idle source, what was known before still holds.
 *
 * Of a source that does not answer nobody knows whether the journal has all: something may have come right
 * behind the last answer, and is as old as that is by now.
 *
 * Heads are kept in a ring: one each five seconds, for a day. A source that keeps more than that has no
 * window to be watched, and it is not known.
 *
 * Tried and dropped: the time between two compactions. Kubernetes compacts every five minutes to where the
 * head was five minutes before, so between two of them history is up to ten minutes old, and with two
 * apiservers that take turns the time between them says nothing.
 */
import type { Revision } from '../mvcc/revision.js';

/** What is known of the source's compactions. */
export interface SourceWindow {
  /** The source's compact revision, when it was asked last. */
  revision: Revision;
  /** When it was seen to move last; ISO 8601; null before that. */
  movedAt: string | null;
  /** How old its oldest history was then, in seconds: so long it keeps it; null: not known yet. */
  keepsSeconds: number | null;
  /** Of that, what is left until something is lost that the journal lacks; null likewise. */
  leftSeconds: number | null;
}

const EVERY_MS = 5000;
/** It is asked twice a second, so an answer that is younger is the present. */
const PRESENT_MS = 5000;
const KEPT = (24 * 60 * 60 * 1000) / EVERY_MS;

export class SourceHistory {
  /** Of a ring; the oldest is at `#count % KEPT` once it is full. */
  readonly #heads = new Float64Array(KEPT);
  readonly #times = new Float64Array(KEPT);
  #count = 0;
  /** When a head came last. */
  #heardMs: number | undefined;
  #compact: Omit<SourceWindow, 'leftSeconds'> | undefined;

  /** The source's head is there, at `atMs` of Date.now(). */
  sawHead(head: Revision, atMs = Date.now()): void {
    this.#heardMs = atMs;
    if (this.#count > 0 && atMs - this.#at(this.#times, this.#count - 1) < EVERY_MS) return;
    this.#heads[this.#count % KEPT] = head;
    this.#times[this.#count % KEPT] = atMs;
    this.#count++;
  }

  /** The source has forgotten what came before `revision`. */
  sawCompact(revision: Revision, atMs = Date.now()): void {
    if (!this.#compact) this.#compact = { revision, movedAt: null, keepsSeconds: null };
    else if (revision > this.#compact.revision)
      this.#compact = {
        revision,
        movedAt: new Date(atMs).toISOString(),
        keepsSeconds: this.#kept(revision, atMs) ?? this.#compact.keepsSeconds,
      };
  }

  /**
   * @param captured what the journal has, up to here
   * @returns null before the source's compact revision is known
   */
  window(captured: Revision, nowMs = Date.now()): SourceWindow | null {
    if (!this.#compact) return null;
    return { ...this.#compact, leftSeconds: this.#left(captured, nowMs) };
  }

  /** A second at the least: nobody may divide by nothing where somebody compacts up to the head. */
  #kept(revision: Revision, atMs: number): number | undefined {
    const age = this.#age(revision, atMs);
    return age === undefined ? undefined : Math.max(1, age);
  }

  #left(captured: Revision, nowMs: number): number | null {
    const { keepsSeconds, revision } = this.#compact ?? {};
    if (keepsSeconds === undefined || keepsSeconds === null) return null;
    if (captured + 1 < (revision ?? 0)) return 0;
    const lacks = this.#count > 0 && this.#at(this.#heads, this.#count - 1) > captured;
    // What was there before the first head that is kept is at least as old as that.
    const oldest = (nowMs - this.#at(this.#times, this.#first)) / 1000;
    const age = lacks ? (this.#age(captured, nowMs) ?? oldest) : this.#silence(nowMs);
    return Math.max(0, Math.round(keepsSeconds - age));
  }

  /** Seconds since the source has answered; 0 while it does. */
  #silence(nowMs: number): number {
    const silentMs = nowMs - (this.#heardMs ?? nowMs);
    return silentMs > PRESENT_MS ? silentMs / 1000 : 0;
  }

  /** Seconds since the head went past `revision`; undefined where it has not, or nobody looked then. */
  #age(revision: Revision, nowMs: number): number | undefined {
    let [low, high] = [this.#first, this.#count];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#at(this.#heads, middle) > revision) high = middle;
      else low = middle + 1;
    }
    if (low === this.#first || low === this.#count) return undefined;
    return Math.round((nowMs - this.#at(this.#times, low)) / 1000);
  }

  /** Of those that are kept. */
  get #first(): number {
    return Math.max(0, this.#count - KEPT);
  }

  #at(ring: Float64Array, index: number): number {
    return ring[index % KEPT] ?? 0;
  }
}
