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
import { backoffMs, pause } from '../backoff.js';
import { hasCode, LockstepError, type ErrorCode } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { CURSOR_KEY } from '../cursor.js';
import { bridge, type Bridged } from '../base/bridge.js';
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
import { refuseOtherGap } from './repair.js';
import { takeStock } from './stock.js';
import { EtcdTarget } from './target.js';
import { ofSource, SourceFailed, TargetTrouble } from './trouble.js';

export interface FollowOptions {
  journal: Journal;
  /** A connection for the watch alone, and one for everything else. */
  sourceWatch: EtcdClient;
  source: EtcdClient;
  target: EtcdClient;
  /** Goes on over a gap in the source's history (base/bridge.ts) where it would stop otherwise. */
  repair?: boolean;
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
  | 'waiting for the source'
  | 'waiting for the target'
  | 'bridging a gap'
  | 'catching up'
  | 'in lockstep';

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
  /** What it waits for or tries again; null while all is well. */
  trouble: { code: ErrorCode; message: string } | null;
}

export class Follower {
  readonly #options: FollowOptions;
  readonly #applier: Applier;
  readonly #leases: LeaseKeeper;
  readonly #lag = new LagClock();
  readonly #done = new AbortController();
  /** Of the source. */
  readonly #probeKey: Buffer;
  readonly #targetTrouble: TargetTrouble;
  /** Why the watch on the source is being tried again. */
  #sourceTrouble: LockstepError | undefined;
  /** What the source did not answer when the target was to be written, and where that stood then. */
  #heldUp: { error: LockstepError; at: Revision | undefined } | undefined;
  #bridging = false;
  #compacted: Revision = 0;

  constructor(options: FollowOptions) {
    this.#options = options;
    const { journal, source, target, until } = options;
    const prefixes = PrefixSet.of(journal.state.prefixes);
    this.#probeKey = probeKey(prefixes);
    this.#leases = new LeaseKeeper(source, target);
    this.#targetTrouble = new TargetTrouble(options.onNote);
    const feed = new JournalFeed(journal, until.kind === 'revision' ? until.revision : undefined);
    this.#applier = new Applier(new EtcdTarget(target), feed, {
      source: journal.state.clusterId,
      prefixes,
      gap: () => journal.state.gap,
      ensureLeases: (whole) => this.#leases.ensure(whole),
      onRetry: (error) => {
        if (error instanceof SourceFailed) this.#heldUp = { error, at: this.#applier.position };
        else this.#targetFailed(error);
      },
      onStock: async (position, cursor) => {
        await ofSource(this.#refuseAhead(position));
        await refuseOtherGap(journal, position, cursor);
        this.#leases.begin();
        this.#targetTrouble.answered(position);
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
      trouble: this.#trouble(lag?.revisions ?? 0),
    };
  }

  #trouble(lagRevisions: number): FollowStatus['trouble'] {
    // The source first, as in the state: whoever waits for it says for what.
    if (this.#isSilent()) return told(this.#sourceTrouble) ?? SILENT;
    if (this.#targetTrouble.error) return told(this.#targetTrouble.error);
    // While nothing is missing, a watch that is made anew is nobody's trouble.
    if (lagRevisions === 0) return null;
    const held = this.#heldUp?.at === this.#applier.position ? this.#heldUp : undefined;
    return told(this.#sourceTrouble ?? held?.error);
  }

  #isSilent(): boolean {
    return this.#lag.silence() > SILENT_SECONDS;
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
      (stop) => this.#captureOverGaps(limits, stop),
      (stop) => this.#applier.run(stop),
      (stop) => this.#leases.run(stop),
      (stop) => this.#pollHead(stop),
      (stop) => this.#pollTarget(stop),
      (stop) => this.#mirrorCompaction(stop),
      (stop) => this.#endWhenReached(stop),
    ]);
  }

