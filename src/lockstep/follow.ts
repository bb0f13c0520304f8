/**
 * follow: runs the pipeline (../pipeline.ts) until told to stop, and says how it fares.
 */
import type { Retried } from '../async/retries.js';
import { beside } from '../async/together.js';
import { TroubleClock, type Trouble } from '../async/trouble.js';
import {
  Auditing,
  AUDITING_DEFAULTS,
  type AuditingRequest,
  type AuditingStatus,
} from '../auditing/auditing.js';
import { reportsOf } from '../auditing/folder.js';
import { hasCode, LockstepError, passes } from '../errors.js';
import { checkIdentity } from '../journal/identity.js';
import type { LeasesKept } from '../leases/keeper.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { Pipeline, type PipelineOptions } from '../pipeline.js';
import { damagedNotes } from '../source/damaged.js';
import { fullWatchNote, watchLimits, type WatchLimits } from '../source/limits.js';
import { refuseOneIfTold } from '../source/sameetcd.js';
import { TargetCutOver, type Phase } from '../target/cutoverstate.js';
import { SOURCE_SILENT } from './sourcehead.js';
import type { SourceWindow } from './sourcehistory.js';
import type { ThrottleStatus } from './throttle.js';
import type { StandbyStatus } from './standby.js';
import type { WayStatus } from './ways.js';

export interface FollowOptions extends PipelineOptions {
  /** Compares both sides again and again while it follows; unless given it does not. */
  audit?: AuditingRequest | undefined;
  /** Hears of a difference that an audit has found, once for each audit; unless given, `onNote` does. */
  onAlarm?: ((text: string) => void) | undefined;
  signal: AbortSignal;
}

/** Where a follower is at the moment. */
export type FollowState =
  | 'waiting for the source'
  | 'waiting for the target'
  | 'bridging a gap'
  | 'catching up'
  | 'in lockstep'
  | 'standby'
  | 'taken over';

/** What a follower says of itself while it runs; docs/reference.md has it as the JSON contract. */
export interface FollowStatus extends AuditingStatus {
  state: FollowState;
  /** What is followed. */
  prefixes: string[];
  /** Ids of both etcds, hexadecimal as etcdctl prints them; null: the target has not answered yet. */
  clusters: { source: string; target: string | null };
  /** The target's head; null before the target was read. */
  position: Revision | null;
  journalPosition: Revision;
  /** What the journal takes on the disk. */
  journalBytes: number;
  /** What its file system has left; null before it is known. */
  journalFreeBytes: number | null;
  /** The source's head when it was asked last. */
  sourceHead: Revision;
  /** Null before the target was read. */
  lagRevisions: number | null;
  lagSeconds: number | null;
  /** When it had caught up first, ISO 8601; null before: `lagSeconds` is at least so much until then. */
  caughtUpAt: string | null;
  /** Written by this process: revisions with records, the puts and deletions in them, their bytes. */
  revisions: number;
  puts: number;
  deletions: number;
  bytes: number;
  /** Likewise: revisions without records. */
  fillers: number;
  /** The target's compact revision as far as this process has compacted it. */
  compactRevision: Revision;
  /** How the target is written, and why not as it should be; by nothing while another follower writes. */
  way: WayStatus;
  /** How fast it may be written, and why. */
  throttle: ThrottleStatus;
  /** Of one of two that stand by for each other; null: it is alone. */
  standby: StandbyStatus | null;
  /** The source's compactions, and what they leave to the journal; null before it was asked. */
  compaction: SourceWindow | null;
  /** On the target; null before it was found. */
  leases: LeasesKept | null;
  /** What has failed and was tried again, since this process began; most often first. */
  retries: Retried[];
  /** What it waits for or tries again; null while all is well. */
  trouble: Trouble | null;
  /** The cutover that has taken the target over, and with it this follower's work; null before. */
  cutover: { phase: Phase; exact: Revision } | null;
}

