/**
 * The pipeline: the whole way of the data while following, top to bottom.
 *
 *     source's watch ─► whole revisions ─► journal ─► apply ─► target
 *            │                                ▲
 *            └─ history lost ─► bridge ───────┘        (with --repair)
 *     beside it: the source's head, leases, compactions, a look at the target
 *
 * Of two that stand by for each other both do all but what writes to the target (lockstep/standby.ts).
 *
 * Each part runs by itself, and they share only the journal and where apply stands. So what is captured
 * goes on while the target is being restored, restarted or down.
 *
 * seed is the upper half, with a base beside it (base/seed.ts). A mirror, late writes and a live audit
 * begin with the same revisions$ (source/revisions.ts) and store elsewhere.
 *
 * rxjs carries a watch that is made anew; that several parts live and die together is said by runTogether,
 * because unsubscribing does not wait until what is under way is done, and the journal is closed next.
 */
import { lastValueFrom } from 'rxjs';
import { pause } from './async/again.js';
import { Lasting, type OnNote } from './async/patience.js';
import { Retries } from './async/retries.js';
import { runTogether } from './async/together.js';
import { hasCode, type LockstepError } from './errors.js';
import { capture$ } from './journal/capture.js';
import { FreeSpace } from './journal/freespace.js';
import type { Journal } from './journal/journal.js';
import { LeaseKeeper, LEASES_NOT_KEPT } from './leases/keeper.js';
import { Applier } from './lockstep/apply.js';
import { Compactions } from './lockstep/compactions.js';
import { JournalFeed } from './lockstep/feed.js';
import { Intake } from './lockstep/intake.js';
import { HEAD_UNKNOWN, SourceHead } from './lockstep/sourcehead.js';
import { Standby } from './lockstep/standby.js';
import { pollTarget } from './lockstep/targetpoll.js';
import type { Steering } from './steering.js';
import { TargetTrouble } from './lockstep/targettrouble.js';
import { Throttle } from './lockstep/throttle.js';
import { Ways } from './lockstep/ways.js';
import { PrefixSet } from './mvcc/prefix.js';
import type { Revision } from './mvcc/revision.js';
import type { Position } from './position.js';
import type { WatchLimits } from './source/limits.js';
import { Peers, type PeersOptions } from './target/peers.js';
import type { Identity, Stock } from './target/stock.js';
import { EtcdTarget } from './target/target.js';
import type { EtcdClient } from './wire/client.js';

export interface PipelineOptions {
  journal: Journal;
  /** A connection for the watch alone, and one for everything else. */
  sourceWatch: EtcdClient;
  source: EtcdClient;
  target: EtcdClient;
  /** The target's peer ports, where it may be written through them. */
  peers?: PeersOptions | undefined;
  /** Goes on over a gap in the source's history (base/bridge.ts) where it would stop otherwise. */
  repair?: boolean;
  /** Revisions a second that are written to the target, at most; unless given, as many as go. */
  maxRate?: number | undefined;
  /** What is changed while it runs. */
  steering?: Steering | undefined;
  /** One of two, which writes only where the target has stood still for so long. Unless given it is alone. */
  standby?: { afterSeconds: number } | undefined;
  until: { kind: 'signal' } | { kind: 'synced' } | { kind: 'revision'; revision: Revision };
  onNote: OnNote;
}

const UNTIL_POLL_MS = 50;

export class Pipeline {
  readonly intake: Intake;
  readonly head: SourceHead;
  readonly applier: Applier;
  /** How the target is written, and how fast at most. */
  readonly ways: Ways;
  readonly throttle: Throttle;
  readonly leases: LeaseKeeper;
  readonly compactions: Compactions;
  readonly targetTrouble: TargetTrouble;
  /** Whose turn it is, where there are two; undefined where it is alone. */
  readonly standby: Standby | undefined;
  /** What has failed in any of them and was tried again. */
  readonly retries = new Retries();
  /** Where the journal lies. */
  readonly space: FreeSpace;
  readonly #peers: Peers | undefined;
  /** What the target must be a copy of. */
  readonly #identity: Identity;
  /** What the source did not answer when the target was to be written, and where that stood then. */
  #heldUp: { error: LockstepError; at: Revision | undefined } | undefined;

