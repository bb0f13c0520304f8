/**
 * The journal: a small MVCC store of our prefixes between source and sinks. What its readers may count on
 * is log.ts; here is how it is kept.
 *
 * It holds every row that is live at its compact revision and every row above that, up to its
 * position. So a base can be sealed from it at any time, and the follower can feed a target that was
 * down for longer than the source keeps its history.
 *
 * Rows and the position that they prove are written in one batch: a crash leaves both or neither.
 * Batches of the stream are not fsynced. A power cut may take the last ones away together with
 * their position, and they are then read from the source again; that the target may be ahead of the
 * journal is no contradiction, because where apply stands is read from the target. So a small batch is
 * shown to readers while LevelDB still writes it: a pod is sooner at the target, and after kill -9 it is
 * as after that power cut. Not what bridges a gap: bridged again, it would be another history, so it is
 * fsynced before anybody reads it.
 *
 * Rows of the base lie in runs beside LevelDB (runs.ts), all else in it. They all lie below `watchFrom`, what
 * came by the watch from there on.
 *
 * Nothing that is read is believed: rows carry checks, captured revisions are linked, and the mark
 * that is written with every batch counts and sums all rows (layout.ts). A byte that changed on disk
 * is JOURNAL_DAMAGED, or an earlier moment of the journal as a whole.
 *
 * Tried and dropped: marks "row P is superseded at M" written with each event, which compaction
 * would only have to collect. Base pages and events come in at the same time and in any order, so
 * the mark needs a read for each event. One scan of the index for each compaction (about 200,000
 * rows a second, every five minutes) needs none.
 */
