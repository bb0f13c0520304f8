/**
 * What is tried again and again says so: at once what stands in the way and what to do about it, every ten
 * seconds for as long as it lasts, and once when it is over.
 *
 * Each kind of failure (its code) is told at most every ten seconds, over one trouble or several: where
 * tries go well and badly in turns, ten a second, the log must stay one that somebody can read. So a
 * trouble that is over before it was told is never told, nor is its end.
 */
import type { ErrorCode, LockstepError } from '../errors.js';

/** @param warn whether somebody should look */
export type OnNote = (note: string, warn?: boolean) => void;

const EVERY_MS = 10_000;
/** A server that is started anew is back by then. */
const LASTS_MS = 30_000;

/** Who hears how tries have ended. */
export interface Attempts {
  /** One failed in a way that another may mend. */
  failed: (error: LockstepError) => void;
  /** One went well. */
  answered: () => void;
}

/** One for each thing that is tried: what goes well ends the trouble of all that share it. */
export class Patience implements Attempts {
  readonly #toldMs = new Map<ErrorCode, number>();
  #trouble: { sinceMs: number; error: LockstepError; told: boolean } | undefined;

  /** @param nowMs a clock that only goes forward */
  constructor(
    private readonly onNote: OnNote,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  failed(error: LockstepError): void {
    const now = this.nowMs();
    const trouble = (this.#trouble ??= { sinceMs: now, error, told: false });
    trouble.error = error;
    if (now - (this.#toldMs.get(error.code) ?? Number.NEGATIVE_INFINITY) < EVERY_MS) return;
    this.#toldMs.set(error.code, now);
    trouble.told = true;
    this.onNote(troubleText(error, (now - trouble.sinceMs) / 1000), true);
  }

  answered(): void {
    const trouble = this.#trouble;
    this.#trouble = undefined;
    if (!trouble?.told) return;
    const seconds = (this.nowMs() - trouble.sinceMs) / 1000;
    this.onNote(`over after ${seconds.toFixed(0)} s: ${trouble.error.message}`);
  }
}

function troubleText({ message, hint }: LockstepError, seconds: number): string {
  const lasting = seconds < 1 ? 'trying again' : `trying again, for ${seconds.toFixed(0)} s now`;
  return `${message}; ${lasting}.${hint === undefined ? '' : ` ${hint}`}`;
}

/**
 * For what is done again and again beside others that tell of the same trouble at once: says only that it
 * lasts, once, and that it is over. A failure that nobody else has would be seen by nobody.
 */
export class Lasting implements Attempts {
  #sinceMs: number | undefined;
  #told = false;

  /**
   * @param what does not happen meanwhile, as the beginning of a sentence
   * @param nowMs a clock that only goes forward
   */
  constructor(
    private readonly what: string,
    private readonly onNote: OnNote,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  failed({ message, hint }: LockstepError): void {
    const now = this.nowMs();
    this.#sinceMs ??= now;
    const lastsMs = now - this.#sinceMs;
    if (this.#told || lastsMs < LASTS_MS) return;
    this.#told = true;
    const seconds = (lastsMs / 1000).toFixed(0);
    this.onNote(
      `${this.what}, for ${seconds} s now: ${message}; trying again. ${hint ?? ''}`.trim(),
      true,
    );
  }

  answered(): void {
    const seconds = (this.nowMs() - (this.#sinceMs ?? 0)) / 1000;
    if (this.#told) this.onNote(`${this.what}: over after ${seconds.toFixed(0)} s`);
    this.#told = false;
    this.#sinceMs = undefined;
  }
}
