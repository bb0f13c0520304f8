/**
 * Revisions of the source that nobody has watched: its history was lost there. What was written late in them is
 * found by comparing both sides, and not known before that has come to its end.
 */
import type { Revision } from '../mvcc/revision.js';

export class Unwatched {
  #gaps: { after: Revision; upTo: Revision }[] = [];

  /** All that was written late up to here is known; undefined: there is no gap. */
  get after(): Revision | undefined {
    return this.#gaps[0]?.after;
  }

  /** @param after where the watch has ended, and `upTo` where the next one goes on */
  add(after: Revision, upTo: Revision): void {
    this.#gaps.push({ after, upTo });
  }

  has(revision: Revision): boolean {
    return this.#gaps.some(({ after, upTo }) => after < revision && revision <= upTo);
  }

  /** Both sides were compared, and what was found was named. */
  close(): void {
    this.#gaps = [];
  }
}
