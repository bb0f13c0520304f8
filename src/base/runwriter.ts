/**
 * Gathers rows of the base and gives them to the journal, a run at a time. While one is written the next one
 * is gathered, and the memory of two is used again and again.
 */
import { failpoint } from '../failpoint.js';
import type { Journal } from '../journal/journal.js';
import type { BaseRow } from '../journal/run.js';
import { RunBuffer } from '../journal/runbuffer.js';
import type { BaseProgress } from '../journal/state.js';
import type { Revision } from '../mvcc/revision.js';

export class RunWriter {
  #gathered = new RunBuffer();
  #spare = new RunBuffer();
  #writing: Promise<void> = Promise.resolve();

  constructor(private readonly journal: Journal) {}

  /** Copies it. */
  add(row: BaseRow): void {
    this.#gathered.add(row);
  }

  /** It is time for {@link write}. */
  get isFull(): boolean {
    return this.#gathered.isFull;
  }

  /**
   * Stores what was gathered, and that the base has come so far. Resolves when the run before is written;
   * behind the last one when all of it is.
   * @throws LockstepError IO
   */
  async write(base: BaseProgress, compactRevision?: Revision): Promise<void> {
    await this.#writing;
    const rows = this.#gathered;
    this.#gathered = this.#spare;
    this.#gathered.clear();
    this.#spare = rows;
    this.#writing = this.#write(rows, base, compactRevision);
    // Its failure is thrown when it is its turn.
    this.#writing.catch(() => undefined);
    if (base.done) await this.#writing;
  }

  async #write(
    rows: RunBuffer,
    base: BaseProgress,
    compactRevision: Revision | undefined,
  ): Promise<void> {
    await this.journal.addBase(rows, base, compactRevision);
    failpoint('base.run');
  }

  /** Nothing is under way any more; what was gathered and not written is left out. */
  async end(): Promise<void> {
    await this.#writing;
  }
}
