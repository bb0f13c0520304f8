/** Trouble as a status tells it: what work waits for or tries again, and since when. */
import type { ErrorCode, LockstepError } from '../errors.js';

/** What work waits for, or tries again. */
export interface Trouble {
  code: ErrorCode;
  message: string;
  /** What to do about it; null where there is nothing to do but wait. */
  hint: string | null;
  /** When it was seen first; ISO 8601. */
  since: string;
}

/** Remembers since when it lasts: as long as the code stays the same it is one trouble. */
export class TroubleClock {
  #lasting: { code: ErrorCode; since: string } | undefined;

  /** @param error as it is now; undefined: there is none */
  told(error: Pick<LockstepError, 'code' | 'message' | 'hint'> | undefined): Trouble | null {
    if (!error) this.#lasting = undefined;
    else if (this.#lasting?.code !== error.code)
      this.#lasting = { code: error.code, since: new Date().toISOString() };
    if (!error || !this.#lasting) return null;
    return { ...this.#lasting, message: error.message, hint: error.hint ?? null };
  }
}
