/**
 * What the journal promises to whoever reads it: a log of whole revisions that grows at its end and is
 * thinned at its beginning, as the source's own history is.
 *
 * Order. Revisions come whole, in order, each once, and only those with records of our prefixes. Each that
 * was captured names the captured one before it, so its reader sees when one is missing. Up to `position`
 * there are no others.
 *
 * Tail. A reader that has come to what is `shown` waits for `appended` and reads on from there: the
 * generation is read before it, so nothing is slept through. What was appended last is still in memory
 * (`recent`), so one that keeps up reads nothing back, and need not wait until it is written. After a crash
 * the end may be gone, records and the position that they proved together, and `position` is lower than a
 * reader has seen; what is missing is captured again.
 *
 * Trim. Compacted at C, the log drops rows that are superseded at C. Above C it is complete, always; at and
 * below it only what lives at C is sure to be there. So a reader may begin at any position from C on
 * (`state.compactRevision`), and one below has lost history for good. Whoever compacts sees to it that no
 * reader stands below. A reader at work meanwhile gets what was captured above C as if nothing had
 * happened. What the base has brought may lie in a file that is given up just then: it is read where
 * nobody compacts (sealing, repair), and a target begins above it.
 *
 * Gap. What was made up over a gap in the source's history (`state.gap`) reads like anything else.
 */
import type { Wakeup } from '../async/wakeup.js';
import type { WholeRevision } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import type { Tally } from '../mvcc/tally.js';
import type { Position } from '../position.js';
import type { JournalState } from './state.js';

/** A revision as it was captured, with the one that was captured before it (0: none, or the base). */
export interface JournalRevision extends WholeRevision {
  previous: Revision;
}

export interface RevisionLog {
  /** For messages. */
  readonly directory: string;
  readonly state: JournalState;
  /** All records of our prefixes up to here are in it (once the base is done). */
  readonly position: Position;
  /** Position and last captured revision with records, of one moment. */
  readonly mark: { readonly position: Revision; readonly lastRevision: Revision };
  /** The same, of what is there to be read; what lies above the mark is in memory alone (`recent`). */
  readonly shown: { readonly position: Revision; readonly lastRevision: Revision };
  /** Woken when more is shown, and when it is written. */
  readonly appended: Wakeup;

  /**
   * The revisions from `from` to `to` that have records, in batches of about 64 KiB; one that is larger ends
   * its batch.
   * @throws LockstepError JOURNAL_DAMAGED for a row that is not as it was stored, or a captured
   *   revision that is not whole. Whether a revision is missing altogether, its reader has to see
   *   by `previous`.
   */
  revisions(from: Revision, to: Revision): AsyncIterable<readonly JournalRevision[]>;

  /** The same out of memory, if they were appended just now. */
  recent(from: Revision, to: Revision): readonly JournalRevision[] | undefined;

  /** The digest of `key` as it was before `revision`; undefined if it did not exist then. */
  digestBefore(key: Buffer, revision: Revision): Promise<bigint | undefined>;

  /** Number of live keys and their checksum at `revision`, by a scan of the index. */
  tally(revision: Revision): Promise<Tally>;
}
