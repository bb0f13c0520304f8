/** What keeps a mirror waiting, on either side: told once when it begins and once when it is over. */
import type { Attempts, OnNote } from '../async/patience.js';
import type { LockstepError } from '../errors.js';
import { TargetTrouble } from '../lockstep/targettrouble.js';
import type { Revision } from '../mvcc/revision.js';

export class Health {
  readonly #target: TargetTrouble;
  #source: LockstepError | undefined;

  constructor(private readonly onNote: OnNote) {
    this.#target = new TargetTrouble(onNote);
  }

  /** Whether the target answers, and takes writes. */
  get targetIsWell(): boolean {
    return this.#target.reachable && this.#target.error?.code !== 'NO_SPACE';
  }

  /**
   * A call failed in a way that passes.
   * @param cursorMod the target's revision as far as it is known
   */
  failed(error: LockstepError, cursorMod: Revision | undefined): void {
    if (error.side === 'source') this.source(error);
    else this.#target.failed(error, cursorMod);
  }

  /** The target answered; it took a write if the revision is higher than it was. */
  answered(cursorMod: Revision): void {
    this.#target.answered(cursorMod);
  }

  /** Of the watch on the source. */
  readonly watch: Attempts = {
    failed: (error) => {
      this.source(error);
    },
    answered: () => {
      this.source(undefined);
    },
  };

  /** The source failed, or answers again. */
  source(error: LockstepError | undefined): void {
    if (error && !this.#source) this.onNote(`${error.message}; trying again`, true);
    if (!error && this.#source) this.onNote('the source answers again');
    this.#source = error;
  }

  /** Why the source could not be asked last; undefined where it has answered since. */
  get sourceTrouble(): LockstepError | undefined {
    return this.#source;
  }

  /** @param lagRevisions while nothing is missing, a watch that is made anew is nobody's trouble */
  trouble(lagRevisions: number | undefined): LockstepError | undefined {
    const source = lagRevisions === 0 ? undefined : this.#source;
    return source ?? this.#target.error;
  }
}
