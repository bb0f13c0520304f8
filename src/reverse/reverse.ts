/**
 * The reverse: what is written on the target after a cutover ─► the source, so that a rollback is short.
 *
 *     checks ─► go ─► checks again ─► claim the cursor ─► raise the source's head ─► tail
 *                                          ▲                                          │
 *                                          └── compare both ◄── a history is lost ────┘
 *
 * It is a mirror (mirror/) the other way round, which keeps what a mirror need not:
 *   order    one revision of the target is one of the source, so a client that goes on from any of them
 *            misses none of several objects that would share one
 *   above    each change lands above the revision that it has on the target (margin.ts)
 *   unseen   nothing is written over a late write that was not known (ownwrites.ts, latekeys.ts)
 *
 * Nothing is compared at the start: at the revision of the takeover both sides were proven equal, and the
 * cursor, which moves with the data, says how far the source has come since.
 *
 * It writes to the source alone, and to the target never. Each round claims the cursor anew: then nothing
 * that was sent before can take effect any more. Whoever claims it after us ends us in the same way: a
 * second reverse, or the rollback, which then brings what is left by itself.
 */
import { repeat, untilAnswered } from '../async/again.js';
import { Lasting, type OnNote } from '../async/patience.js';
import { Retries } from '../async/retries.js';
import { beside, runTogether } from '../async/together.js';
import { TroubleClock } from '../async/trouble.js';
import { within } from '../async/within.js';
import { hasCode, LockstepError, passes } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import { LeaseKeeper } from '../leases/keeper.js';
import { LagClock } from '../lockstep/lag.js';
import { BATCH_BYTES, type Limits } from '../mirror/batch.js';
import { Tail } from '../mirror/tail.js';
import { Writer, type CursorFormat } from '../mirror/writer.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import { probeKey, type PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { LateWrites } from '../proof/latewrites.js';
import { askHeads } from '../proof/servedfrom.js';
import { watchLimits } from '../source/limits.js';
import { look, resourcesIn } from '../target/claim.js';
import { CUTOVER_KEY, TargetCutOver, type Phase } from '../target/cutoverstate.js';
import { createIs, modIs } from '../target/txn.js';
import type { EtcdClient } from '../wire/client.js';
import { isOver, refuseStanding, type Standing } from './checks.js';
import { compareBoth } from './comparison.js';
import { LateKeys } from './latekeys.js';
import { Margin } from './margin.js';
import { OwnWrites } from './ownwrites.js';
import { firstState, reverseFormat } from './reverseformat.js';
import { reverseKey, type ReverseState } from '../target/reversecursor.js';
import { ReverseSink } from './reversesink.js';
import { ServingWatch } from './servingwatch.js';
import { SideTrouble } from './sidetrouble.js';
import { Unwatched } from './unwatched.js';
import type { ReversePhase, ReverseStatus } from './reversestatus.js';

/** What somebody who says go has to know. */
export interface ReverseAbout extends Pick<Standing, 'heads' | 'warnings'> {
  prefixes: readonly string[];
}

export interface ReverseOptions {
  /** Connections for calls, and for the watch alone, of each side. */
  source: EtcdClient;
  sourceWatch: EtcdClient;
  target: EtcdClient;
  targetWatch: EtcdClient;
  /** As somebody believes them to be; undefined: those of the cutover. */
  prefixes?: PrefixSet | undefined;
  /** Those that must not serve from the source; none: not looked at. */
  apiservers: readonly ApiServer[];
  /** Revisions that the source's head is kept above the target's. */
  margin: number;
  maxTxnOps: number;
  /** Ends when the source has what the target had at this revision; undefined: goes on. */
  until?: Revision | undefined;
  /** Asked before anything is written. @throws LockstepError NO_GO */
  go: (about: ReverseAbout) => Promise<void>;
  /** Of the rollback itself, which has checked all and was given its go: brings what is left. */
  rollback?: (Bounds & { night: { check: () => Promise<unknown> } }) | undefined;
  /** Late writes, and an apiserver that serves from the source again. */
  onAlarm: (alarm: string) => void;
  onNote: OnNote;
  signal: AbortSignal;
}

