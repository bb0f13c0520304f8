/**
 * mirror: a prefix of the source ─► any live target, until told to stop.
 *
 *     claim the cursor ─► survey the target ─► compare, where that is needed ─► tail
 *                              ▲                                                │
 *                              └── history lost, a lease that ran out there, ───┘
 *                                  a batch that is too large for it (refused.ts)
 *
 * A mirror keeps values, leases and deletions; it does not keep revisions, which is why its target may
 * serve others, too. The position lies in the target, in a cursor that moves with the data
 * (writer.ts). Whether the watch can go on from there, or both sides have to be compared, is told by
 * the names of the keys in the target (look.ts).
 */
import { repeat, untilAnswered } from '../async/again.js';
import { Lasting, type OnNote } from '../async/patience.js';
import { Retries } from '../async/retries.js';
import { runTogether } from '../async/together.js';
import { TroubleClock } from '../async/trouble.js';
import { hasCode, LockstepError, passes } from '../errors.js';
import { LeaseKeeper, LEASES_NOT_KEPT } from '../leases/keeper.js';
import { HEAD_UNKNOWN, SOURCE_SILENT, SourceHead } from '../lockstep/sourcehead.js';
import type { Revision } from '../mvcc/revision.js';
import { damagedNotes } from '../source/damaged.js';
import { fullWatchNote, watchLimits, type WatchLimits } from '../source/limits.js';
import { refuseEmpty } from '../source/nokeys.js';
import type { EtcdClient, ServerStatus } from '../wire/client.js';
import { BATCH_BYTES, type Limits } from './batch.js';
import { overlapWarning, refuseLockstep, refusePrune, refuseRev, refuseSelf } from './checks.js';
import { Health } from './health.js';
import type { KeyMap } from './keymap.js';
import { Look, type CursorVerdict } from './look.js';
import { Comparison } from './mirrorbase.js';
import {
  mirrorFormat,
  mirrorKey,
  NO_KEYS,
  tallyOf,
  type MirrorState as CursorState,
} from './mirrorcursor.js';
import type { MirrorPhase, MirrorStatus } from './mirrorstatus.js';
import { NameSink } from './namesink.js';
import { BatchRefused } from './refused.js';
import { Tail } from './tail.js';
import { Writer } from './writer.js';

export interface MirrorOptions {
  /** A connection for the watch alone, and one for everything else. */
  sourceWatch: EtcdClient;
  source: EtcdClient;
  target: EtcdClient;
  map: KeyMap;
  /** The first revision to be mirrored, without what was there before; a cursor outweighs it. */
  rev?: Revision;
  maxTxnOps: number;
  /** One that is new may begin where the source has none of the keys. */
  allowEmpty?: boolean;
  /** Removes keys of the target's prefix that the source does not have. */
  prune: boolean;
  /** Ends when the target has what the source had when the base was there. */
  untilSynced: boolean;
  /** Called for each key that is only on the target and stays. */
  onForeign?: (name: Buffer) => void;
  onNote: OnNote;
  signal: AbortSignal;
}

const POLL_TARGET_MS = 2000;
/** So many foreign keys are named in the log, no more. */
const MAX_NAMED = 5;