import { existsSync, rmSync } from 'node:fs';
import { Wakeup } from '../async/wakeup.js';
import type { LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { PrefixSet } from '../mvcc/prefix.js';
import type { Record, WholeRevision } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { Tally } from '../mvcc/tally.js';
import { proven, type Position } from '../position.js';
import { compactRows } from './compaction.js';
import { JournalReader } from './journalreader.js';
import * as layout from './layout.js';
import {
  damaged,
  ioFailed,
  notOurs,
  notSeeded,
  openLevel,
  refuseOther,
  removeFiles,
  sizeOf,
  unreadable,
  type Level,
} from './level.js';
import type { JournalRevision, RevisionLog } from './log.js';
import { RecentRevisions } from './recent.js';
import { checkWhole, Joiner, putBaseRow, putRow, RowSum, type RowBatch } from './rowbatch.js';
import type { RunBuffer } from './runbuffer.js';
import { Runs } from './runs.js';
import type { BaseProgress, Gap, JournalState } from './state.js';

const FORMAT = 4;

/**
 * Of what {@link Journal.revisions} yields at once. With a megabyte it takes half as much processor time
 * again: so much outlives its use and has to be moved by the garbage collector.
 */
const BATCH_BYTES = 64 * 1024;

/** A larger batch is read when it is written: where so much comes at once, no millisecond counts. */
const SHOWN_RECORDS = 64;
const SHOWN_BYTES = 128 * 1024;

/** Where a bridge over a gap keeps its plan (base/bridge.ts). */
export function scratchOf(directory: string): string {
  return `${directory}.bridge`;
}

/** Gigabytes, perhaps, that a killed bridge has left. The journal is locked, so nobody is at it. */
function removeScratch(directory: string): void {
  rmSync(scratchOf(directory), { recursive: true, force: true });
}

/** A row as a base has it; its sub is told by the rows before it. */
export type StoredRow = Omit<Record, 'sub'>;

export class Journal implements RevisionLog {
  readonly appended = new Wakeup();
  readonly #db: Level;
  readonly #runs: Runs;
  readonly #reader: JournalReader;
  readonly #recent: RecentRevisions;
  #state: JournalState;
  #mark: layout.Mark;
  /** What readers are shown, at least the mark; and what of it is not written yet. */
  #shown: Pick<layout.Mark, 'position' | 'lastRevision'>;
  #unwritten: readonly JournalRevision[] = [];
  #appendedBytes = 0;
  /** Writes stand in line: each builds on the mark that the one before has left. */
  #lastWrite: Promise<void> = Promise.resolve();
  #lastBase: Promise<void> = Promise.resolve();
  /** Runs of which the last compaction has seen that every row counts. */
  #whole: ReadonlySet<number> = new Set();
  /** What is written behind half a record, LevelDB may skip together with it when it reads its log. */
  #failed: LockstepError | undefined;

  private constructor(
    readonly directory: string,
    db: Level,
    state: JournalState,
    mark: layout.Mark,
  ) {
    this.#db = db;
    this.#runs = new Runs(directory, state.runs);
    this.#reader = new JournalReader(directory, db, this.#runs);
    this.#recent = new RecentRevisions(mark.position);
    this.#state = state;
    this.#mark = mark;
    this.#shown = mark;
  }

  /** Whether `directory` holds a journal. */
  static exists(directory: string): boolean {
    return existsSync(`${directory}/CURRENT`);
  }

  /**
   * A new, empty journal.
   * @throws LockstepError JOURNAL_OTHER if something else lies in `directory`, JOURNAL_LOCKED, IO
   */
  static async create(
    directory: string,
    identity: { clusterId: string; prefixes: PrefixSet },
    start: { watchFrom: Revision; base: BaseProgress; compactRevision: Revision },
  ): Promise<Journal> {
    if (existsSync(directory)) refuseOther(directory);
    const db = await openLevel(directory, true);
    removeScratch(directory);
    failpoint('journal.create.half');
    const { clusterId, prefixes } = identity;
    const state = {
      format: FORMAT,
      clusterId,
      prefixes: [...prefixes.list],
      runs: 0,
      gap: null,
      ...start,
    };
    const mark = { position: start.watchFrom - 1, lastRevision: 0, rows: 0, sum: 0n };
    const journal = new Journal(directory, db, state, mark);
    await journal.#write(() => undefined, { change: (begun) => begun, sync: true });
    return journal;
  }

  /** @throws LockstepError JOURNAL_NOT_SEEDED, JOURNAL_LOCKED, JOURNAL_DAMAGED, IO */
  static async open(directory: string): Promise<Journal> {
    if (!Journal.exists(directory)) throw notSeeded(directory);
    const db = await openLevel(directory, false);
    try {
      removeScratch(directory);
      const stateBytes = await db.get(layout.STATE_KEY);
      const markBytes = await db.get(layout.MARK_KEY);
      if (stateBytes === undefined || markBytes === undefined) {
        for await (const _ of db.keys({ limit: 1 })) throw notOurs(directory);
        throw notSeeded(directory);
      }
      const state = layout.decodeState(stateBytes) as JournalState | undefined;
      const mark = layout.decodeMark(markBytes);
      if (!state || !mark) throw damaged(directory, 'its state is not as it was written');
      if (state.format !== FORMAT)
        throw damaged(directory, `its format is ${state.format}, not ${FORMAT}`);
      return new Journal(directory, db, state, mark);
    } catch (error) {
      await db.close();
      throw unreadable(directory, error);
    }
  }

  get state(): JournalState {
    return this.#state;
  }

  get position(): Position {
    return proven(this.#mark.position);
  }

  get mark(): Pick<layout.Mark, 'position' | 'lastRevision'> {
    return this.#mark;
  }

  get shown(): Pick<layout.Mark, 'position' | 'lastRevision'> {
    return this.#shown;
  }

  /** Bytes of the records that {@link append} has stored since the journal was opened. */
  get appendedBytes(): number {
    return this.#appendedBytes;
  }

  /**
   * Appends whole revisions and the position they prove, as one; one call at a time.
   * @param before `shown`: readers may have them before they are written; `synced`: not before a power cut
   *   leaves them there
   */
  async append(
    revisions: readonly WholeRevision[],
    position: Position,
    before: 'shown' | 'written' | 'synced' = 'written',
  ): Promise<void> {
    failpoint('journal.append.begin');
    if (position < this.#shown.position)
      throw new Error(`position ${position} < ${this.#shown.position}`);
    const linked = linkedTo(this.#shown.lastRevision, revisions);
    const lastRevision = linked.at(-1)?.revision ?? this.#shown.lastRevision;
    const show = () => {
      for (const revision of linked) this.#recent.add(revision);
      this.#shown = { position, lastRevision };
      this.appended.wake();
    };
    const early = before === 'shown' && isSmall(linked);
    if (early) {
      this.#unwritten = linked;
      show();
    }
    const fill = (batch: RowBatch, mark: layout.Mark) => {
      mark.position = position;
      mark.lastRevision = lastRevision;
      for (const { previous, records } of linked)
        for (const [i, record] of records.entries()) {
          const link = i === 0 ? { previous, records: records.length } : undefined;
          putRow(batch, mark, record, link);
          this.#appendedBytes += record.bytes.length;
        }
    };
    await this.#write(fill, { sync: before === 'synced' });
    this.#unwritten = [];
    if (early) this.appended.wake();
    else show();
    failpoint('journal.append.done');
  }

  /**
   * Stores rows of the base as a run, and how far it has come, as one. No row may come twice, and none from
   * `watchFrom` on. The next call may be made before this one has ended; where one fails, those behind it
   * fail, too.
   * @param rows left as they are until this has ended
   */
  addBase(rows: RunBuffer, base: BaseProgress, compactRevision?: Revision): Promise<void> {
    const placed = this.#runs.write(rows);
    this.#lastBase = Promise.all([placed, this.#lastBase]).then(async ([run]) => {
      this.#whole = new Set();
      const change = (state: JournalState) => ({
        ...state,
        base,
        runs: run?.file ?? state.runs,
        compactRevision: compactRevision ?? state.compactRevision,
      });
      await this.#write(
        (batch, mark) => {
          for (const entry of run?.entries ?? []) putBaseRow(batch, mark, entry);
        },
        { change, sync: base.done },
      );
    });
    return this.#lastBase;
  }

  /** What will be appended next for these revisions is not the source's history. */
  async declareGap(gap: Gap): Promise<void> {
    await this.#write(() => undefined, {
      change: (state) => ({ ...state, gap }),
      sync: true,
    });
  }

  async *revisions(from: Revision, to: Revision): AsyncGenerator<JournalRevision[]> {
    if (from < this.#state.watchFrom)
      throw new Error(`revisions ${from} < ${this.#state.watchFrom}: that is the base's`);
    if (to > this.position) await this.#written();
    yield* this.#watched(from, to, new RowSum());
  }

  async *#watched(from: Revision, to: Revision, sum: RowSum): AsyncGenerator<JournalRevision[]> {
    const joiner = new Joiner((revision) => {
      if (!checkWhole(revision, this.#state))
        throw damaged(this.directory, `revision ${revision.revision} is not whole`);
    });
    const bounds = { gte: layout.rowBound(from), lt: layout.rowBound(to + 1) };
    for await (const entries of this.#reader.entries(bounds))
      for (const [key, value] of entries) {
        const stored = layout.decodeRow(key, value);
        if (!stored) throw damaged(this.directory, 'a row is not as it was written');
        sum.add(stored.check);
        joiner.add(stored.row, stored.link);
        if (joiner.bytes >= BATCH_BYTES) yield joiner.take();
      }
    joiner.end();
    const last = joiner.take();
    if (last.length > 0) yield last;
  }

  recent(from: Revision, to: Revision): JournalRevision[] | undefined {
    return this.#recent.between(from, to);
  }

  /**
   * Every row up to the position, in order, in batches of up to some hundred KiB, and the proof that none is
   * missing. Rows of a batch are good until the next one is asked for. Nothing may be written to the journal
   * meanwhile.
   * @throws LockstepError JOURNAL_DAMAGED, at the end, too
   */
  async *everything(): AsyncGenerator<readonly StoredRow[]> {
    const sum = new RowSum();
    const living = (file: number) => (this.#whole.has(file) ? undefined : this.#reader.living);
    for await (const rows of this.#runs.merged([...this.#runs.sizes.keys()], living)) {
      for (const row of rows) sum.add(row.check);
      yield rows;
    }
    for await (const revisions of this.#watched(this.#state.watchFrom, this.position, sum))
      yield revisions.flatMap(({ records }) => records);
    if (!sum.equals(this.#mark)) throw damaged(this.directory, 'rows are missing');
  }

  async digestBefore(key: Buffer, revision: Revision): Promise<bigint | undefined> {
    if (this.#unwritten.some(({ records }) => records.some((record) => record.key.equals(key))))
      await this.#written();
    const entry = await this.#reader.newestBefore(key, revision);
    return entry?.tombstone === false ? entry.digest : undefined;
  }

  /** The row (KeyValue message) of `key` as it was before `revision`; undefined if it did not exist then. */
  async rowBefore(key: Buffer, revision: Revision): Promise<Buffer | undefined> {
    const entry = await this.#reader.newestBefore(key, revision);
    if (!entry || entry.tombstone) return undefined;
    return this.#reader.message(entry);
  }

  /** Every key that lives at `revision`, with its digest, in no particular order. */
  async *liveKeys(revision: Revision): AsyncGenerator<{ key: Buffer; digest: bigint }> {
    for await (const keys of this.#reader.keys())
      for (const entries of keys) {
        const newest = entries.findLast((entry) => entry.main <= revision);
        if (newest && !newest.tombstone) yield newest;
      }
  }

  async tally(revision: Revision): Promise<Tally> {
    const tally = new Tally();
    for await (const { digest } of this.liveKeys(revision)) tally.add(digest);
    return tally;
  }

  /**
   * Drops rows that are superseded at `revision`, and deletions below it, as etcd's own compaction
   * does (a deletion at exactly `revision` stays: a watch may start there).
   * @param revision at most the position
   * @returns the tally at the position that it had when the compaction began
   * @throws LockstepError JOURNAL_DAMAGED, at the end, too: what the index lacks is not seen before
   */
  async compact(revision: Revision): Promise<Tally> {
    const { position } = this;
    if (revision > position) throw new Error(`compact ${revision} > ${position}`);
    if (revision > this.#state.compactRevision)
      await this.#write(() => undefined, {
        change: (state) => ({
          ...state,
          compactRevision: Math.max(state.compactRevision, revision),
        }),
        sync: true,
      });
    const { keys, mark } = await this.#indexNow();
    const { tally, whole } = await compactRows(
      {
        runs: this.#runs,
        keys,
        checkIndex: (sum) => {
          if (!sum.equals(mark)) throw damaged(this.directory, 'entries of its index are missing');
        },
        living: this.#reader.living,
        write: (fill, { runs } = {}) =>
          this.#write(fill, runs === undefined ? {} : { change: (state) => ({ ...state, runs }) }),
        settle: () => this.#settle(),
      },
      revision,
      position,
    );
    this.#whole = whole;
    return tally;
  }

  /**
   * All that was written is in tables, which LevelDB fsyncs: that is how it begins any compaction of its own, here
   * of nothing. A synced write is not enough: it covers the log that it goes to, and not the one before.
   */
  async #settle(): Promise<void> {
    await this.#db.compactRange(layout.BEHIND_ALL, layout.BEHIND_ALL);
    // Where that could not be written, nothing else can.
    await this.#write(() => undefined, { sync: true });
  }

  /** The index as it is between two writes, and the mark of that moment. */
  #indexNow(): Promise<{ keys: AsyncIterable<layout.IndexEntry[][]>; mark: layout.Mark }> {
    return this.#lastWrite.then(() => ({ keys: this.#reader.keys(), mark: this.#mark }));
  }

  /** Bytes on disk. */
  bytes(): number {
    return sizeOf(this.directory);
  }

  async close(): Promise<void> {
    await this.#lastBase.catch(() => undefined);
    await this.#lastWrite;
    await this.#runs.close();
    await this.#db.close();
  }

  /** Closes it and deletes its files. */
  async destroy(): Promise<void> {
    await this.close();
    removeFiles(this.directory);
  }

  /** What is shown can be read back. */
  async #written(): Promise<void> {
    await this.#lastWrite;
    if (this.#failed) throw this.#failed;
  }

  /** One batch, with mark and state as they are when its turn has come. */
  #write(
    fill: (batch: RowBatch, mark: layout.Mark) => void,
    {
      change,
      sync = false,
    }: { change?: (state: JournalState) => JournalState; sync?: boolean } = {},
  ): Promise<void> {
    const turn = this.#lastWrite.then(async () => {
      if (this.#failed) throw this.#failed;
      const batch = this.#db.batch();
      const mark = { ...this.#mark };
      fill(batch, mark);
      batch.put(layout.MARK_KEY, layout.encodeMark(mark));
      const state = change?.(this.#state);
      if (state) batch.put(layout.STATE_KEY, layout.encodeState(state));
      await batch.write({ sync }).catch((cause: unknown) => {
        throw (this.#failed = ioFailed(this.directory, cause));
      });
      this.#mark = mark;
      if (state) this.#state = state;
    });
    this.#lastWrite = turn.catch(() => undefined);
    return turn;
  }
}

function linkedTo(last: Revision, revisions: readonly WholeRevision[]): JournalRevision[] {
  return revisions.map(({ revision, records }, i) => ({
    ...{ revision, records },
    previous: revisions[i - 1]?.revision ?? last,
  }));
}

/** Whether it fits into what is kept in memory, many times over: nobody can read it back yet. */
function isSmall(revisions: readonly JournalRevision[]): boolean {
  const records = revisions.flatMap((revision) => revision.records);
  const bytes = records.reduce((sum, record) => sum + record.bytes.length, 0);
  return records.length <= SHOWN_RECORDS && bytes <= SHOWN_BYTES;
}