  constructor(private readonly o: PipelineOptions) {
    const { journal, source, target, until, onNote, steering, maxRate = null } = o;
    const { clusterId, prefixes } = journal.state;
    this.#identity = { source: clusterId, prefixes: PrefixSet.of(prefixes) };
    this.intake = new Intake(o);
    this.space = new FreeSpace(journal.directory);
    const throttle = (this.throttle = new Throttle(
      () => (steering?.maxRate === undefined ? maxRate : steering.maxRate),
      onNote,
    ));
    this.head = new SourceHead(source, journal, undefined, (tookMs, head) => {
      throttle.sourceAnswered(tookMs, head);
    });
    this.leases = new LeaseKeeper(source, target, {
      told: this.retries.of(new Lasting(LEASES_NOT_KEPT, onNote)),
      onTrouble: ({ message, hint }) => {
        onNote(`${message}. ${hint ?? ''}`, true);
      },
    });
    this.targetTrouble = new TargetTrouble(onNote);
    const { retries } = this;
    this.compactions = new Compactions(
      { ...o, retries },
      this.head,
      () => this.position,
      () => this.standby?.active ?? true,
    );
    const peers = (this.#peers = o.peers && new Peers(target, o.peers));
    this.ways = new Ways({ open: peers && (() => peers.open()), onNote });
    const last = until.kind === 'revision' ? until.revision : undefined;
    const ours = new EtcdTarget(target);
    this.applier = new Applier(ours, new JournalFeed(journal, last), {
      ...this.#identity,
      ways: this.ways,
      throttle,
      gap: () => journal.state.gap,
      ensureLeases: (whole) => this.leases.ensure(whole),
      onRetry: (error) => {
        retries.count(error);
        if (error.side === 'source') this.#heldUp = { error, at: this.applier.position };
        else if (error.code !== 'PEER_PORT') this.#targetFailed(error);
      },
      onStock: (stock) => this.#tookStock(stock),
      onOwner: () => this.standby?.hasBegun(),
    });
    this.standby =
      o.standby &&
      new Standby({
        ...{ afterMs: o.standby.afterSeconds * 1000, onNote },
        ...{ applier: this.applier, target: ours, identity: this.#identity, journal },
        ...{ head: this.head, trouble: this.targetTrouble },
        failed: (error) => {
          this.#lookFailed(error);
        },
        onTurnOver: () => {
          this.leases.end();
        },
      });
  }

  /** The target's head as far as it is known; undefined before it was read. */
  get position(): Position | undefined {
    const { standby, applier } = this;
    return standby && !standby.active ? standby.position : applier.position;
  }

  /** Ends when `until` is fulfilled or `signal` aborts, after the write that is under way. */
  async run(limits: WatchLimits, signal: AbortSignal): Promise<void> {
    const reached = new AbortController();
    await runTogether(AbortSignal.any([signal, reached.signal]), [
      // Source ─► journal.
      (stop) => this.#capture(limits, stop),
      // Journal ─► target.
      (stop) => this.#apply(stop),
      // Beside them.
      (stop) => this.head.run(stop, this.retries.of(new Lasting(HEAD_UNKNOWN, this.o.onNote))),
      (stop) => this.leases.run(stop),
      (stop) => this.compactions.run(stop),
      (stop) => this.#pollTarget(stop),
      (stop) => this.space.run(stop),
      // How it ends.
      async (stop) => {
        if (await this.#reaches(stop)) reached.abort();
      },
    ]);
  }

  async #apply(signal: AbortSignal): Promise<void> {
    try {
      await (this.standby ? this.standby.takeTurns(signal) : this.applier.run(signal));
    } finally {
      this.#peers?.close();
    }
  }

  async #tookStock(stock: Stock): Promise<void> {
    this.standby?.mayWrite(stock);
    await this.head.refuseAhead(stock.position);
    this.leases.begin();
    this.targetTrouble.answered(stock.position);
  }

  /** Why the source keeps the target waiting where it stands. */
  get heldUp(): LockstepError | undefined {
    return this.#heldUp?.at === this.applier.position ? this.#heldUp?.error : undefined;
  }

  /** From where the journal stands; what the source has lost behind that is bridged, if it may be. */
  async #capture(limits: WatchLimits, signal: AbortSignal): Promise<void> {
    const { sourceWatch, journal, repair = false, onNote } = this.o;
    const bridge = async () => this.intake.bridge(signal);
    const captured$ = capture$(sourceWatch, journal, {
      ...{ limits, signal, onNote, told: this.retries.of(this.intake) },
      bridge: repair ? bridge : undefined,
    });
    await lastValueFrom(captured$, { defaultValue: undefined });
  }

  async #pollTarget(signal: AbortSignal): Promise<void> {
    if (this.standby) {
      await this.standby.watch(signal);
      return;
    }
    const { target, journal } = this.o;
    const look = {
      ...{ target, identity: this.#identity, trouble: this.targetTrouble },
      position: () => this.applier.position,
      journalPosition: () => journal.position,
      heard: (tookMs: number) => {
        this.throttle.targetAnswered(tookMs);
      },
      failed: (error: LockstepError) => {
        this.#lookFailed(error);
      },
    };
    await pollTarget(look, signal);
  }

  #lookFailed(error: LockstepError): void {
    this.retries.count(error);
    if (error.side !== 'source') this.#targetFailed(error);
  }

  #targetFailed(error: LockstepError): void {
    this.targetTrouble.failed(error, this.position);
    if (hasCode(error, 'NO_LEASE')) this.leases.forget();
  }

  /** @returns whether it has come to its end; false where only `signal` ends it */
  async #reaches(signal: AbortSignal): Promise<boolean> {
    const { until, journal } = this.o;
    while (!signal.aborted && until.kind !== 'signal') {
      // The journal has its say about where the target stands.
      const position = Math.min(this.position ?? 0, journal.position);
      const goal = until.kind === 'revision' ? until.revision : this.head.lag.head;
      const there = this.targetTrouble.reachable && position >= goal;
      if (there && !this.compactions.owesGap) return true;
      await pause(UNTIL_POLL_MS, signal);
    }
    return false;
  }
}
