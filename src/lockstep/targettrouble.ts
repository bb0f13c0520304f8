/**
 * What keeps the target from taking writes: told once when it begins and once when it is over, however
 * often it is tried in between.
 *
 * One that cannot be reached is well again when it answers a read. One that answers and yet refuses
 * writes (no space left) is well again only when a write has gone through.
 */
import type { OnNote } from '../async/patience.js';
import { isUnreachable, type LockstepError } from '../errors.js';
import type { Revision } from '../mvcc/revision.js';

export class TargetTrouble {
  #error: LockstepError | undefined;
  /** Where the target stood when it refused a write; undefined where it could not be reached. */
  #refusedAt: Revision | undefined;
  /** Whether it has ever answered. */
  #found = false;

  constructor(private readonly onNote: OnNote) {}

  /** The trouble that lasts; undefined while all is well, or before the target has been looked for. */
  get error(): LockstepError | undefined {
    return this.#error;
  }

  /** Whether the target answers. */
  get reachable(): boolean {
    return this.#found && (this.#error === undefined || this.#refusedAt !== undefined);
  }

  /** A call to the target failed in a way that passes. */
  failed(error: LockstepError, position: Revision | undefined): void {
    if (this.#error?.code !== error.code) this.onNote(tell(error), true);
    this.#error = error;
    this.#refusedAt = isUnreachable(error) ? undefined : (position ?? 0);
  }

  /** The target answered a read; it stands at `position`. */
  answered(position: Revision): void {
    if (!this.#found) this.onNote(`target found at revision ${position}`);
    else if (this.#error && this.#refusedAt === undefined) this.onNote('the target answers again');
    else if (this.#refusedAt !== undefined && position > this.#refusedAt)
      this.onNote('the target takes writes again');
    else return;
    this.#found = true;
    this.#error = undefined;
    this.#refusedAt = undefined;
  }
}

function tell({ code, message, hint }: LockstepError): string {
  // Of one that is away for a moment there is nothing more to say.
  const advice = code === 'UNAVAILABLE' || hint === undefined ? '' : ` ${hint}`;
  return `${message}; trying again.${advice}`;
}
