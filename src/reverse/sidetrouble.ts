/** What keeps it waiting on one side: told as it lasts, counted, and remembered for whoever asks. */
import { Patience, type Attempts, type OnNote } from '../async/patience.js';
import type { Retries } from '../async/retries.js';
import type { LockstepError } from '../errors.js';

export class SideTrouble implements Attempts {
  readonly #attempts: Attempts;
  #error: LockstepError | undefined;

  constructor(retries: Retries, onNote: OnNote) {
    this.#attempts = retries.of(new Patience(onNote));
  }

  /** Undefined: the last try went well. */
  get error(): LockstepError | undefined {
    return this.#error;
  }

  failed(error: LockstepError): void {
    this.#error = error;
    this.#attempts.failed(error);
  }

  answered(): void {
    this.#error = undefined;
    this.#attempts.answered();
  }
}