/** How it shows that the cursor is another's, or that it was taken off. */
const ENDED = ['TARGET_CUT_OVER', 'TARGET_TAKEN_OVER', 'TARGET_HEAD_OFF'] as const;
const POLL_MS = 500;
/** Of a rollback, which has the night: so long a reverse that sees that with its next poll may still write. */
const CLAIM_MS = 3000;
const CHECK_MS = 2000;
const SILENT_SECONDS = 3;
/** The source is asked less often than the target. */
const SOURCE_SILENT_SECONDS = SILENT_SECONDS + CHECK_MS / 1000;
const LEASES_NOT_KEPT = 'leases on the source are not refreshed';

export class Reverse {
  readonly #lag = new LagClock();
  /** How far the watch for late writes is behind the source's head. */
  readonly #lateLag = new LagClock();
  readonly #retries = new Retries();
  readonly #trouble = new TroubleClock();
  readonly #done = new AbortController();
  readonly #late: LateKeys;
  readonly #source: SideTrouble;
  readonly #target: SideTrouble;
  #parts: Parts | undefined;
  #tail: Tail | undefined;
  #watch: LateWrites | undefined;
  readonly #unwatched = new Unwatched();
  #comparing: { keys: number } | undefined;
  #standing: Bounds | undefined;
  #endedBy: Phase | undefined;
  #raised = false;
  #revisions = 0;

  constructor(private readonly o: ReverseOptions) {
    this.#late = new LateKeys(o.onAlarm);
    this.#source = new SideTrouble(this.#retries, o.onNote);
    this.#target = new SideTrouble(this.#retries, o.onNote);
  }

