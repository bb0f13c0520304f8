/**
 * follow: source ─► journal ─► target, until told to stop.
 *
 *     capture ──► journal ──► apply ──► target
 *     head, compaction of the source ──► lag, compaction of target and journal
 *     leases ──► target
 *
 * Each part runs by itself and they share only the journal and the applier's position, so the
 * capture goes on while the target is being restored, restarted or down.
 */
import { lastValueFrom, tap } from 'rxjs';
import { pause } from '../backoff.js';
import { hasCode, LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { CURSOR_KEY } from '../cursor.js';
import { capture } from '../journal/capture.js';
import { checkIdentity } from '../journal/identity.js';
import type { Journal } from '../journal/journal.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { compactRevision } from '../source/compaction.js';
import { fullWatchNote, watchLimits, type WatchLimits } from '../source/limits.js';
import { LagClock } from '../status/lag.js';
import { repeat, runTogether } from '../tasks.js';
import type { EtcdClient } from '../wire/client.js';
import { Applier } from './apply.js';
import { JournalFeed } from './feed.js';
import { LeaseKeeper } from './leases.js';
import { EtcdTarget } from './target.js';

export interface FollowOptions {
  journal: Journal;
  /** A connection for the watch alone, and one for everything else. */
  sourceWatch: EtcdClient;
  source: EtcdClient;
  target: EtcdClient;
  until: { kind: 'signal' } | { kind: 'synced' } | { kind: 'revision'; revision: Revision };
  onNote: (note: string) => void;
  signal: AbortSignal;
}

const HEAD_POLL_MS = 500;
const COMPACTION_POLL_MS = 5000;
const UNTIL_POLL_MS = 50;
/** A busy source is always a few revisions ahead; that is no backlog. */
const CAUGHT_UP_SECONDS = 2;
/** A source that has not answered for so long may be anywhere. */
const SILENT_SECONDS = 3;
const TARGET_POLL_MS = 2000;

export type FollowState =
  'waiting for the source' | 'waiting for the target' | 'catching up' | 'in lockstep';

export interface FollowStatus {
  state: FollowState;
  /** The target's head; null before the target was read. */
  position: Revision | null;
  journalPosition: Revision;
  /** The source's head when it was asked last. */
  sourceHead: Revision;
  /** Null before the target was read. */
  lagRevisions: number | null;
  lagSeconds: number | null;
  /** Written by this process. */
  revisions: number;
  fillers: number;
  bytes: number;
  /** The target's compact revision as far as it was mirrored by this process. */
  compactRevision: Revision;
}

export class Follower {
  readonly #options: FollowOptions;
  readonly #applier: Applier;
  readonly #leases: LeaseKeeper;
  readonly #lag = new LagClock();
  readonly #done = new AbortController();
  /** Of the source. */
  readonly #probeKey: Buffer;
  #reachable = false;
  #told = '';
  #compacted: Revision = 0;

  constructor(options: FollowOptions) {
    this.#options = options;
    const { journal, source, target, until } = options;
    const prefixes = PrefixSet.of(journal.state.prefixes);
    this.#probeKey = probeKey(prefixes);
    this.#leases = new LeaseKeeper(source, target);
    const feed = new JournalFeed(journal, until.kind === 'revision' ? until.revision : undefined);
    this.#applier = new Applier(new EtcdTarget(target), feed, {
      source: journal.state.clusterId,
      prefixes,
      ensureLeases: (whole) => this.#leases.ensure(whole),
      onRetry: (error) => {
        this.#targetTrouble(error);
      },
      onStock: async (position) => {
        await this.#refuseAhead(position);
        this.#leases.begin();
        if (!this.#reachable) options.onNote(`target found at revision ${position}`);
        this.#reachable = true;
        this.#told = '';
      },
    });
  }

  get status(): FollowStatus {
    const position = this.#applier.position;
    const lag = position === undefined ? undefined : this.#lag.behind(position);
    const caughtUp =
      position !== undefined &&
      this.#lag.passedFirst(position) &&
      (lag?.seconds ?? 0) < CAUGHT_UP_SECONDS;
    return {
      state: this.#state(caughtUp),
      position: position ?? null,
      journalPosition: this.#options.journal.position,
      sourceHead: this.#lag.head,
      lagRevisions: lag?.revisions ?? null,
      lagSeconds: lag ? Math.round(lag.seconds * 10) / 10 : null,
      ...this.#applier.written,
      compactRevision: this.#compacted,
    };
  }

  /**
   * Ends when `until` is fulfilled or `signal` aborts, after the write that is under way.
   * @throws LockstepError for what only a person can mend
   */
  async run(): Promise<void> {
    const { source, journal, onNote, signal } = this.#options;
    if (!journal.state.base.done)
      throw new LockstepError(
        'JOURNAL_NOT_SEEDED',
        `the base in ${journal.directory} is not complete`,
        {
          disposition: 'usage',
          hint: 'Run `etcd-lockstep seed` again with the same flags: it goes on where it was.',
        },
      );
    const status = await source.status();
    checkIdentity(journal, status.clusterId);
    this.#lag.saw(status.head);
    const limits = watchLimits(status.version);
    if (!limits.progressIsProof) onNote(fullWatchNote(status.version));
    await runTogether(AbortSignal.any([signal, this.#done.signal]), [
      (stop) => this.#capture(limits, stop),
      (stop) => this.#applier.run(stop),
      (stop) => this.#leases.run(stop),
      (stop) => this.#pollHead(stop),
      (stop) => this.#pollTarget(stop),
      (stop) => this.#mirrorCompaction(stop),
      (stop) => this.#endWhenReached(stop),
    ]);
  }

  async #capture(limits: WatchLimits, signal: AbortSignal): Promise<void> {
    const { sourceWatch, journal, onNote } = this.#options;
    let watching = true;
    const onRetry = (error: LockstepError) => {
      if (watching) onNote(`${error.message}; trying again`);
      watching = false;
    };
    const onCaptured = () => {
      if (!watching) onNote('the watch on the source goes on');
      watching = true;
    };
    await lastValueFrom(
      capture(sourceWatch, journal, { limits, signal, onRetry }).pipe(tap(onCaptured)),
      { defaultValue: undefined },
    );
  }

  #state(caughtUp: boolean): FollowState {
    if (this.#lag.silence() > SILENT_SECONDS) return 'waiting for the source';
    if (!this.#reachable) return 'waiting for the target';
    return caughtUp ? 'in lockstep' : 'catching up';
  }

  #targetTrouble(error: LockstepError): void {
    // Told once, and again when it is another trouble.
    if (error.message !== this.#told) this.#options.onNote(`${error.message}; trying again`);
    this.#told = error.message;
    if (hasCode(error, 'UNAVAILABLE')) this.#reachable = false;
    if (hasCode(error, 'NO_LEASE')) this.#leases.forget();
  }

  /** A position that the source has not reached is not a position in this source's history. */
  async #refuseAhead(position: Revision): Promise<void> {
    if (position <= Math.max(this.#lag.head, this.#options.journal.position)) return;
    // Another follower may have brought it there since the source was asked: ask again.
    await this.#askHead();
    if (position <= this.#lag.head) return;
    throw new LockstepError(
      'TARGET_AHEAD',
      `the target stands at revision ${position}, the source only at ${this.#lag.head}`,
      {
        disposition: 'reseed',
        revision: position,
        hint: 'Was the source restored from a backup, or has the target been cut over already? If the source is right, seed again into a new journal and a new target.',
      },
    );
  }

  async #pollHead(signal: AbortSignal): Promise<void> {
    await repeat(HEAD_POLL_MS, signal, () => this.#askHead());
  }

  async #askHead(): Promise<void> {
    this.#lag.saw((await this.#options.source.head(this.#probeKey)).revision);
  }

  /** While nothing has to be written, nothing else would notice that the target is gone. */
  async #pollTarget(signal: AbortSignal): Promise<void> {
    await repeat(TARGET_POLL_MS, signal, async () => {
      const position = this.#applier.position;
      if (position === undefined) return;
      const { revision } = await this.#options.target.head(CURSOR_KEY).catch((error: unknown) => {
        if (error instanceof LockstepError) this.#targetTrouble(error);
        throw error;
      });
      if (revision < position) throw wentBack(position, revision);
      if (!this.#reachable) this.#options.onNote('the target answers again');
      this.#reachable = true;
      this.#told = '';
    });
  }

  /** The target keeps the history that the source keeps, no more (fillers add up) and no less. */
  async #mirrorCompaction(signal: AbortSignal): Promise<void> {
    const { source, target, journal } = this.#options;
    await repeat(COMPACTION_POLL_MS, signal, async () => {
      const revision = await compactRevision(source, this.#probeKey);
      const position = this.#applier.position ?? 0;
      if (revision <= 1 || revision <= this.#compacted || revision > position) return;
      failpoint('mirror.begin');
      await target.compact(revision);
      failpoint('mirror.target');
      await journal.compact(revision);
      failpoint('mirror.done');
      this.#compacted = revision;
    });
  }

  async #endWhenReached(signal: AbortSignal): Promise<void> {
    const { until } = this.#options;
    while (!signal.aborted && until.kind !== 'signal') {
      const position = this.#applier.position ?? 0;
      const goal = until.kind === 'revision' ? until.revision : this.#lag.head;
      if (this.#reachable && position >= goal) this.#done.abort();
      await pause(UNTIL_POLL_MS, signal);
    }
  }
}

function wentBack(position: Revision, head: Revision): LockstepError {
  return new LockstepError(
    'TARGET_HEAD_OFF',
    `the target's head went back from ${position} to ${head}: it was restored or replaced`,
    {
      disposition: 'fatal',
      revision: head,
      hint: 'Start follow again: it looks at the target anew, and goes on if the journal reaches back so far.',
    },
  );
}
