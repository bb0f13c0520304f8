/**
 * One migration, as a program conducts it: two etcds, and what the commands do between them.
 *
 * It holds two connections and nothing else. Where a migration stands is told by the target (its cursor,
 * the state of its cutover) and by the journal, so a program may die anywhere, and the next `Migration` of
 * the same two goes on. What the commands may do side by side, it may: an audit while it follows.
 *
 * What takes its time and ends (seed, audit, the night) is a promise and tells by callbacks what it does;
 * what goes on until it is stopped is an async iterator of its status.
 *
 * Tried and dropped: prefixes and journal as properties (only the seed decides on prefixes, and a cutover
 * may be run where no journal is); events by an emitter (who asks for the night's go must be waited for,
 * and a listener that is missing would be missed in silence).
 */
import type { OnNote } from './async/patience.js';
import { statuses, type StatusesOptions } from './async/statuses.js';
import { audit, type AuditOptions } from './audit/audit.js';
import { cursorPrefixes } from './audit/cursorprefixes.js';
import type { AuditReport } from './audit/report.js';
import type { OnDifference } from './audit/witness.js';
import type { AuditingRequest } from './auditing/auditing.js';
import type { Sealed } from './base/basefile.js';
import type { OnBase } from './base/read.js';
import { seed, type SeedOptions } from './base/seed.js';
import { Cutover } from './cutover/cutover.js';
import { fenceAlone, type FenceAloneOptions } from './cutover/fencealone.js';
import {
  NIGHT_DEFAULTS,
  type CutoverOptions,
  type CutoverReport,
  type NightOptions,
} from './cutover/nightoptions.js';
import { Rehearsal, type RehearsalReport, type RehearseOptions } from './cutover/rehearse.js';
import { retire, type RetireOptions, type RetireReport } from './cutover/retire.js';
import { Rollback, type RollbackReport } from './cutover/rollback.js';
import { Sides, type Ends } from './ends.js';
import { Journal } from './journal/journal.js';
import { Reverse, type ReverseOptions } from './reverse/reverse.js';
import type { ReverseStatus } from './reverse/reversestatus.js';
import { MAX_TXN_OPS } from './target/txn.js';
import type { ApiServer } from './kube/api.js';
import { followAgain } from './lockstep/again.js';
import { Follower, type FollowOptions, type FollowStatus } from './lockstep/follow.js';
import { repairJournal } from './lockstep/repair.js';
import type { Steering } from './steering.js';
import { nightStatus, type KubeStatus } from './proof/nightstatus.js';
import { describeClusters, describeUnknown, type ClusterFacts } from './report/clusters.js';
import type { PeersOptions } from './target/peers.js';
import { targetStatus, type TargetStatus } from './target/targetstatus.js';
import type { Side } from './wire/side.js';

/** The two etcds of a migration, and who hears of it. */
export interface MigrationOptions extends Ends {
  /** What a person should know, from whatever runs: one sentence, without its full stop. */
  onNote?: OnNote;
}

/** Options of which the migration has some itself, and some may be left out. */
type AskedOf<All, Own extends keyof All, Optional extends keyof All> = Omit<All, Own | Optional> &
  Partial<Pick<All, Optional>>;

/** Like `etcd-lockstep seed`. */
export type SeedRequest = AskedOf<SeedOptions, 'onNote', 'from' | 'onBase' | 'signal'>;

/** Like `etcd-lockstep follow`. */
export interface FollowRequest extends StatusesOptions {
  /** Directory of the journal that the seed has filled. */
  journal: string;
  /** When it ends by itself; default: never. */
  until?: FollowOptions['until'];
  /** Makes the target exact again where the source's history, or the journal, is lost. */
  repair?: boolean;
  /** Takes a target that was rolled back from into lockstep again, where every key can be made exact. */
  again?: boolean;
  /** The target's peer ports, where it may be written through them, many revisions at once. */
  peers?: PeersOptions | undefined;
  /** Revisions a second that are written to the target, at most; default: as many as go. */
  maxRate?: number | undefined;
  /** What is changed of it while it runs. */
  steering?: Steering;
  /**
   * Called once its journal is this process's alone; what it returns is called before that is given back.
   */
  onOwned?: () => Promise<() => Promise<void>>;
  /**
   * One of two followers for one target, each with a journal of its own: it writes only where the target has
   * stood still for so long although the source went on. Default: it is alone, and writes at once.
   */
  standby?: { afterSeconds: number } | undefined;
  /** Called while a repair reads the target. */
  onBase?: OnBase;
  /** Compares both sides again and again while it follows; default: it does not. */
  audit?: AuditingRequest;
  /** A difference that such an audit has found, once for each audit; default: `onNote` is told. */
  onAlarm?: (alarm: string) => void;
}