  get status(): ReverseStatus {
    const { source, target } = this.o;
    const { writer, margin, leases } = this.#parts ?? {};
    const position = this.#tail?.position ?? writer?.claimed?.revision;
    const lag = position === undefined ? undefined : this.#lag.behind(position);
    const { stored, prefixes } = this.#standing ?? {};
    const heads = margin?.heads ?? this.#standing?.heads;
    const sourceHead = Math.max(heads?.source ?? 0, writer?.cursorMod ?? 0);
    const targetHead = Math.max(this.#lag.head, position ?? 0);
    return {
      state: this.#phase(position),
      clusters: { source: source.clusterId ?? null, target: target.clusterId ?? null },
      prefixes: [...(prefixes?.list ?? [])],
      exact: stored?.exact ?? null,
      position: position ?? null,
      sourceHead,
      targetHead,
      margin: heads ? sourceHead - Math.max(heads.target, targetHead) : null,
      lagRevisions: lag?.revisions ?? null,
      lagSeconds: lag?.seconds ?? null,
      caughtUpAt: this.#lag.caughtUpAt ?? null,
      comparing: this.#comparing ? { ...this.#comparing } : null,
      lateWrites: this.#late.state,
      lateSeen: this.#unwatched.after ?? this.#watch?.position ?? null,
      lateSeenSeconds: this.#watch ? this.#lateLag.behind(this.#watch.position).seconds : null,
      ...(writer?.written ?? { transactions: 0, puts: 0, deletions: 0, bytes: 0 }),
      revisions: this.#revisions + (this.#tail?.revisions ?? 0),
      leases: leases?.kept ?? null,
      endedBy: this.#endedBy ?? null,
      retries: this.#retries.list,
      trouble: this.#trouble.told(this.#source.error ?? this.#target.error),
    };
  }

  /**
   * Ends when `signal` aborts, behind the write that is under way; with `until`; and quietly when a rollback
   * or a retire has begun.
   * @throws LockstepError what {@link refuseStanding} refuses, with nothing changed; TARGET_TAKEN_OVER where
   *   another one runs, NO_GO, NO_SPACE, PERMISSION, …
   */
  async run(): Promise<void> {
    const { signal } = this.o;
    try {
      const standing = (this.#standing = this.o.rollback ?? (await this.#allowed()));
      this.#lag.saw(standing.heads.target);
      await this.#run(standing);
    } catch (error) {
      // What was asked just then has been given up with it.
      const givenUp = error instanceof Error && error.name === 'AbortError';
      if (signal.aborted && (passes(error) || givenUp || error === signal.reason)) return;
      if (!(await this.#endsQuietly(error))) throw error;
    }
  }

  /** Looked at before go, and again behind it. */
  async #allowed(): Promise<Standing> {
    const { source, target, apiservers, prefixes: expected, go } = this.o;
    const checks = { source, target, apiservers, prefixes: expected };
    const { warnings, heads, prefixes } = await refuseStanding(checks);
    await go({ warnings, heads, prefixes: prefixes.list });
    return refuseStanding(checks);
  }

  async #run(standing: Bounds): Promise<void> {
    const { source, target, signal } = this.o;
    const [from, to] = await Promise.all([target.status(), source.status()]);
    const parts = (this.#parts = this.#assemble(standing, from.clusterId));
    const sides = { target: from, source: to };
    await runTogether(AbortSignal.any([signal, this.#done.signal]), [
      (stop) => this.#rounds(parts, standing, sides, stop),
      (stop) => parts.leases.run(stop),
      (stop) => this.#pollTarget(standing, stop),
      (stop) => this.#pollSource(parts, stop),
      (stop) => this.#serving(standing).run(stop),
    ]);
  }

  #assemble({ stored, prefixes }: Bounds, clusterId: string): Parts {
    const { source, target, maxTxnOps, onNote, margin } = this.o;
    const key = reverseKey(prefixes);
    const leases = new LeaseKeeper(target, source, {
      told: this.#retries.of(new Lasting(LEASES_NOT_KEPT, onNote)),
      // Of the target, which has no others: the source's may be many, and the rest of the cluster's.
      list: () => target.leases(),
      isOurs: (name) => prefixes.covers(name),
      onTrouble: () => {
        onNote(
          `${LEASES_NOT_KEPT}: it takes the refreshes and answers none. Is there a proxy?`,
          true,
        );
      },
    });
    const own = new OwnWrites({
      ...{ source, key, prefixes },
      onWrote: (name, at) => {
        this.#late.overwritten(name, at);
      },
    });
    const { exact, state } = stored;
    const format = reverseFormat(key, { target: clusterId, exact, prefixes: state.prefixes });
    const writer = new Writer({
      ...{ target: source, key, maxTxnOps, leases, conditions: own },
      format,
      onRetry: (error) => {
        this.#source.failed(error);
      },
      onWritten: () => {
        this.#source.answered();
      },
    });
    const created = { revision: 0 };
    const raising = new Margin({
      ...{ source, margin, tell: this.#source },
      heads: () => askHeads(source, target, probeKey(prefixes)),
      guard: () => [createIs(key, created.revision)],
    });
    return { key, leases, own, format, writer, margin: raising, created };
  }

  #serving({ stored, prefixes }: Bounds): ServingWatch {
    const { source, target, apiservers, onAlarm, onNote } = this.o;
    return new ServingWatch({
      ...{ apiservers, resources: resourcesIn(stored), onAlarm, onNote },
      ...{ retries: this.#retries, tell: this.#source },
      heads: () => askHeads(source, target, probeKey(prefixes)),
    });
  }

  async #rounds(
    parts: Parts,
    { stored, prefixes }: Bounds,
    sides: Sides,
    signal: AbortSignal,
  ): Promise<void> {
    const { onNote } = this.o;
    let lost: LockstepError | undefined;
    const isOver = () => signal.aborted;
    while (!isOver()) {
      // Not behind the last one: what that has come to is what the end is told by.
      this.#revisions += this.#tail?.revisions ?? 0;
      this.#tail = undefined;
      await this.#claim(parts, firstState(stored.exact), signal);
      if (!this.#raised) await this.#raise(parts, signal);
      parts.leases.begin();
      const { seen, comparing } = parts.writer.state;
      const gone = lost?.side === 'source';
      // What this run knows by name goes as far as its own watch, and further than the cursor says.
      const known = this.#watch?.position ?? seen;
      const after = gone ? await this.#skip(prefixes, signal) : known;
      const compare = lost !== undefined || comparing;
      try {
        await this.#round(parts, prefixes, sides, { after, compare }, signal);
        lost = undefined;
        if (!isOver()) break;
      } catch (error) {
        if (!hasCode(error, 'HISTORY_GAP')) throw error;
        if (isOver()) break;
        lost = error;
        onNote(`${error.message}, beyond what is known of it: comparing both sides`, true);
      }
    }
    this.#done.abort();
  }

  /** The source's history is lost up to its head: the watch goes on from there. */
  async #skip(prefixes: PrefixSet, signal: AbortSignal): Promise<Revision> {
    const ask = () => this.o.source.head(probeKey(prefixes));
    const { revision } = await untilAnswered(signal, ask, this.#source);
    this.#unwatched.add(this.#watch?.position ?? 0, revision);
    return revision;
  }

  async #claim(
    { writer, key, created, format }: Parts,
    first: ReverseState,
    signal: AbortSignal,
  ): Promise<void> {
    const { source, rollback } = this.o;
    const isFirst = !writer.claimed;
    if (!isFirst) await untilAnswered(signal, () => writer.check(), this.#source);
    const claim = async () => {
      if (rollback) await within(CLAIM_MS, signal, (until) => writer.claim(first, until));
      else await writer.claim(first);
      await this.#refuseOver(writer, key);
    };
    await untilAnswered(signal, claim, this.#source);
    const { header, rows } = await untilAnswered(signal, () => source.few({ key }), this.#source);
    // A guard by what is not there would hold for as long as it stays away.
    if (!rows[0]) throw format.lost('gone', header.revision);
    created.revision = parseKeyValue(rows[0]).createRevision;
    if (isFirst) this.#late.restore(writer.state.late);
  }

  /**
   * Behind the claim, once more. A rollback takes the night first and the cursor then: one that has not met this
   * claim is met here, however late it took effect. That holds for a rollback that has stood still, too: another
   * one may have ended the night, and clients write to the source. Where there was a cursor it stays, with what it
   * says of the source: whoever has both etcds in hand reads it, and takes it off in the end.
   */
  async #refuseOver({ cursorMod }: Writer<ReverseState>, key: Buffer): Promise<void> {
    const { source, target, rollback } = this.o;
    const exact = this.#standing?.stored.exact;
    try {
      await rollback?.night.check();
      if (rollback) return;
      const { stored } = await look(target);
      if (!isOver(stored.state.phase) && stored.exact === exact) return;
      throw new TargetCutOver(stored);
    } catch (error) {
      if (hasCode(error, 'TARGET_CUT_OVER', 'TARGET_NOT_OURS', 'OTHER_RUN')) {
        const made = [modIs(key, cursorMod), createIs(key, cursorMod)];
        const success = [{ requestDeleteRange: { key } }];
        await source.txn({ compare: made, success });
      }
      throw error;
    }
  }

  async #raise({ margin }: Parts, signal: AbortSignal): Promise<void> {
    await untilAnswered(signal, () => margin.keepUp(signal), this.#source);
    signal.throwIfAborted();
    this.#raised = true;
    this.#lateLag.saw(margin.heads?.source ?? 0);
  }

  /** Once: the watch for late writes, and beside it what is brought. */
  async #round(
    { own, writer, margin }: Parts,
    prefixes: PrefixSet,
    sides: Sides,
    { after, compare }: { after: Revision; compare: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const { sourceWatch, onNote } = this.o;
    const watch: LateWrites = (this.#watch = new LateWrites({
      ...{ client: sourceWatch, clusterId: sides.source.clusterId, prefixes, after, onNote },
      tell: this.#source,
      isOwn: (whole) => own.isOwn(whole),
      onWrite: (write, name) => {
        this.#late.found(write, own.wroteAbove(name, write.revision));
      },
    }));
    const seen = () => this.#unwatched.after ?? watch.position;
    const sink = new ReverseSink({ writer, margin, late: this.#late, seen });
    await beside(signal, [(stop) => watch.run(stop)], async (stop) => {
      own.begin(watch, stop);
      if (compare && !(await this.#compare(prefixes, sink, own, stop))) return;
      await this.#follow(prefixes, sink, sides.target, stop);
      if (stop.aborted) return;
      // Who has waited for this end relies on what the cursor says of late writes.
      await watch.passed(stop);
      if (sink.isBehind(sink.position))
        await sink.commit({ records: [], position: sink.position }, stop);
    });
  }

  async #compare(
    prefixes: PrefixSet,
    sink: ReverseSink,
    own: OwnWrites,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { source, target, onNote } = this.o;
    const progress = (this.#comparing = { keys: 0 });
    const isUnseen = async (name: Buffer, mod: Revision) =>
      this.#unwatched.has(mod) && !(await own.wasOurs(name, mod));
    const once = async () =>
      compareBoth({
        ...{ source, target, prefixes, sink, isUnseen, onNote, signal, late: this.#late },
        onCompared: () => {
          this.#unwatched.close();
        },
        onProgress: (keys) => {
          progress.keys = keys;
        },
      });
    try {
      const pin = await untilAnswered(signal, once, this.#source);
      if (pin === undefined) return false;
      onNote(
        `compared ${progress.keys} keys: the source has what the target had at revision ${pin}`,
      );
      return true;
    } finally {
      this.#comparing = undefined;
    }
  }

  async #follow(
    prefixes: PrefixSet,
    sink: ReverseSink,
    { clusterId, version }: Sides['target'],
    signal: AbortSignal,
  ): Promise<void> {
    const { targetWatch, until, onNote } = this.o;
    // One revision, one transaction: with the cursor there is room for one key more, or it goes alone.
    const limits: Limits = { ops: 2, bytes: BATCH_BYTES };
    this.#tail = new Tail({
      ...{ watch: targetWatch, map: { prefixes, record: (r) => r }, sink, limits },
      ...{ watchLimits: watchLimits(version), clusterId, until, told: this.#target, onNote },
    });
    await this.#tail.run(signal, signal);
  }

  /** How far the cutover is, and the target's head. */
  async #pollTarget({ stored }: Bounds, signal: AbortSignal): Promise<void> {
    const { target, rollback } = this.o;
    const once = async () => {
      const seen = await look(target);
      this.#lag.saw((await target.head(CUTOVER_KEY)).revision);
      const over = !rollback && isOver(seen.stored.state.phase);
      if (over || seen.stored.exact !== stored.exact) throw new TargetCutOver(seen.stored);
    };
    await repeat(POLL_MS, signal, once, this.#target);
  }

  /** While nothing has to be written, nothing else would notice that the cursor is another's. */
  async #pollSource({ writer, margin }: Parts, signal: AbortSignal): Promise<void> {
    const once = async () => {
      if (!writer.claimed || !this.#raised) return;
      await writer.check();
      this.#tail?.nudge();
      await margin.keepUp(signal);
      this.#lateLag.saw(margin.heads?.source ?? 0);
    };
    await repeat(CHECK_MS, signal, once, this.#source);
  }

  /** Others have both etcds in hand, as they should. */
  async #endsQuietly(error: unknown): Promise<boolean> {
    if (!this.#standing || !hasCode(error, ...ENDED)) return false;
    const { onNote, target } = this.o;
    const { stored } =
      error instanceof TargetCutOver ? { stored: error.cutover } : await look(target);
    const { phase } = stored.state;
    if (!isOver(phase)) return false;
    this.#endedBy = phase;
    onNote(`the way back is not kept open any more: the cutover is ${phase}`);
    return true;
  }

  #phase(position: Revision | undefined): ReversePhase {
    if (this.#endedBy) return 'over';
    if (!this.#raised) return 'raising the source';
    if (this.#source.error || this.#lateLag.silence() > SOURCE_SILENT_SECONDS)
      return 'waiting for the source';
    if (this.#target.error || this.#lag.silence() > SILENT_SECONDS) return 'waiting for the target';
    if (this.#comparing || !this.#tail || position === undefined) return 'comparing';
    const isThere =
      this.#lag.caughtUp(position) && this.#lateLag.caughtUp(this.#watch?.position ?? 0);
    return isThere ? 'the way back is open' : 'catching up';
  }
}

type Bounds = Pick<Standing, 'stored' | 'prefixes' | 'heads'>;
type Sides = Record<'source' | 'target', { clusterId: string; version: string }>;

/** What there is as soon as both have said who they are. */
interface Parts {
  key: Buffer;
  leases: LeaseKeeper;
  own: OwnWrites;
  format: CursorFormat<ReverseState>;
  writer: Writer<ReverseState>;
  margin: Margin;
  /** Of the cursor. */
  created: { revision: Revision };
}
