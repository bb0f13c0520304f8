/**
 * What is tried again and again says so: at once what stands in the way and what to do about it, every ten
 * seconds for as long as it lasts, and once when it is over.
 *
 * Each kind of failure (its code) is told at most every ten seconds, over one trouble or several: where
 * tries go well and badly in turns, ten a second, the log must stay one that somebody can read. So a
 * trouble that is over before it was told is never told, nor is its end.
 */
import type { ErrorCode, LockstepError } from './errors.js';

/** @param warn whether somebody should look */
export type OnNote = (note: string, warn?: boolean) => void;

const EVERY_MS = 10_000;

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