/** Like `etcd-lockstep follow --reverse`. `go` is asked before anything is written to the source. */
export interface ReverseRequest
  extends StatusesOptions, Pick<ReverseOptions, 'go' | 'prefixes' | 'until'> {
  /** Those that must not serve from the source; default: none is looked at. */
  apiservers?: readonly ApiServer[];
  /** Revisions that the source's head is kept above the target's; default: 1000. */
  margin?: number;
  /** Late writes on the source, and whoever serves from there again; default: `onNote` is told. */
  onAlarm?: (alarm: string) => void;
}

/** Like `etcd-lockstep audit`. Prefixes: what the target's cursor names, where none are given. */
export type AuditRequest = AskedOf<
  AuditOptions,
  'source' | 'target' | 'onNote',
  'prefixes' | 'history' | 'onDifference' | 'signal'
>;

type Told = 'onEvent' | 'onMustGoOn';
type NightOwn = 'source' | 'target' | 'onNote';
type NightOptional =
  Told | 'resources' | 'without' | 'margin' | 'quietMs' | 'watchSeconds' | 'signal';

/** Like `etcd-lockstep cutover`. `go` is asked before writes are refused. */
export type CutoverRequest = AskedOf<
  CutoverOptions,
  NightOwn | 'sourceWatch',
  NightOptional | 'oldApiservers' | 'maxFreezeSeconds'
>;

/** Like `etcd-lockstep cutover --rehearse`. */
export type RehearseRequest = AskedOf<
  RehearseOptions,
  NightOwn,
  | ('onEvent' | 'resources' | 'oldApiservers' | 'without' | 'margin' | 'quietMs')
  | ('maxFreezeSeconds' | 'sampleSeconds' | 'signal')
>;

/** Like `etcd-lockstep rollback`. `go` is asked before writes are refused. */
export type RollbackRequest = AskedOf<NightOptions, NightOwn, NightOptional>;

/** Like `etcd-lockstep retire`. `go` is asked before anything is removed. */
export type RetireRequest = AskedOf<
  RetireOptions,
  NightOwn,
  'resources' | 'watchSeconds' | 'rate' | 'onProgress' | 'signal'
>;

/** Like `etcd-lockstep fence`. `go` is asked before the target is taken over. */
export type FenceRequest = AskedOf<
  FenceAloneOptions,
  NightOwn,
  Told | 'margin' | 'quietMs' | 'maxFreezeSeconds' | 'once' | 'onRaised' | 'signal'
>;

/** What `etcd-lockstep status` says. */
export interface MigrationStatus extends TargetStatus {
  /** Null where no apiservers are given. */
  kubernetes: KubeStatus | null;
}

const nobody = (): void => undefined;
/** Of a night that nobody hears. Alarms stand in the report as well. */
const UNHEARD = { onEvent: nobody, onMustGoOn: nobody, onRaised: nobody };
const NIGHT = {
  ...{ ...NIGHT_DEFAULTS, ...UNHEARD, onProgress: nobody },
  ...{ resources: undefined, without: [], oldApiservers: [] },
};

/** Two etcds with their connections, and what may be done with them. {@link close} it in the end. */
export class Migration {
  readonly #sides: Sides;
  readonly #onNote: OnNote;

  /**
   * Nothing is dialled yet.
   * @throws LockstepError SAME_ETCD for one endpoint as both; BAD_ARGUMENT for endpoints or certificate
   *   files that cannot be used
   */
  constructor({ source, target, onNote = nobody }: MigrationOptions) {
    this.#sides = new Sides({ source, target });
    this.#onNote = onNote;
  }

  /** Ends what is under way, at once; nothing can be asked any more. */
  close(): void {
    this.#sides.close();
  }

