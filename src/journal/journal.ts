/**
 * The journal: a small MVCC store of our prefixes between source and sinks.
 *
 * It holds every row that is live at its compact revision and every row above that, up to its
 * position. So a base can be sealed from it at any time, and the follower can feed a target that was
 * down for longer than the source keeps its history.
 *
 * Rows and the position that they prove are written in one batch: a crash leaves both or neither.
 * Batches of the stream are not fsynced. A power cut may take the last ones away together with
 * their position, and they are then read from the source again; that the target may be ahead of the
 * journal is no contradiction, because where apply stands is read from the target.
 *
 * Tried and dropped: marks "row P is superseded at M" written with each event, which compaction
 * would only have to collect. Base pages and events come in at the same time and in any order, so
 * the mark needs a read for each event. One scan of the index for each compaction (about 200,000
 * rows a second, every five minutes) needs none.
 */
import type { ChainedBatch } from 'classic-level';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { Wakeup } from '../backoff.js';
import { LockstepError } from '../errors.js';
import { digest, Tally } from '../mvcc/tally.js';
import { keyOf } from '../mvcc/keyvalue.js';
import type { PrefixSet } from '../mvcc/prefix.js';
import type { WholeRevision } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { proven, type Position } from '../position.js';
import * as layout from './layout.js';
import { damaged, notSeeded, openLevel, type Level } from './level.js';
import type { BaseProgress, JournalState } from './state.js';

export type { BaseProgress, JournalState } from './state.js';

const FORMAT = 1;
/** Bytes that one read takes out of LevelDB at once. */
const READ_BYTES = 1024 * 1024;
const DELETES_PER_BATCH = 2000;

type Batch = ChainedBatch<Level, Buffer, Buffer>;

export class Journal {
  /** Woken by every append. */
  readonly appended = new Wakeup();
  readonly #db: Level;
  #position: Position;
  #appendedBytes = 0;

  private constructor(
    readonly directory: string,
    db: Level,
    public state: JournalState,
    position: Position,
  ) {
    this.#db = db;
    this.#position = position;
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
    if (existsSync(directory) && readdirSync(directory).length > 0)
      throw new LockstepError('JOURNAL_OTHER', `${directory} is not empty and holds no journal`, {
        disposition: 'usage',
        hint: 'Give --journal a new directory, or one that an earlier seed has made.',
      });
    const db = await openLevel(directory, true);
    const state: JournalState = {
      format: FORMAT,
      clusterId: identity.clusterId,
      prefixes: [...identity.prefixes.list],
      ...start,
    };
    const journal = new Journal(directory, db, state, proven(start.watchFrom - 1));
    await journal.#commit(journal.#put(db.batch(), journal.#position, state), true);
    return journal;
  }

  /** @throws LockstepError JOURNAL_NOT_SEEDED, JOURNAL_LOCKED, JOURNAL_DAMAGED, IO */
  static async open(directory: string): Promise<Journal> {
    if (!Journal.exists(directory)) throw notSeeded(directory);
    const db = await openLevel(directory, false);
    try {
      const state = await db.get(layout.STATE_KEY);
      const position = await db.get(layout.POSITION_KEY);
      if (state === undefined || position === undefined) throw notSeeded(directory);
      const parsed = JSON.parse(state.toString()) as JournalState;
      if (parsed.format !== FORMAT)
        throw damaged(directory, `its format is ${parsed.format}, not ${FORMAT}`);
      return new Journal(directory, db, parsed, proven(Number(position.readBigUInt64BE())));
    } catch (error) {
      await db.close();
      throw error instanceof SyntaxError
        ? damaged(directory, 'its state is no JSON', error)
        : error;
    }
  }

  /** All records of our prefixes up to here are in it (once the base is done). */
  get position(): Position {
    return this.#position;
  }

  /** Bytes of the records that {@link append} has stored since the journal was opened. */
  get appendedBytes(): number {
    return this.#appendedBytes;
  }

