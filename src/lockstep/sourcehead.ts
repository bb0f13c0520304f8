/**
 * The source's head, asked for again and again: how far behind the target is, and whether it is still
 * the same source. The watch would notice another one, too, but only when it is made anew.
 */
import { repeat } from '../async/again.js';
import type { Attempts } from '../async/patience.js';
import { LockstepError } from '../errors.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { sourceChanged } from '../source/ended.js';
import type { EtcdClient } from '../wire/client.js';
import { LagClock } from './lag.js';
import { SourceHistory } from './sourcehistory.js';

/** What a failure means that lasts. */
export const HEAD_UNKNOWN = "the source's head is not known";

/** What is wrong while it is silent, before a call or the watch has been given up. */
export const SOURCE_SILENT = new LockstepError('UNAVAILABLE', 'the source does not answer', {
  side: 'source',
});

const POLL_MS = 500;
/** A source that has not answered for so long may be anywhere. */
const SILENT_SECONDS = 3;

/** What is known of the source already: a journal, or whatever says the same. */
interface Captured {
  readonly position: Revision;
  readonly state: { readonly clusterId: string; readonly prefixes: readonly string[] };
}

export class SourceHead {
  readonly lag = new LagClock();
  readonly history = new SourceHistory();

  /** @param key one that the user may read */
  constructor(
    private readonly source: EtcdClient,
    private readonly journal: Captured,
    private readonly key = probeKey(PrefixSet.of(journal.state.prefixes)),
    /** Hears how long an answer took, and what it said. */
    private readonly heard: (tookMs: number, head: Revision) => void = () => undefined,
  ) {}

  get isSilent(): boolean {
    return this.lag.silence() > SILENT_SECONDS;
  }

  /** @param told hears how each question has ended */
  async run(signal: AbortSignal, told: Attempts): Promise<void> {
    const ask = async () => {
      await this.ask();
    };
    await repeat(POLL_MS, signal, ask, told);
  }

  /**
   * @returns its head
   * @throws LockstepError SOURCE_CHANGED for another cluster, or a head that went back
   */
  async ask(): Promise<Revision> {
    const captured = this.journal.position;
    const asked = performance.now();
    const { clusterId, revision } = await this.source.head(this.key);
    const expected = this.journal.state.clusterId;
    if (clusterId !== expected)
      throw sourceChanged(`the source is cluster ${clusterId}, not ${expected}`);
    if (revision < captured)
      throw sourceChanged(
        `the source's head went back to ${revision}, below ${captured}`,
        revision,
      );
    this.heard(performance.now() - asked, revision);
    this.lag.saw(revision);
    this.history.sawHead(revision);
    return revision;
  }

  /**
   * A position that the source has not reached is not a position in this source's history.
   * @throws LockstepError TARGET_AHEAD
   */
  async refuseAhead(position: Revision): Promise<void> {
    if (position <= Math.max(this.lag.head, this.journal.position)) return;
    // Another follower may have brought it there since the source was asked: ask again.
    // The answer itself: one to another question, sent before this one, may have come just behind it.
    const head = await this.ask();
    if (position <= head) return;
    throw new LockstepError(
      'TARGET_AHEAD',
      `the target stands at revision ${position}, the source only at ${head}`,
      {
        revision: position,
        hint: 'Was the source restored from a backup, or has the target been cut over already? If the source is right, seed again into a new journal and a new target.',
      },
    );
  }
}