export class Mirror {
  readonly #options: MirrorOptions;
  readonly #health: Health;
  readonly #trouble = new TroubleClock();
  readonly #retries = new Retries();
  readonly #look: Look;
  readonly #done = new AbortController();
  #parts: Parts | undefined;
  #limits: WatchLimits | undefined;
  #comparison: Comparison | undefined;
  #tail: Tail | undefined;
  #sourceAnswered = false;
  #revisions = 0;
  /** Where it ends; undefined: not known yet, or never. */
  #until: Revision | undefined;
  /** Aborts to have the target surveyed again. */
  #again = new AbortController();

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#health = new Health(options.onNote);
    this.#look = new Look(options);
  }

  get status(): MirrorStatus {
    const position = this.#tail?.position;
    const lag = position === undefined ? undefined : this.#parts?.head.lag.behind(position);
    const trouble = this.#waitsFor(lag?.revisions);
    const { source, target } = this.#options;
    return {
      state: this.#phase(),
      clusters: { source: source.clusterId ?? null, target: target.clusterId ?? null },
      position: position ?? null,
      sourceHead: this.#parts?.head.lag.head ?? 0,
      lagRevisions: lag?.revisions ?? null,
      lagSeconds: lag?.seconds ?? null,
      caughtUpAt: this.#parts?.head.lag.caughtUpAt ?? null,
      comparing: this.#comparison ? { ...this.#comparison.progress } : null,
      ...(this.#parts?.writer.written ?? { transactions: 0, puts: 0, deletions: 0, bytes: 0 }),
      revisions: this.#revisions + (this.#tail?.revisions ?? 0),
      foreign: this.#parts?.writer.claimed?.foreign.keys ?? 0,
      leases: this.#parts?.leases.kept ?? null,
      retries: this.#retries.list,
      trouble: this.#trouble.told(trouble),
    };
  }

  /**
   * Ends when `signal` aborts, after the write that is under way, or with `untilSynced`.
   * @throws LockstepError for what only a person can mend; what is refused at its start (checks.ts)
   *   has changed nothing
   */
  async run(): Promise<void> {
    const { prune, map, signal } = this.#options;
    if (prune) refusePrune(map);
    try {
      await this.#run();
    } catch (error) {
      // What was asked just then has been given up with it.
      if (!signal.aborted || !passes(error)) throw error;
    }
  }

  async #run(): Promise<void> {
    const { source, target, map, onNote, signal } = this.#options;
    const answered = source.status().then((status) => {
      this.#sourceAnswered = true;
      return status;
    });
    const [from, to] = await Promise.all([answered, target.status()]);
    await refuseSelf({ ...from, client: source }, { ...to, client: target }, map);
    await refuseLockstep(target);
    const parts = (this.#parts = this.#assemble(from));
    try {
      await this.#begin(parts);
      onNote(`mirroring ${map.toString()}`);
      const limits = this.#watchLimits(from.version);
      if (!limits.progressIsProof) onNote(fullWatchNote(from.version));
      for (const note of await damagedNotes(source)) onNote(note, true);
      await runTogether(AbortSignal.any([signal, this.#done.signal]), [
        (stop) => this.#mirror(parts, from, stop),
        (stop) => parts.leases.run(stop),
        (stop) => parts.head.run(stop, this.#retries.of(new Lasting(HEAD_UNKNOWN, onNote))),
        (stop) => this.#pollTarget(parts.writer, stop),
      ]);
    } catch (error) {
      throw hasCode(error, 'SOURCE_CHANGED') ? otherHistory(error, parts.key) : error;
    }
  }

  /** The same ones for each tail: what a watch has shown stays known. */
  #watchLimits(version: string): WatchLimits {
    return (this.#limits ??= watchLimits(version));
  }

  #assemble(from: ServerStatus): Parts {
    const { source, target, map, maxTxnOps } = this.#options;
    const key = mirrorKey(from.clusterId, map);
    const leases = new LeaseKeeper(source, target, {
      told: this.#retries.of(new Lasting(LEASES_NOT_KEPT, this.#options.onNote)),
      list: () => this.#look.leases(),
      isOurs: (name) => map.isTargets(name),
      onGone: (lease) => {
        this.#leaseGone(lease);
      },
      onTrouble: ({ message, hint }) => {
        this.#options.onNote(`${message}. ${hint ?? ''}`, true);
      },
    });
    const { prefix, destPrefix } = map;
    const writer = new Writer({
      ...{ target, key, maxTxnOps, leases },
      format: mirrorFormat(key, { source: from.clusterId, prefix, destPrefix }),
      onRetry: (error) => {
        this.#failed(error);
      },
      onWritten: (mod) => {
        this.#health.answered(mod);
      },
    });
    const known = () => this.#tail?.position ?? writer.claimed?.revision ?? 0;
    const captured = {
      get position() {
        return known();
      },
      state: { clusterId: from.clusterId, prefixes: map.prefixes.list },
    };
    const head = new SourceHead(source, captured, map.sourceRange.key);
    head.lag.saw(from.head);
    return { key, leases, writer, head };
  }

  /** Everything that may be refused, and then the claim. */
  async #begin({ writer, key }: Parts): Promise<void> {
    const { source, target, map, rev, allowEmpty = false, onNote } = this.#options;
    const { cursor } = await writer.read();
    if (!cursor && !allowEmpty) await refuseEmpty(source, map.prefixes.list);
    const warning = await overlapWarning(target, key, map);
    if (!cursor && rev !== undefined) await refuseRev(source, rev, map.sourceRange.key);
    if (warning !== undefined) onNote(warning, true);
    if (cursor && rev !== undefined)
      onNote(`the target has a cursor of this mirror: going on from there, not from --rev ${rev}`);
    // Nothing is known of a target that is not compared; of one that is new, that nothing is ours.
    const first: CursorState =
      rev === undefined
        ? { revision: null, ours: NO_KEYS, foreign: NO_KEYS }
        : { revision: rev - 1, ours: null, foreign: NO_KEYS };
    await writer.claim(first);
  }

  async #mirror(parts: Parts, from: ServerStatus, signal: AbortSignal): Promise<void> {
    const { onNote } = this.#options;
    const limits: Limits = { ops: this.#options.maxTxnOps, bytes: BATCH_BYTES };
    let why: string | undefined;
    while (!signal.aborted) {
      try {
        why = await this.#round(parts, from, { limits, why }, signal);
        if (why === undefined) break;
        onNote(`${why}: comparing both sides`);
      } catch (error) {
        if (!(error instanceof BatchRefused)) throw error;
        this.#tail = undefined;
        limits.bytes = Math.floor(error.bytes / 2);
        onNote(
          `the target refuses a request of ${error.bytes} bytes (its --max-request-bytes): going on with at most ${limits.bytes}`,
        );
      }
    }
    this.#done.abort();
  }

  /**
   * Once through look, comparison and tail.
   * @returns why both sides have to be compared again; undefined where it has come to its end
   * @throws BatchRefused where it has to go on from the cursor with smaller ones
   */
  async #round(
    parts: Parts,
    from: ServerStatus,
    { limits, why }: { limits: Limits; why: string | undefined },
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { writer, leases, head } = parts;
    this.#again = new AbortController();
    const ready = await this.#insist(signal, () => this.#look.take(writer, why, signal));
    if (!ready) return undefined;
    leases.begin();
    if (ready.compare && !(await this.#compare(parts, limits, ready, signal))) return undefined;
    if (this.#options.untilSynced && this.#until === undefined) {
      const asked = await this.#insist(signal, () => head.ask().then(() => true));
      if (!asked) return undefined;
      this.#until = head.lag.head;
    }
    return this.#follow(parts, from, limits, signal);
  }

  /** @returns why both sides have to be compared again; undefined where it has come to its end */
  async #follow(
    { writer }: Parts,
    { clusterId, version }: ServerStatus,
    limits: Limits,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { map, sourceWatch, onNote } = this.#options;
    const again = this.#again.signal;
    const sink = new NameSink(writer);
    const tail = new Tail({
      ...{ watch: sourceWatch, map, sink, limits, clusterId, until: this.#until },
      watchLimits: this.#watchLimits(version),
      told: this.#retries.of(this.#health.watch),
      onNote,
    });
    this.#tail = tail;
    try {
      await tail.run(signal, again);
      if (signal.aborted || !again.aborted) return undefined;
      this.#tail = undefined;
      return String(again.reason);
    } catch (error) {
      if (!hasCode(error, 'HISTORY_GAP')) throw error;
      this.#tail = undefined;
      return `${error.message}, beyond what the target has`;
    } finally {
      this.#revisions += tail.revisions;
      tail.revisions = 0;
    }
  }

  async #compare(
    { writer }: Parts,
    limits: Limits,
    { certainUpTo }: CursorVerdict,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { source, target, map, prune, onForeign, onNote } = this.#options;
    const { ours } = writer.state;
    const named: string[] = [];
    // What --prune removes may be anybody's: after that it is not known what is ours.
    const known = ours !== null && (certainUpTo !== undefined || !prune);
    this.#comparison = new Comparison({
      ...{ source, target, map, writer, limits, prune, certainUpTo, onNote, signal },
      ours: known ? tallyOf(ours) : undefined,
      onForeign: (name) => {
        if (named.length < MAX_NAMED) named.push(name.toString());
        onForeign?.(name);
      },
      onRetry: (error) => {
        this.#failed(error);
      },
    });
    try {
      const pin = await this.#comparison.run();
      if (pin === undefined) return false;
      this.#health.source(undefined);
      const { removed, progress } = this.#comparison;
      const also = removed > 0 ? `; removed ${removed} that the source does not have` : '';
      onNote(`compared ${progress.keys} keys at revision ${pin} of the source${also}`);
      if (progress.keys === 0 && map.prefix !== '')
        onNote(
          `no key of the source begins with ${JSON.stringify(map.prefix)}: is it right?`,
          true,
        );
      const { keys } = writer.state.foreign;
      if (keys > 0) onNote(foreignNote(keys, [...new Set(named)]));
      return true;
    } finally {
      this.#comparison = undefined;
    }
  }

  #leaseGone(lease: bigint): void {
    this.#again.abort(`lease ${lease.toString(16)} has ended on the target`);
  }

  /** Does it until it goes well; undefined where `signal` aborts before. */
  async #insist<T>(signal: AbortSignal, once: () => Promise<T>): Promise<T | undefined> {
    const failed = (error: LockstepError) => {
      this.#failed(error);
    };
    // What ends the trouble of a side is told where its answer is seen.
    const told = { failed, answered: () => undefined };
    return untilAnswered(signal, once, told).catch((error: unknown) => {
      if (signal.aborted) return undefined;
      throw error;
    });
  }

  #failed(error: LockstepError): void {
    this.#retries.count(error);
    this.#health.failed(error, this.#parts?.writer.cursorMod);
  }

  /** While nothing has to be written, nothing else would notice that the target is gone, or taken over. */
  async #pollTarget(writer: Writer<CursorState>, signal: AbortSignal): Promise<void> {
    const look = async () => {
      await writer.check();
      this.#health.answered(writer.cursorMod);
      this.#tail?.nudge();
    };
    const failed = (error: LockstepError) => {
      this.#failed(error);
    };
    await repeat(POLL_TARGET_MS, signal, look, { failed, answered: () => undefined });
  }

  #waitsFor(lagRevisions: number | undefined): LockstepError | undefined {
    const { head, leases } = this.#parts ?? {};
    // The source first, as in the state.
    if (head?.isSilent) return this.#health.sourceTrouble ?? SOURCE_SILENT;
    return leases?.trouble ?? this.#health.trouble(lagRevisions);
  }

  #phase(): MirrorPhase {
    const { head } = this.#parts ?? {};
    if (head ? head.isSilent : !this.#sourceAnswered) return 'waiting for the source';
    if (!head || !this.#health.targetIsWell) return 'waiting for the target';
    if (!this.#tail) return 'comparing';
    return head.lag.caughtUp(this.#tail.position) ? 'mirroring' : 'catching up';
  }
}

/** What there is as soon as the source has said who it is. */
interface Parts {
  key: Buffer;
  leases: LeaseKeeper;
  writer: Writer<CursorState>;
  head: SourceHead;
}

function foreignNote(keys: number, named: readonly string[]): string {
  const more = keys > named.length ? ', …' : '';
  return `${keys} keys of the target's prefix are not in the source and stay: ${named.map((name) => JSON.stringify(name)).join(', ')}${more} (-w json lists all, --prune removes them)`;
}

function otherHistory(error: LockstepError, key: Buffer): LockstepError {
  return error.as({
    code: 'MIRROR_OTHER_SOURCE',
    hint: `Check --endpoints. If the source was restored from a backup, delete ${key.toString()} on the target and start mirror again: it compares both sides.`,
  });
}
