/**
 * Which way the target is written, and when that changes: by proposals where its peer port may be used and
 * takes them, by transactions otherwise. A way changes only between two terms.
 *
 * One failure says little: a disk that stands still for a second loses nothing, and another member may do. So
 * the next term goes by proposals again, through whichever member answers then; only where that fails, too,
 * with nothing landed in between, it goes by transactions for a while.
 */
import type { OnNote } from '../async/patience.js';
import { hasCode, type ErrorCode, type LockstepError } from '../errors.js';
import type { PeerPort } from '../target/peerport.js';

/** For status, metrics and page. */
export interface WayStatus {
  /** Null before anything was written. */
  by: 'transactions' | 'proposals' | null;
  /** The member that takes proposals; null where none does. */
  where: string | null;
  /** Why it is not by proposals although it should be; null where all is as it should be. */
  why: { code: ErrorCode; message: string; hint: string | null } | null;
}

interface WaysOptions {
  /** Finds a member that takes proposals; undefined: nobody has asked for that way. */
  open?: (() => Promise<PeerPort>) | undefined;
  onNote?: OnNote;
  /** Milliseconds until the peer port is tried again, after so many failures in a row. */
  restMs?: (failures: number) => number;
}

/** At once, then from a second to a minute: a stock is taken for each try. */
const restMs = (failures: number) =>
  failures === 1 ? 0 : Math.min(60_000, 1000 * 2 ** (failures - 2));

export class Ways {
  #by: WayStatus['by'] = null;
  #port: PeerPort | undefined;
  /** Whether anything has landed through it. */
  #works = false;
  #error: LockstepError | undefined;
  #failures = 0;
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: WaysOptions = {}) {}

  get status(): WayStatus {
    const { code, message, hint = null } = this.#error ?? {};
    const why = code && message !== undefined ? { code, message, hint } : null;
    return { by: this.#by, where: this.#port?.where ?? null, why };
  }

  /** Whether the peer port should be tried, although it is not used now. */
  get isDue(): boolean {
    const { open } = this.options;
    return open !== undefined && !this.#port && performance.now() >= this.#notBeforeMs;
  }

  /** For the term that begins now: the port that it is written by, or undefined for transactions. */
  async forTerm(): Promise<PeerPort | undefined> {
    if (this.isDue) await this.#open();
    this.#by = this.#port ? 'proposals' : 'transactions';
    return this.#port;
  }

  /** What was handed over has landed. */
  worked(): void {
    this.#failures = 0;
    this.#error = undefined;
    if (this.#works || !this.#port) return;
    this.#works = true;
    this.options.onNote?.(`the target is written by proposals, through ${this.#port.where}`);
  }

  /** The peer port, or this member's, does not do. */
  failed(error: LockstepError): void {
    this.#port = undefined;
    this.#works = false;
    this.#notBeforeMs = performance.now() + (this.options.restMs ?? restMs)(++this.#failures);
    if (this.#failures === 1) return;
    if (this.#error?.message !== error.message) this.options.onNote?.(byTransactions(error), true);
    this.#error = error;
  }

  async #open(): Promise<void> {
    try {
      this.#port = await this.options.open?.();
    } catch (error) {
      // What the client API does not give, transactions would not get either.
      if (!hasCode(error, 'PEER_PORT')) throw error;
      // Each member was asked already.
      this.#failures = Math.max(1, this.#failures);
      this.failed(error);
    }
  }
}

function byTransactions({ message, hint }: LockstepError): string {
  return `${message}; going on by transactions, and trying it again. ${hint ?? ''}`.trim();
}
