/**
 * Which way the target is written, and when that changes: by proposals where its peer port may be used and
 * takes them, by transactions otherwise. A way changes only between two terms.
 *
 * One failure says little: a disk that stands still for a second loses nothing, and another member may do. So
 * the next term goes by proposals again, through whichever member answers then; only where that fails, too,
 * or soon, it goes by transactions for a while. That something has landed in between is not enough: what is
 * small may come through where what is large never does, and the first of a term goes alone.
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

/** A port that fails sooner has not shown that it works; longer than a message is waited for. */
const PROVEN_MS = 10_000;

export class Ways {
  #by: WayStatus['by'] = null;
  #port: PeerPort | undefined;
  /** Whether anything has landed through it. */
  #works = false;
  #openedMs = 0;
  /** Where it was told last that it goes by proposals; undefined where something else was told since. */
  #told: string | undefined;
  #error: LockstepError | undefined;
  #failures = 0;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  /** For a port, while it goes by transactions; and what has ended that. */
  #looking: Promise<void> | undefined;
  #broken: { error: unknown } | undefined;

  constructor(private readonly options: WaysOptions = {}) {}

  get status(): WayStatus {
    const { code, message, hint = null } = this.#error ?? {};
    const why = code && message !== undefined ? { code, message, hint } : null;
    // One that was just found takes nothing before the next term.
    const where = this.#by === 'proposals' ? this.#port?.where : undefined;
    return { by: this.#by, where: where ?? null, why };
  }

  /** For the term that begins now: the port that it is written by, or undefined for transactions. */
  async forTerm(): Promise<PeerPort | undefined> {
    if (this.#isDue && this.#by !== 'transactions') await this.#open();
    this.#by = this.#port ? 'proposals' : 'transactions';
    return this.#port;
  }

  /**
   * Whether a peer port is open, although it goes by transactions. One is looked for meanwhile: from behind
   * a firewall nobody answers for seconds, and the target is written all the same.
   * @throws what looking for it has met, where that is not about the port
   */
  hasOpened(): boolean {
    if (this.#broken) {
      const { error } = this.#broken;
      this.#broken = undefined;
      throw error;
    }
    if (this.#isDue) this.#looking ??= this.#look();
    return this.#port !== undefined;
  }

  get #isDue(): boolean {
    const { open } = this.options;
    return open !== undefined && !this.#port && performance.now() >= this.#notBeforeMs;
  }

  /** What was handed over has landed. */
  worked(): void {
    this.#error = undefined;
    if (this.#works || !this.#port) return;
    this.#works = true;
    const { where } = this.#port;
    if (this.#told === where) return;
    this.#told = where;
    this.options.onNote?.(`the target is written by proposals, through ${where}`);
  }

  /** The peer port, or this member's, does not do. */
  failed(error: LockstepError): void {
    const now = performance.now();
    if (this.#works && now - this.#openedMs >= PROVEN_MS) this.#failures = 0;
    this.#port = undefined;
    this.#works = false;
    this.#notBeforeMs = now + (this.options.restMs ?? restMs)(++this.#failures);
    if (this.#failures === 1) return;
    if (this.#error?.message !== error.message) {
      this.options.onNote?.(byTransactions(error), true);
      this.#told = undefined;
    }
    this.#error = error;
  }

  async #look(): Promise<void> {
    try {
      await this.#open();
    } catch (error) {
      this.#broken = { error };
    }
    this.#looking = undefined;
  }

  async #open(): Promise<void> {
    try {
      this.#port = await this.options.open?.();
      this.#openedMs = performance.now();
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
