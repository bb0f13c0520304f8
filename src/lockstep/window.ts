/**
 * How much may be handed over to raft and not yet be confirmed; when to look; when to give up.
 *
 * What is in raft's log has to be applied before a linearizable read of anybody is answered. So the window
 * is as wide as the target can take without its reads becoming slow, and our own reads tell: each look that
 * comes back soon makes it wider, each that takes too long narrower. What a look takes where nothing is on
 * its way is the network's part, and no reason.
 *
 * Above 5,000 entries that are committed and not applied an etcd refuses everybody ("too many requests");
 * the window stays far below that.
 */
import { pause } from '../async/again.js';
import type { Revision } from '../mvcc/revision.js';

export interface Window {
  /** So many entries may be unconfirmed. */
  readonly entries: number;
  /** So many of them go in one message. */
  readonly message: number;
  /** A new term: what was handed over in an older one is void, and not waited for. */
  begin(): void;
  /**
   * Resolves when the next message should go out.
   * @param full whether there is enough for one
   */
  gather(full: boolean): Promise<void>;
  /** All up to there has been taken. */
  sent(last: Revision): void;
  /** Resolves when it is time to look again. */
  rest(): Promise<void>;
  /**
   * A look has come back.
   * @param look whether it has confirmed anything, whether the window was used up, and what it took
   * @returns whether what is not confirmed is to be given up
   */
  looked(confirmed: Revision, look: { moved: boolean; full: boolean; tookMs: number }): boolean;
}

const NARROWEST = 64;
const WIDEST = 2048;
const WIDER = 1.1;
const NARROWER = 0.8;
/** A message that is a quarter of the window keeps the disk busy while the next ones come. */
const MESSAGES = 4;
const MOST_IN_MESSAGE = 512;
/** A message costs as much as some twenty entries: those that come close together share one. */
const APART_MS = 3;
/** Reads of others wait as long as ours; 50 would be too much. */
const SOON_MS = 25;
/** Confirmed so much later at the most, and a read for many revisions instead of each. */
const LOOK_EVERY_MS = 5;
/** An election takes longer, and then they are gone. */
const GIVE_UP_MS = 1000;

export class AdaptiveWindow implements Window {
  #entries = 256;
  /** The shortest look: the way there and back. */
  #wayMs = Infinity;
  #sentMs = Number.NEGATIVE_INFINITY;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #movedMs = Number.NEGATIVE_INFINITY;
  /** What was taken and is not confirmed: up to where, and when. */
  #taken: { last: Revision; atMs: number }[] = [];

  get entries(): number {
    return Math.floor(this.#entries);
  }

  get message(): number {
    return Math.min(MOST_IN_MESSAGE, Math.ceil(this.#entries / MESSAGES));
  }

  begin(): void {
    this.#taken = [];
  }

  async gather(full: boolean): Promise<void> {
    const wait = this.#sentMs + APART_MS - performance.now();
    if (!full && wait >= 1) await pause(wait);
    this.#sentMs = performance.now();
  }

  sent(last: Revision): void {
    this.#taken.push({ last, atMs: performance.now() });
  }

  async rest(): Promise<void> {
    const wait = this.#lookedMs + LOOK_EVERY_MS - performance.now();
    if (wait >= 1) await pause(wait);
    this.#lookedMs = performance.now();
  }

  looked(confirmed: Revision, look: { moved: boolean; full: boolean; tookMs: number }): boolean {
    const { moved, full, tookMs } = look;
    const now = performance.now();
    if (moved) this.#movedMs = now;
    this.#taken = this.#taken.filter(({ last }) => last > confirmed);
    this.#wayMs = Math.min(this.#wayMs, tookMs);
    if (tookMs > this.#wayMs + SOON_MS)
      this.#entries = Math.max(NARROWEST, this.#entries * NARROWER);
    else if (full) this.#entries = Math.min(WIDEST, this.#entries * WIDER);
    const [oldest] = this.#taken;
    return oldest !== undefined && now - Math.max(this.#movedMs, oldest.atMs) > GIVE_UP_MS;
  }
}