export class Follower {
  readonly #options: FollowOptions;
  readonly #pipeline: Pipeline;
  readonly #auditing: Auditing | undefined;
  readonly #trouble = new TroubleClock();
  #cutover: FollowStatus['cutover'] = null;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#pipeline = new Pipeline(options);
    this.#auditing = options.audit && this.#audits(options.audit);
  }

  get status(): FollowStatus {
    const { applier, ways, throttle, head, compactions, space, retries, position } = this.#pipeline;
    const { journal, target } = this.#options;
    const lag = position === undefined ? undefined : head.lag.behind(position);
    const caughtUp = position !== undefined && head.lag.caughtUp(position);
    return {
      state: this.#state(caughtUp),
      prefixes: [...journal.state.prefixes],
      clusters: { source: journal.state.clusterId, target: target.clusterId ?? null },
      position: position ?? null,
      journalPosition: journal.position,
      sourceHead: head.lag.head,
      journalBytes: journal.bytes(),
      journalFreeBytes: space.bytes,
      lagRevisions: lag?.revisions ?? null,
      lagSeconds: lag?.seconds ?? null,
      caughtUpAt: head.lag.caughtUpAt ?? null,
      ...applier.written,
      compactRevision: compactions.compacted,
      throttle: throttle.status,
      way: this.#standsBy ? NO_WAY : ways.status,
      standby: this.#pipeline.standby?.status ?? null,
      compaction: head.history.window(journal.position),
      leases: position === undefined || this.#standsBy ? null : this.#pipeline.leases.kept,
      retries: retries.list,
      trouble: this.#trouble.told(this.#waitsFor(lag?.revisions ?? 0)),
      cutover: this.#cutover,
      ...(this.#auditing?.status ?? { audits: [], auditing: null }),
    };
  }

  /** Another follower writes, or nobody does. */
  get #standsBy(): boolean {
    const { standby } = this.#pipeline;
    return standby !== undefined && !standby.active;
  }

  #audits(request: AuditingRequest): Auditing {
    const { source, target, journal, steering, onNote, onAlarm } = this.#options;
    const { clusterId, watchFrom, prefixes } = journal.state;
    return new Auditing({
      ...{ ...AUDITING_DEFAULTS, ...request },
      ...{ source, target, clusterId, watchFrom, prefixes: PrefixSet.of(prefixes) },
      folder: reportsOf(journal.directory),
      inLockstep: () => this.status.state === 'in lockstep',
      ...{ onNote, steering },
      onAlarm: (text) => {
        if (onAlarm) onAlarm(text);
        else onNote(text, true);
      },
    });
  }

  #waitsFor(lagRevisions: number): LockstepError | undefined {
    const { head, intake, targetTrouble, leases, compactions, heldUp, standby } = this.#pipeline;
    if (this.#cutover) return undefined;
    // The source first, as in the state: whoever waits for it says for what.
    if (head.isSilent) return intake.trouble ?? SOURCE_SILENT;
    if (targetTrouble.error) return targetTrouble.error;
    if (this.#standsBy) {
      const captured = this.#options.journal.position >= head.lag.head;
      return standby?.trouble ?? (captured ? undefined : intake.trouble);
    }
    // While nothing is missing, a watch that is made anew is nobody's trouble.
    const source = lagRevisions > 0 ? (intake.trouble ?? heldUp) : undefined;
    return leases.trouble ?? source ?? compactions.trouble;
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
          hint: 'Run `etcd-lockstep seed` again with the same flags: it goes on where it was.',
        },
      );
    try {
      const limits = await this.#firstContact();
      await beside(signal, [(stop) => this.#auditing?.run(stop) ?? Promise.resolve()], (stop) =>
        this.#pipeline.run(limits, stop),
      );
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
    const { source, target, journal } = this.#options;
    await refuseOneIfTold(source, target, probeKey(PrefixSet.of(journal.state.prefixes)));
  }

  /** How its watch has to be read. */
  async #firstContact(): Promise<WatchLimits> {
    const { source, journal, onNote } = this.#options;
    const status = await source.status();
    checkIdentity(journal, status.clusterId);
    this.#pipeline.head.lag.saw(status.head);
    const limits = watchLimits(status.version);
    if (!limits.progressIsProof) onNote(fullWatchNote(status.version));
    for (const note of await damagedNotes(source)) onNote(note, true);
    return limits;
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
    const { head, intake, targetTrouble } = this.#pipeline;
    if (this.#cutover) return 'taken over';
    if (head.isSilent) return 'waiting for the source';
    if (!targetTrouble.reachable || targetTrouble.error?.code === 'NO_SPACE')
      return 'waiting for the target';
    if (intake.bridging) return 'bridging a gap';
    if (this.#standsBy) return 'standby';
    return caughtUp ? 'in lockstep' : 'catching up';
  }
}

const NO_WAY: WayStatus = { by: null, where: null, why: null };
