/** The journal as apply's feed: what is there, then what is appended, for ever. */
import { LockstepError } from '../errors.js';
import { damaged } from '../journal/level.js';
import type { JournalRevision, RevisionLog } from '../journal/log.js';
import type { Revision } from '../mvcc/revision.js';
import { proven, type Position } from '../position.js';
import { leftOut } from '../target/stock.js';
import type { Feed, TargetStanding, Stretch } from './apply.js';
import { refuseOtherGap } from './othergap.js';

export class JournalFeed implements Feed {
  constructor(
    private readonly journal: RevisionLog,
    /** Nothing above it is fed. */
    private readonly last: Revision = Number.MAX_SAFE_INTEGER,
  ) {}

  /**
   * @throws LockstepError TARGET_BEHIND_JOURNAL if records right above the position are compacted away,
   *   TARGET_OTHER_GAP, TARGET_FOREIGN_WRITE
   */
  async *stretches(
    { position: after, cursor }: TargetStanding,
    signal: AbortSignal,
  ): AsyncGenerator<Stretch> {
    const { compactRevision } = this.journal.state;
    if (after < compactRevision) throw behindJournal(after, compactRevision);
    if (!(await this.#reaches(after, signal))) return;
    await refuseOtherGap(this.journal, after, cursor);
    const { gap } = this.journal.state;
    // A target that came here on the source's own history has none of what was made up.
    const madeUp = gap && cursor.revision < gap.to;
    let lastRevision: Revision = madeUp ? Math.min(gap.to, after) : cursor.revision;
    // Each captured revision names the one before it: none may be above the last that was fed.
    const refuseMissing = (named: Revision): void => {
      if (named <= lastRevision) return;
      throw named <= after
        ? leftOut(named)
        : damaged(this.journal.directory, `revision ${named} is missing`);
    };
    for (let at = after; !signal.aborted;) {
      const seen = this.journal.appended.generation;
      const { shown } = this.journal;
      const end = Math.min(shown.position, this.last);
      if (end <= at) {
        if (end === shown.position) refuseMissing(shown.lastRevision);
        await this.journal.appended.after(seen, signal);
        continue;
      }
      for await (const revisions of this.#read(at + 1, end)) {
        for (const { previous, revision } of revisions) {
          refuseMissing(previous);
          lastRevision = revision;
        }
        yield { revisions, position: proven(lastRevision) };
      }
      if (end === shown.position) refuseMissing(shown.lastRevision);
      at = proven(end);
      yield { revisions: [], position: at };
    }
  }

  /** Out of memory, where all of it is there. */
  async *#read(from: Revision, to: Revision): AsyncGenerator<readonly JournalRevision[]> {
    const recent = this.journal.recent(from, to);
    if (!recent) yield* this.journal.revisions(from, to);
    else if (recent.length > 0) yield recent;
  }

  /**
   * Waits for a journal that is behind the target: it may yet come there over a gap.
   * @returns false where `signal` has aborted
   */
  async #reaches(position: Position, signal: AbortSignal): Promise<boolean> {
    const { appended } = this.journal;
    while (this.journal.position < position && !signal.aborted)
      await appended.after(appended.generation, signal);
    return !signal.aborted;
  }

  digestBefore(key: Buffer, revision: Revision): Promise<bigint | undefined> {
    return this.journal.digestBefore(key, revision);
  }
}

/** What comes next at the target is not in the journal any more. */
export function behindJournal(position: Revision, compactRevision: Revision): LockstepError {
  return new LockstepError(
    'TARGET_BEHIND_JOURNAL',
    `the target stands at revision ${position}, but the journal begins at ${compactRevision}`,
    {
      revision: position,
      hint: 'The journal was seeded after this target. Use the journal that belongs to it, restore the target from the new base, or run with --repair: it makes the journal anew from the target.',
    },
  );
}