  async #captureOverGaps(limits: WatchLimits, signal: AbortSignal): Promise<void> {
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await this.#capture(limits, signal);
      } catch (error) {
        if (!this.#options.repair || !hasCode(error, 'HISTORY_GAP')) throw error;
        if (attempt > 0) await pause(backoffMs(attempt), signal);
        await this.#bridge(signal);
      }
    }
  }

  /** What another try may mend is left to it: the capture finds the same gap again. */
  async #bridge(signal: AbortSignal): Promise<void> {
    const { source, journal, onNote } = this.#options;
    onNote(
      `the source has compacted away what came after revision ${journal.position}; reading what it holds now`,
    );
    this.#bridging = true;
    try {
      const bridged = await bridge(source, journal, signal);
      if (bridged) onNote(bridgedNote(bridged));
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof LockstepError && error.disposition === 'retry')) throw error;
      onNote(`${error.message}; trying again`);
    } finally {
      this.#bridging = false;
    }
  }

  async #capture(limits: WatchLimits, signal: AbortSignal): Promise<void> {
    const { sourceWatch, journal, onNote } = this.#options;
    const onRetry = (error: LockstepError) => {
      if (!this.#sourceTrouble) onNote(`${error.message}; trying again`);
      this.#sourceTrouble = error;
    };
    const onCaptured = () => {
      if (this.#sourceTrouble) onNote('the watch on the source goes on');
      this.#sourceTrouble = undefined;
    };
    await lastValueFrom(
      capture(sourceWatch, journal, { limits, signal, onRetry }).pipe(tap(onCaptured)),
      { defaultValue: undefined },
    );
  }

  #state(caughtUp: boolean): FollowState {
    if (this.#isSilent()) return 'waiting for the source';
    if (!this.#targetTrouble.reachable || this.#targetTrouble.error?.code === 'NO_SPACE')
      return 'waiting for the target';
    if (this.#bridging) return 'bridging a gap';
    return caughtUp ? 'in lockstep' : 'catching up';
  }

  #targetFailed(error: LockstepError): void {
    this.#targetTrouble.failed(error, this.#applier.position);
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

  /** The watch would notice another source, too, but only when it is made anew. */
  async #askHead(): Promise<void> {
    const { source, journal } = this.#options;
    const captured = journal.position;
    const { clusterId, revision } = await source.head(this.#probeKey);
    if (clusterId !== journal.state.clusterId)
      throw sourceChanged(`the source is cluster ${clusterId}, not ${journal.state.clusterId}`);
    if (revision < captured)
      throw sourceChanged(
        `the source's head went back to ${revision}, below ${captured}`,
        revision,
      );
    this.#lag.saw(revision);
  }

  /** While nothing has to be written, nothing else would notice that the target is gone. */
  async #pollTarget(signal: AbortSignal): Promise<void> {
    await repeat(TARGET_POLL_MS, signal, async () => {
      const position = this.#applier.position;
      if (position === undefined) return;
      const { revision } = await this.#options.target.head(CURSOR_KEY).catch((error: unknown) => {
        if (error instanceof LockstepError && error.disposition === 'retry')
          this.#targetFailed(error);
        throw error;
      });
      if (revision < position) throw wentBack(position, revision);
      if (revision > this.#options.journal.position) await this.#refuseUnaccounted();
      this.#targetTrouble.answered(revision);
    });
  }

  /**
   * Nothing above the journal can come from here. Its next write would notice, too, but on an idle
   * source that may be tomorrow.
   */
  async #refuseUnaccounted(): Promise<void> {
    const { target, journal } = this.#options;
    const prefixes = PrefixSet.of(journal.state.prefixes);
    takeStock(await new EtcdTarget(target).read(), { source: journal.state.clusterId, prefixes });
  }

  /** The target keeps the history that the source keeps, no more (fillers add up) and no less. */
  async #mirrorCompaction(signal: AbortSignal): Promise<void> {
    const { source, target, journal } = this.#options;
    await repeat(COMPACTION_POLL_MS, signal, async () => {
      const revision = await compactRevision(source, this.#probeKey);
      // A journal that has lost its end is behind the target, and has to read what is compacted here.
      const position = Math.min(this.#applier.position ?? 0, journal.position);
      if (revision <= 1 || revision <= this.#compacted || revision > position) return;
      // If another source has answered, its compactions are not ours.
      await this.#askHead();
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
      if (this.#targetTrouble.reachable && position >= goal) this.#done.abort();
      await pause(UNTIL_POLL_MS, signal);
    }
  }
}

/** Before a call or the watch has been given up. */
const SILENT: FollowStatus['trouble'] = {
  code: 'UNAVAILABLE',
  message: 'the source does not answer',
};

function told(error: LockstepError | undefined): FollowStatus['trouble'] {
  return error ? { code: error.code, message: error.message } : null;
}

function bridgedNote({ after, to, puts, deletions }: Bridged): string {
  return `bridged revisions ${after + 1} to ${to} with ${puts} puts and ${deletions} deletions: at ${to} every key is as on the source, the history in between is not`;
}

function sourceChanged(message: string, revision?: Revision): LockstepError {
  return new LockstepError('SOURCE_CHANGED', message, {
    disposition: 'reseed',
    hint: 'Check --endpoints. If the source was restored from a backup, seed again, into a new journal and a new target.',
    ...(revision === undefined ? {} : { revision }),
  });
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
