/** The journal as apply's feed: what is there, then what is appended, for ever. */
import { LockstepError } from '../errors.js';
import type { Journal } from '../journal/journal.js';
import { damaged } from '../journal/level.js';
import type { Revision } from '../mvcc/revision.js';
import { proven, type Position } from '../position.js';
import type { Feed, Step } from './apply.js';

export class JournalFeed implements Feed {
  constructor(
    private readonly journal: Journal,
    /** Nothing above it is fed. */
    private readonly last: Revision = Number.MAX_SAFE_INTEGER,
  ) {}

  /** @throws LockstepError TARGET_BEHIND_JOURNAL if records right above `after` are compacted away */
  async *steps(after: Position, signal: AbortSignal): AsyncGenerator<Step> {
    const { compactRevision } = this.journal.state;
    if (after < compactRevision)
      throw new LockstepError(
        'TARGET_BEHIND_JOURNAL',
        `the target stands at revision ${after}, but the journal begins at ${compactRevision}`,
        {
          disposition: 'reseed',
          revision: after,
          hint: 'The journal was seeded after this target. Use the journal that belongs to it, restore the target from the new base, or run with --repair: it makes the journal anew from the target.',
        },
      );
    let lastRevision: Revision = after;
    for (let at = after; !signal.aborted;) {
      const seen = this.journal.appended.generation;
      const mark = this.journal.mark;
      const end = Math.min(mark.position, this.last);
      if (end <= at) {
        await this.journal.appended.after(seen, signal);
        continue;
      }
      const recent = this.journal.recent(at + 1, end);
      for await (const whole of recent ?? this.journal.revisions(at + 1, end)) {
        this.#refuseMissing(whole.previous, lastRevision);
        lastRevision = whole.revision;
        yield { kind: 'revision', whole };
      }
      if (end === mark.position) this.#refuseMissing(mark.lastRevision, lastRevision);
      at = proven(end);
      yield { kind: 'position', position: at };
    }
  }

  /** Each captured revision names the one before it: none may be above the last that was fed. */
  #refuseMissing(named: Revision, fed: Revision): void {
    if (named > fed) throw damaged(this.journal.directory, `revision ${named} is missing`);
  }

  digestBefore(key: Buffer, revision: Revision): Promise<bigint | undefined> {
    return this.journal.digestBefore(key, revision);
  }
}
