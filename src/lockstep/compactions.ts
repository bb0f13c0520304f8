/**
 * Compactions of the source, done on the target as well: the target keeps the history that the source keeps, no more
 * (fillers add up) and no less; and the journal what a target may still need. While the target is behind
 * the source's compact revision it is compacted at its own position, as it comes along. The source is asked
 * also while there is no target: how long it keeps what the journal lacks has to be known (sourcehistory.ts).
 *
 * A gap that was bridged is compacted away as soon as the target stands behind it, since what it has
 * in between never was (base/bridge.ts).
 *
 * While another follower writes to the target only the journal is compacted: by what the target has, too.
 */
import { repeat } from '../async/again.js';
import { Lasting, type OnNote } from '../async/patience.js';
import type { Retries } from '../async/retries.js';
import { hasCode, type LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { Journal } from '../journal/journal.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { compactRevision } from '../source/compactrevision.js';
import type { EtcdClient } from '../wire/client.js';
import type { SourceHead } from './sourcehead.js';

/** How often the source is asked. */
const POLL_MS = 5000;
const TICK_MS = 250;

interface CompactionsOptions {
  journal: Journal;
  source: EtcdClient;
  target: EtcdClient;
  onNote: OnNote;
  retries: Retries;
}

export class Compactions {
  #compacted: Revision = 0;
  /** The last compaction that was done on the target as far as it is allowed, and in the journal. */
  #done: Revision = 0;
  #journalDone: Revision = 0;
  #refused: LockstepError | undefined;
  readonly #key: Buffer;

  /**
   * @param position where the target stands; undefined before it was read
   * @param isOurs whether the target is ours to compact
   */
  constructor(
    private readonly options: CompactionsOptions,
    private readonly head: SourceHead,
    private readonly position: () => Revision | undefined,
    private readonly isOurs: () => boolean,
  ) {
    this.#key = probeKey(PrefixSet.of(options.journal.state.prefixes));
  }

  /** The target's compact revision as far as this process has compacted it; 0: not yet. */
  get compacted(): Revision {
    return this.#compacted;
  }

  /** Why the target is not compacted; undefined while it is. */
  get trouble(): LockstepError | undefined {
    return this.isOurs() ? this.#refused : undefined;
  }

  /** Whether the target still shows a history that was made up. */
  get owesGap(): boolean {
    const { gap } = this.options.journal.state;
    if (gap === null || !this.isOurs()) return false;
    return this.#done < gap.to && this.#reached() >= gap.to;
  }

  /** Up to where the target has to be compacted for that, whatever the source keeps; 0: nowhere. */
  get #madeUp(): Revision {
    return this.owesGap ? (this.options.journal.state.gap?.to ?? 0) : 0;
  }

  async run(signal: AbortSignal): Promise<void> {
    let asked = Number.NEGATIVE_INFINITY;
    const { onNote, retries } = this.options;
    const told = new Lasting('the target is not compacted as the source is', onNote);
    const look = async () => {
      const due = performance.now() - asked >= POLL_MS || this.owesGap;
      if (!due) return;
      asked = performance.now();
      await this.#mirror();
    };
    await repeat(TICK_MS, signal, look, retries.of(told));
  }

  async #mirror(): Promise<void> {
    const compacted = await compactRevision(this.options.source, this.#key);
    this.head.history.sawCompact(compacted);
    // A target that has far to go must not keep what the source has long forgotten.
    const goal = Math.max(compacted, this.#madeUp);
    const revision = Math.min(goal, this.#reached());
    const onTarget = this.isOurs() && revision > this.#done;
    // That takes a look at every key: once for each compaction of the source is enough.
    const inJournal = revision === goal && revision > this.#journalDone;
    if (revision <= 1 || !(onTarget || inJournal)) return;
    // If another source has answered, its compactions are not ours.
    await this.head.ask();
    failpoint('lockstep.compactions.begin');
    if (onTarget) await this.#compactTarget(revision);
    failpoint('lockstep.compactions.target');
    if (inJournal) {
      await this.options.journal.compact(revision);
      this.#journalDone = revision;
    }
    failpoint('lockstep.compactions.done');
    if (onTarget) this.#done = revision;
  }

  /** Newer servers let only root compact. That is no reason to let the target fall behind. */
  async #compactTarget(revision: Revision): Promise<void> {
    try {
      await this.options.target.compact(revision);
      this.#refused = undefined;
      this.#compacted = revision;
    } catch (error) {
      if (!hasCode(error, 'PERMISSION')) throw error;
      if (!this.#refused)
        this.options.onNote(
          `${error.message}. Going on without: the target keeps all its history and grows. ${error.hint ?? ''}`,
          true,
        );
      this.#refused = error;
    }
  }

  /** A journal that has lost its end is behind the target, and has to read what is compacted here. */
  #reached(): Revision {
    return Math.min(this.position() ?? 0, this.options.journal.position);
  }
}
