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
import { pause } from '../backoff.js';
import { CURSOR_KEY } from '../cursor.js';
import { TargetCutOver, type Phase } from '../cutoverstate.js';
import { type ErrorCode, hasCode, LockstepError, passes } from '../errors.js';
import { checkIdentity } from '../journal/identity.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { refuseOneIfTold } from '../sameetcd.js';
import { damagedNotes } from '../source/damaged.js';
import { fullWatchNote, watchLimits, type WatchLimits } from '../source/limits.js';
import { repeat, runTogether } from '../tasks.js';
import type { EtcdClient } from '../wire/client.js';
import { Applier } from './apply.js';
import { CompactionMirror } from './compactions.js';
import { JournalFeed } from './feed.js';
import { Intake, type IntakeOptions } from './intake.js';
import { LeaseKeeper } from './leases.js';
import { SourceHead } from './sourcehead.js';
import { takeStock, type Identity } from './stock.js';
import { EtcdTarget } from './target.js';
import { ofSource, SourceFailed, TargetTrouble } from './trouble.js';

export interface FollowOptions extends IntakeOptions {
  target: EtcdClient;
  until: { kind: 'signal' } | { kind: 'synced' } | { kind: 'revision'; revision: Revision };
  signal: AbortSignal;
}

const UNTIL_POLL_MS = 50;
const TARGET_POLL_MS = 2000;

export type FollowState =
  | 'waiting for the source'
  | 'waiting for the target'
  | 'bridging a gap'
  | 'catching up'
  | 'in lockstep'
  | 'taken over';

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
  /** The cutover that has taken the target over, and with it this follower's work; null before. */
  cutover: { phase: Phase; exact: Revision } | null;
}

export class Follower {
  readonly #options: FollowOptions;
  /** What the target must be a copy of. */
  readonly #identity: Identity;
  readonly #intake: Intake;
  readonly #head: SourceHead;
  readonly #applier: Applier;
  readonly #compactions: CompactionMirror;
  readonly #leases: LeaseKeeper;
  readonly #targetTrouble: TargetTrouble;
  readonly #done = new AbortController();
  /** What the source did not answer when the target was to be written, and where that stood then. */
  #heldUp: { error: LockstepError; at: Revision | undefined } | undefined;
  #cutover: FollowStatus['cutover'] = null;