  /** Appends whole revisions and the position they prove, as one. */
  async append(revisions: readonly WholeRevision[], position: Position): Promise<void> {
    if (position < this.#position) throw new Error(`position ${position} < ${this.#position}`);
    const batch = this.#db.batch();
    for (const { records } of revisions)
      for (const record of records) {
        putRow(batch, { ...record, byKey: false });
        this.#appendedBytes += record.bytes.length;
      }
    await this.#commit(this.#put(batch, position));
    this.#position = position;
    this.appended.wake();
  }

  /** Stores rows of the base and how far it has come, as one. */
  async addBase(
    rows: Iterable<layout.Row>,
    base: BaseProgress,
    compactRevision?: Revision,
  ): Promise<void> {
    const state = {
      ...this.state,
      base,
      compactRevision: compactRevision ?? this.state.compactRevision,
    };
    const batch = this.#db.batch();
    for (const row of rows) putRow(batch, row);
    await this.#commit(this.#put(batch, undefined, state), base.done);
    this.state = state;
  }

  /**
   * The revisions from `from` to `to` that have records, whole and in order. Reads about a megabyte
   * at a time.
   */
  async *revisions(from: Revision, to: Revision): AsyncGenerator<WholeRevision> {
    let open: WholeRevision | undefined;
    const bounds = { gte: layout.rowBound(from), lt: layout.rowBound(to + 1) };
    for await (const [key, value] of this.#entries(bounds)) {
      const main = layout.rowMain(key);
      if (open && open.revision !== main) yield open;
      if (open?.revision !== main) open = { revision: main, records: [] };
      const bytes = value.subarray(1);
      const tombstone = ((value[0] ?? 0) & layout.FLAG_TOMBSTONE) !== 0;
      open.records.push({ main, sub: open.records.length, tombstone, key: keyOf(bytes), bytes });
    }
    if (open) yield open;
  }

  /** The digest of `key` as it was before `revision`; undefined if it did not exist then. */
  async digestBefore(key: Buffer, revision: Revision): Promise<bigint | undefined> {
    const iterator = this.#db.iterator({
      gte: layout.indexKey(key, 0, 0),
      lt: layout.indexKey(key, revision, 0),
      reverse: true,
      limit: 1,
    });
    try {
      const found = await iterator.next();
      if (!found) return undefined;
      const entry = layout.readIndex(...found);
      return entry.tombstone ? undefined : entry.digest;
    } finally {
      await iterator.close();
    }
  }

  /** Number of live keys and their checksum at `revision`, by a scan of the index. */
  async tally(revision: Revision): Promise<Tally> {
    const tally = new Tally();
    for await (const entries of this.#keys()) {
      const newest = entries.findLast((entry) => entry.main <= revision);
      if (newest && !newest.tombstone) tally.add(newest.digest);
    }
    return tally;
  }

  /**
   * Drops rows that are superseded at `revision`, and deletions below it, as etcd's own compaction
   * does (a deletion at exactly `revision` stays: a watch may start there).
   * @param revision at most the position
   */
  async compact(revision: Revision): Promise<void> {
    if (revision > this.#position) throw new Error(`compact ${revision} > ${this.#position}`);
    if (revision > this.state.compactRevision) {
      const state = { ...this.state, compactRevision: revision };
      await this.#commit(this.#put(this.#db.batch(), undefined, state), true);
      this.state = state;
    }
    let batch = this.#db.batch();
    for await (const entries of this.#keys()) {
      const old = entries.filter((entry) => entry.main <= revision);
      const newest = old.at(-1);
      if (newest && !(newest.tombstone && newest.main < revision)) old.pop();
      for (const entry of old)
        batch.del(layout.rowKey(entry)).del(layout.indexKey(entry.key, entry.main, entry.sub));
      if (batch.length >= DELETES_PER_BATCH) {
        await this.#commit(batch);
        batch = this.#db.batch();
      }
    }
    await this.#commit(batch);
  }

  /** Bytes on disk, roughly: what is still in memory tables is not counted. */
  async bytes(): Promise<number> {
    return this.#db.approximateSize(Buffer.from([0]), Buffer.from([0xff]));
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  /** Closes it and deletes its directory. */
  async destroy(): Promise<void> {
    await this.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The index entries of one key after another, each oldest first. */
  async *#keys(): AsyncGenerator<layout.IndexEntry[]> {
    let entries: layout.IndexEntry[] = [];
    for await (const [key, value] of this.#entries(layout.INDEX_BOUNDS)) {
      const entry = layout.readIndex(key, value);
      if (entries[0] && !entries[0].key.equals(entry.key)) {
        yield entries;
        entries = [];
      }
      entries.push(entry);
    }
    if (entries.length > 0) yield entries;
  }

  async *#entries(bounds: { gte: Buffer; lt: Buffer }): AsyncGenerator<[Buffer, Buffer]> {
    const iterator = this.#db.iterator({ ...bounds, highWaterMarkBytes: READ_BYTES });
    try {
      while (true) {
        const entries = await iterator.nextv(1000);
        if (entries.length === 0) return;
        yield* entries;
      }
    } finally {
      await iterator.close();
    }
  }

  #put(batch: Batch, position?: Position, state?: JournalState): Batch {
    if (state) batch.put(layout.STATE_KEY, Buffer.from(JSON.stringify(state)));
    if (position !== undefined) {
      const bytes = Buffer.allocUnsafe(8);
      bytes.writeBigUInt64BE(BigInt(position));
      batch.put(layout.POSITION_KEY, bytes);
    }
    return batch;
  }

  async #commit(batch: Batch, sync = false): Promise<void> {
    try {
      await batch.write({ sync });
    } catch (cause) {
      throw new LockstepError('IO', `journal ${this.directory}: ${String(cause)}`, {
        disposition: 'fatal',
        hint: 'Check the free space and the rights of the directory, then run the same command again: it goes on where it was.',
        cause,
      });
    }
  }
}

function putRow(batch: Batch, row: layout.Row): void {
  batch.put(layout.rowKey(row), layout.rowValue(row));
  batch.put(
    layout.indexKey(row.key, row.main, row.sub),
    layout.indexValue(row, row.tombstone ? 0n : digest(row.bytes)),
  );
}
