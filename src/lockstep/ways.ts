/**
 * Which way the target is written, and when that changes: by proposals where its peer port may be used and
 * takes them, by transactions otherwise. A way changes only between two terms.
 */
import type { OnNote } from '../async/patience.js';
import { passes, type LockstepError } from '../errors.js';
import type { PeerPort } from '../target/peerport.js';

/** For status, metrics and page. */
export interface WayStatus {
  /** Null before anything was written. */
  by: 'transactions' | 'proposals' | null;
  /** The member that takes proposals; null where none does. */
  where: string | null;
  /** Why it is not by proposals although it should be; null where all is as it should be. */
  why: { code: string; message: string; hint: string | null } | null;
}

interface WaysOptions {
  /** Finds a member that takes proposals; undefined: nobody has asked for that way. */
  open?: (() => Promise<PeerPort>) | undefined;
  onNote?: OnNote;
  /** Milliseconds until the peer port is tried again, after so many failures in a row. */
  restMs?: (failures: number) => number;
}

/** From a second to a minute: a stock is taken for each try. */
const restMs = (failures: number) => Math.min(60_000, 1000 * 2 ** (failures - 1));

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

  /** The peer port does not do; the next term goes by transactions. */
  failed(error: LockstepError): void {
    const told = this.#error?.code === error.code && this.#error.message === error.message;
    if (!told) this.options.onNote?.(byTransactions(error), true);
    this.#error = error;
    this.#port = undefined;
    this.#works = false;
    this.#notBeforeMs = performance.now() + (this.options.restMs ?? restMs)(++this.#failures);
  }

  async #open(): Promise<void> {
    try {
      this.#port = await this.options.open?.();
    } catch (error) {
      if (!passes(error)) throw error;
      this.failed(error);
    }
  }
}

function byTransactions({ message, hint }: LockstepError): string {
  return `${message}; going on by transactions, and trying it again. ${hint ?? ''}`.trim();
}
