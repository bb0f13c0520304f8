/** What was tried again, counted by what stood in the way: for who watches over days. */
import type { ErrorCode, ErrorSide, LockstepError } from '../errors.js';
import type { Attempts } from './patience.js';

/** How often one kind of failure was followed by another try. */
export interface Retried {
  code: ErrorCode;
  side: ErrorSide | null;
  count: number;
}

/** Counts since it was made. There are no more kinds than codes and sides. */
export class Retries {
  readonly #counts = new Map<string, Retried>();

  count({ code, side }: LockstepError): void {
    const kind = `${code} ${side ?? ''}`;
    const { count } = this.#counts.get(kind) ?? { count: 0 };
    this.#counts.set(kind, { code, side: side ?? null, count: count + 1 });
  }

  /** Counts what fails before `attempts` hears of it. */
  of(attempts: Attempts): Attempts {
    return {
      failed: (error) => {
        this.count(error);
        attempts.failed(error);
      },
      answered: () => {
        attempts.answered();
      },
    };
  }

  /** Most often first. */
  get list(): Retried[] {
    return [...this.#counts.values()].sort((a, b) => b.count - a.count);
  }
}