  /** As they go into {@link overrides}. */
  get targetEndpoints(): readonly string[] {
    return this.#sides.targetEndpoints;
  }

  /**
   * What the target holds, how far it is behind, and how far a cutover is.
   * @param apiservers asked for the freeze, and from which etcd they serve
   * @throws LockstepError for what etcds and apiservers say, and for keys of ours that make no sense
   */
  async status(apiservers: readonly ApiServer[] = []): Promise<MigrationStatus> {
    const { source, target } = this.#sides;
    const status = await targetStatus(target, source);
    if (apiservers.length === 0) return { ...status, kubernetes: null };
    return { ...status, kubernetes: await nightStatus(apiservers, status, { source, target }) };
  }

  /**
   * Reads the prefixes from the source into a journal, and seals a base from it for `etcdutl snapshot
   * restore`. The target need not be there. Killed, it goes on where it was.
   * @throws LockstepError among others JOURNAL_OTHER for a journal of another source or prefixes; NO_KEYS
   *   before anything is made; FILE_EXISTS
   */
  async seed(request: SeedRequest): Promise<Sealed> {
    const signal = this.#sides.until(request.signal);
    const options = { from: 'range', onBase: nobody, ...request, signal } as const;
    return seed(this.#sides.source, { ...options, onNote: this.#onNote });
  }

  /**
   * Keeps the target in lockstep with the source, for as long as its iterator is read. It waits for what
   * is not there yet, a target that is still to be restored as well. Leaving the loop ends it gracefully.
   * @returns its status, once a second if not told otherwise, and at its end
   * @throws LockstepError for what only a person can mend, behind the last status
   */
  async *follow(request: FollowRequest): AsyncGenerator<FollowStatus, void, undefined> {
    const { until = { kind: 'signal' }, repair = false, again = false, onBase = nobody } = request;
    const { audit, onAlarm, peers, maxRate, steering, standby } = request;
    const signal = this.#sides.until(request.signal);
    const onNote = this.#onNote;
    const { target } = this.#sides;
    // Of this run alone: what a silent source owes us must not outlive it.
    const [source, sourceWatch] = [this.#sides.source.another(), this.#sides.source.another()];
    for (const client of [source, sourceWatch]) client.closeAt(signal);
    let journal: Journal | undefined;
    let disown: (() => Promise<void>) | undefined;
    try {
      const mending = { source, target, journal: request.journal, onBase, onNote, signal };
      if (again) await followAgain(mending);
      if (repair) await repairJournal(mending);
      const opened = (journal = await Journal.open(request.journal));
      disown = await request.onOwned?.();
      yield* statuses({ ...request, signal }, (stop) => {
        for (const client of [source, sourceWatch]) client.closeAt(stop);
        const ends = { source, sourceWatch, target, peers, maxRate, steering, standby };
        const told = { audit, onAlarm, onNote };
        return new Follower({ ...ends, ...told, journal: opened, repair, until, signal: stop });
      });
    } finally {
      source.close();
      sourceWatch.close();
      await disown?.();
      await journal?.close();
    }
  }

  /**
   * After a cutover: keeps the source current with what is written on the target, for as long as its iterator
   * is read. It ends by itself when a rollback or a retire begins. Killed, it goes on.
   * @returns its status, once a second if not told otherwise, and at its end
   * @throws LockstepError TARGET_NOT_OURS, TARGET_CUT_OVER, STILL_USED and others with nothing changed;
   *   TARGET_TAKEN_OVER where another one runs
   */
  async *reverse(request: ReverseRequest): AsyncGenerator<ReverseStatus, void, undefined> {
    const { apiservers = [], margin = NIGHT_DEFAULTS.margin } = request;
    const onNote = this.#onNote;
    const told = (alarm: string) => {
      onNote(alarm, true);
    };
    const { go, prefixes, until, onAlarm = told } = request;
    const signal = this.#sides.until(request.signal);
    const [source, target] = [this.#sides.source.another(), this.#sides.target.another()];
    const watches = { sourceWatch: source.another(), targetWatch: target.another() };
    const clients = [source, target, ...Object.values(watches)];
    try {
      yield* statuses({ ...request, signal }, (stop) => {
        // What is only read is given up at once; a write is waited for.
        for (const client of [target, ...Object.values(watches)]) client.closeAt(stop);
        const asked = { apiservers, margin, go, prefixes, until, onAlarm };
        const ends = { source, target, ...watches };
        return new Reverse({ ...ends, ...asked, maxTxnOps: MAX_TXN_OPS, onNote, signal: stop });
      });
    } finally {
      for (const client of clients) client.close();
    }
  }

  /**
   * Compares both key by key at one revision, while both are live.
   * @throws LockstepError BAD_ARGUMENT without prefixes where the target has no cursor; SAME_ETCD;
   *   NOTHING_COMPARED; COMPACTED or FUTURE_REVISION where a side does not hold the revision
   */
  async audit(request: AuditRequest = {}): Promise<AuditReport> {
    const onDifference: OnDifference = nobody;
    const signal = this.#sides.until(request.signal);
    const options = { history: false, onDifference, ...request, signal };
    return this.#sides.own(signal, async (own) => {
      const prefixes = request.prefixes ?? (await cursorPrefixes(own.target));
      return audit({ ...options, ...own, prefixes, onNote: this.#onNote });
    });
  }

  /** Both etcds with their members, as the report of an audit names them; nothing is thrown for what they say. */
  async clusters(
    { source, target }: Pick<AuditReport, 'source' | 'target'>,
    signal = this.#sides.until(),
  ): Promise<Record<Side, ClusterFacts>> {
    return this.#sides.own(signal, (own) => describeClusters(own, { source, target }, signal));
  }

  /** The same for the report of a night, whatever has become of it; null where one does not answer. */
  async clustersNow(signal: AbortSignal): Promise<Record<Side, ClusterFacts | null>> {
    return this.#sides.own(signal, async ({ source, target }) => {
      const both = [describeUnknown(source, signal), describeUnknown(target, signal)];
      const [there = null, here = null] = await Promise.all(both);
      return { source: there, target: here };
    });
  }

  /**
   * Moves the apiservers from source to target. Killed, it goes on; behind the takeover, the way back is
   * {@link rollback}.
   * @throws LockstepError with what stands in the way, and what to do about it
   */
  async cutover(request: CutoverRequest): Promise<CutoverReport> {
    const sourceWatch = this.#sides.source.another();
    try {
      return await new Cutover({ ...this.#night(request), sourceWatch }).run();
    } finally {
      sourceWatch.close();
    }
  }

  /**
   * All of a cutover but the freeze and the switch; it changes nothing. What would stop a night is in the report.
   * @param request its hooks have to move nothing
   */
  async rehearse(request: RehearseRequest): Promise<RehearsalReport> {
    return new Rehearsal({ sampleSeconds: 10, ...this.#night(request) }).run();
  }

  /**
   * Takes the apiservers back to the source, with what was changed since; no revision goes backwards.
   * Killed, it goes on.
   * @throws LockstepError TARGET_NOT_OURS where there was no cutover, WRITTEN_MEANWHILE, OTHER_RUN, FREEZE_LOST
   */
  async rollback(request: RollbackRequest): Promise<RollbackReport> {
    return new Rollback(this.#night(request)).run();
  }

  /**
   * Removes what was moved from the source, and our own keys from the target. Killed, it goes on.
   * @throws LockstepError TARGET_OTHER_SOURCE, STILL_USED, OTHER_OBJECTS, LATE_WRITE, TARGET_DIFFERENT,
   *   OTHER_RUN: what still speaks against it
   */
  async retire(request: RetireRequest): Promise<RetireReport> {
    return retire(this.#night(request));
  }

  /**
   * Takes a drained target over from its follower and keeps its head above the source's, until `signal`
   * aborts: for who freezes and switches by means of his own.
   * @throws LockstepError NOT_DRAINED where the source is not quiet, or the target not equal, in time;
   *   OTHER_RUN where another run has the night now
   */
  async fence(request: FenceRequest): Promise<void> {
    return fenceAlone({ once: false, ...this.#night(request) });
  }

  /** What a night is run with, where the request says nothing. */
  #night<R extends { signal?: AbortSignal }>(request: R) {
    const { source, target } = this.#sides;
    const signal = this.#sides.until(request.signal);
    return { ...NIGHT, ...request, signal, source, target, onNote: this.#onNote };
  }
}
