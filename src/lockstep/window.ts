/**
 * How much may be handed over to raft and not yet be confirmed; when to look; when to give up.
 *
 * What is in raft's log has to be applied before a linearizable read of anybody is answered. So the window
 * is as wide as the target can take without its reads becoming slow, and our own reads tell: each look that
 * comes back soon makes it wider where it was used up, each that takes too long narrower. What a look takes
 * where nothing is on its way is the network's part, and no reason.
 *
 * It never becomes so narrow that it could not be applied in some ten milliseconds: where the disk is slow,
 * each read waits for an fsync anyway, and only what shares one makes up for it.
 *
 * Above 5,000 entries that are committed and not applied an etcd refuses everybody ("too many requests");
 * the window stays far below that.
 */
import { pause } from '../async/again.js';
import type { Revision } from '../mvcc/revision.js';

/** Entries, and the bytes of records in them. */
export interface Amount {
  entries: number;
  bytes: number;
}

export interface Window {
  /** Nothing is on its way; what was before is given up. */
  begin(): void;
  /** Whether more may be handed over while so much is not confirmed. */
  hasRoom(unconfirmed: Amount): boolean;
  /** Whether a message with so much in it should go. */
  isWhole(message: Amount): boolean;
  /**
   * Resolves when the next message should go out.
   * @param waiting what is there for it
   * @param unconfirmed what went before it
   */
  gather(waiting: Amount, unconfirmed: Amount): Promise<void>;
  /** All up to there has been taken. */
  sent(last: Revision): void;
  /** Resolves when it is time to look again. */
  rest(): Promise<void>;
  /**
   * A look has come back.
   * @param look whether it has confirmed anything, what was not confirmed before, and what it took
   * @returns whether what is not confirmed is to be given up
   */
  looked(confirmed: Revision, look: Look): boolean;
}

interface Look {
  moved: boolean;
  unconfirmed: Amount;
  tookMs: number;
}

/** An entry takes so much of the window as this many bytes of records. */
const BYTES_OF_AN_ENTRY = 512;
/** In entries without records. */
const NARROWEST = 1024;
const WIDEST = 10_240;
const WIDER = 1.1;
const NARROWER = 0.8;
const MOST_ENTRIES = 2048;
/** A message that is a quarter of the window keeps the disk busy while the next ones come. */
const MESSAGES = 4;
const MOST_IN_MESSAGE: Amount = { entries: 512, bytes: 1024 * 1024 };
/**
 * A message costs as much as some twenty entries. So those that come close together share one, but only
 * where many are on their way: else each would be late for nothing.
 */
const APART_MS = 3;
const MANY = 16;
/** Reads of others wait as long as ours; 50 would be too much. */
const SOON_MS = 25;
/** Confirmed so much later at the most, and a read for many revisions instead of each. */
const LOOK_EVERY_MS = 10;
/** An election takes longer, and then they are gone. */
const GIVE_UP_MS = 1000;

export class AdaptiveWindow implements Window {
  #width = 2 * NARROWEST;
  /** The shortest look: the way there and back. */
  #wayMs = Infinity;
  #sentMs = Number.NEGATIVE_INFINITY;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #movedMs = Number.NEGATIVE_INFINITY;
  /** What was taken and is not confirmed: up to where, and when. */
  #taken: { last: Revision; atMs: number }[] = [];

  begin(): void {
    this.#taken = [];
    // It may be another member that answers now, and another way to it.
    this.#wayMs = Infinity;
  }

  hasRoom(unconfirmed: Amount): boolean {
    return unconfirmed.entries < MOST_ENTRIES && widthOf(unconfirmed) < this.#width;
  }

  isWhole(message: Amount): boolean {
    return (
      message.entries >= MOST_IN_MESSAGE.entries ||
      message.bytes >= MOST_IN_MESSAGE.bytes ||
      widthOf(message) >= this.#width / MESSAGES
    );
  }

  async gather(waiting: Amount, unconfirmed: Amount): Promise<void> {
    const wait = this.#sentMs + APART_MS - performance.now();
    if (unconfirmed.entries >= MANY && !this.isWhole(waiting) && wait >= 1) await pause(wait);
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

  looked(confirmed: Revision, { moved, unconfirmed, tookMs }: Look): boolean {
    const now = performance.now();
    if (moved) this.#movedMs = now;
    this.#taken = this.#taken.filter(({ last }) => last > confirmed);
    this.#wayMs = Math.min(this.#wayMs, tookMs);
    const used = widthOf(unconfirmed) >= this.#width / 2;
    if (tookMs > this.#wayMs + SOON_MS) this.#width = Math.max(NARROWEST, this.#width * NARROWER);
    else if (used) this.#width = Math.min(WIDEST, this.#width * WIDER);
    const [oldest] = this.#taken;
    return oldest !== undefined && now - Math.max(this.#movedMs, oldest.atMs) > GIVE_UP_MS;
  }
}

function widthOf({ entries, bytes }: Amount): number {
  return entries + bytes / BYTES_OF_AN_ENTRY;
}