  constructor(options: FollowOptions) {
    this.#options = options;
    const { journal, source, target, until } = options;
    const { clusterId, prefixes } = journal.state;
    this.#identity = { source: clusterId, prefixes: PrefixSet.of(prefixes) };
    this.#intake = new Intake(options);
    this.#head = new SourceHead(source, journal);
    this.#leases = new LeaseKeeper(source, target, {
      onTrouble: ({ message, hint }) => {
        options.onNote(`${message}. ${hint ?? ''}`);
      },
    });
    this.#targetTrouble = new TargetTrouble(options.onNote);
    const position = () => this.#applier.position;
    this.#compactions = new CompactionMirror(options, this.#head, position);
    const feed = new JournalFeed(journal, until.kind === 'revision' ? until.revision : undefined);
    this.#applier = new Applier(new EtcdTarget(target), feed, {
      ...this.#identity,
      gap: () => journal.state.gap,
      ensureLeases: (whole) => this.#leases.ensure(whole),
      onRetry: (error) => {
        if (error instanceof SourceFailed) this.#heldUp = { error, at: this.#applier.position };
        else this.#targetFailed(error);
      },
      onStock: async (position) => {
        await ofSource(this.#head.refuseAhead(position));
        this.#leases.begin();
        this.#targetTrouble.answered(position);
      },
    });
  }

  get status(): FollowStatus {
    const position = this.#applier.position;
    const lag = position === undefined ? undefined : this.#head.lag.behind(position);
    const caughtUp = position !== undefined && this.#head.lag.caughtUp(position);
    return {
      state: this.#state(caughtUp),
      position: position ?? null,
      journalPosition: this.#options.journal.position,
      sourceHead: this.#head.lag.head,
      lagRevisions: lag?.revisions ?? null,
      lagSeconds: lag?.seconds ?? null,
      ...this.#applier.written,
      compactRevision: this.#compactions.compacted,
      trouble: this.#trouble(lag?.revisions ?? 0),
      cutover: this.#cutover,
    };
  }

  #trouble(lagRevisions: number): FollowStatus['trouble'] {
    if (this.#cutover) return null;
    // The source first, as in the state: whoever waits for it says for what.
    if (this.#head.isSilent) return told(this.#intake.trouble) ?? SILENT;
    if (this.#targetTrouble.error) return told(this.#targetTrouble.error);
    const held = this.#heldUp?.at === this.#applier.position ? this.#heldUp : undefined;
    // While nothing is missing, a watch that is made anew is nobody's trouble.
    const source = lagRevisions > 0 ? (this.#intake.trouble ?? held?.error) : undefined;
    return told(this.#leases.trouble ?? source ?? this.#compactions.trouble);
  }

  /**
   * Ends when `until` is fulfilled or `signal` aborts, after the write that is under way; and when a
   * cutover has taken the target over, now or long ago: `status.cutover` says so, and the work is done.
   * @throws LockstepError for what only a person can mend; TARGET_CUT_OVER where the end that was asked
   *   for cannot be reached any more
   */
  async run(): Promise<void> {
    const { journal, signal } = this.#options;
    if (!journal.state.base.done)
      throw new LockstepError(
        'JOURNAL_NOT_SEEDED',
        `the base in ${journal.directory} is not complete`,
        {
          disposition: 'usage',
          hint: 'Run `etcd-lockstep seed` again with the same flags: it goes on where it was.',
        },
      );
    try {
      await this.#follow(await this.#firstContact());
    } catch (error) {
      // What the source was asked just then has been given up with it.
      if (signal.aborted && passes(error)) return;
      await this.#refuseItself(error);
      this.#takenOver(error);
    }
  }

  /** What is no target of ours may be the source by another name: then that is what is wrong. */
  async #refuseItself(error: unknown): Promise<void> {
    if (!hasCode(error, 'TARGET_NOT_OURS', 'TARGET_OTHER_SOURCE', 'TARGET_OTHER_PREFIXES')) return;
    const { source, target } = this.#options;
    await refuseOneIfTold(source, target, probeKey(this.#identity.prefixes));
  }

  /** How its watch has to be read. */
  async #firstContact(): Promise<WatchLimits> {
    const { source, journal, onNote } = this.#options;
    const status = await source.status();
    checkIdentity(journal, status.clusterId);
    this.#head.lag.saw(status.head);
    const limits = watchLimits(status.version);
    if (!limits.progressIsProof) onNote(fullWatchNote(status.version));
    for (const note of await damagedNotes(source)) onNote(note);
    return limits;
  }

  async #follow(limits: WatchLimits): Promise<void> {
    await runTogether(AbortSignal.any([this.#options.signal, this.#done.signal]), [
      (stop) => this.#intake.run(limits, stop),
      (stop) => this.#applier.run(stop),
      (stop) => this.#leases.run(stop),
      (stop) => this.#head.run(stop),
      (stop) => this.#pollTarget(stop),
      (stop) => this.#compactions.run(stop),
      (stop) => this.#endWhenReached(stop),
    ]);
  }

  /** @throws the error, where it is another one or `until` lies behind it */
  #takenOver(error: unknown): void {
    const { until } = this.#options;
    if (!(error instanceof TargetCutOver)) throw error;
    const { exact, state } = error.cutover;
    if (until.kind === 'synced') throw error;
    if (until.kind === 'revision' && until.revision > exact) throw error;
    this.#cutover = { phase: state.phase, exact };
  }

  #state(caughtUp: boolean): FollowState {
    if (this.#cutover) return 'taken over';
    if (this.#head.isSilent) return 'waiting for the source';
    if (!this.#targetTrouble.reachable || this.#targetTrouble.error?.code === 'NO_SPACE')
      return 'waiting for the target';
    if (this.#intake.bridging) return 'bridging a gap';
    return caughtUp ? 'in lockstep' : 'catching up';
  }

  #targetFailed(error: LockstepError): void {
    this.#targetTrouble.failed(error, this.#applier.position);
    if (hasCode(error, 'NO_LEASE')) this.#leases.forget();
  }

  /** While nothing has to be written, nothing else would notice that the target is gone. */
  async #pollTarget(signal: AbortSignal): Promise<void> {
    await repeat(TARGET_POLL_MS, signal, async () => {
      const position = this.#applier.position;
      if (position === undefined) return;
      const { revision } = await this.#options.target.head(CURSOR_KEY).catch((error: unknown) => {
        if (passes(error)) this.#targetFailed(error);
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
    takeStock(await new EtcdTarget(this.#options.target).read(), this.#identity);
  }

  async #endWhenReached(signal: AbortSignal): Promise<void> {
    const { until } = this.#options;
    while (!signal.aborted && until.kind !== 'signal') {
      // The journal has its say about where the target stands.
      const position = Math.min(this.#applier.position ?? 0, this.#options.journal.position);
      const goal = until.kind === 'revision' ? until.revision : this.#head.lag.head;
      const there = this.#targetTrouble.reachable && position >= goal;
      if (there && !this.#compactions.owesGap) this.#done.abort();
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
