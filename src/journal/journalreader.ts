/**
 * What LevelDB and the runs hold, read back and checked: rows, and the index of which key has which.
 *
 * Some entries at a time, the next ones read ahead; a promise for each would cost more than the rest.
 */
import type { Iterator } from 'classic-level';
import type { Record } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import * as layout from './layout.js';
import { damaged, unreadable, type Level } from './level.js';
import type { Living } from './runreader.js';
import type { Runs } from './runs.js';

/** Bytes that one read takes out of LevelDB at once. */
const READ_BYTES = 1024 * 1024;
/** The same, where they are small. */
const ENTRIES_AT_ONCE = 1000;

interface Bounds {
  gte: Buffer;
  lt: Buffer;
  reverse?: boolean;
  limit?: number;
}

type LevelIterator = Iterator<Level, Buffer, Buffer>;

/** Methods throw LockstepError JOURNAL_DAMAGED for what is not as it was written. */
export class JournalReader {
  constructor(
    private readonly directory: string,
    private readonly db: Level,
    private readonly runs: Runs,
  ) {}

  /** Keys and values as they are stored, as of now, whenever they are read. */
  entries(bounds: Bounds): AsyncGenerator<[Buffer, Buffer][]> {
    const iterator = this.db.iterator({ ...bounds, highWaterMarkBytes: READ_BYTES });
    return this.#all(iterator, bounds.limit === undefined);
  }

  async *#all(iterator: LevelIterator, readsAhead: boolean): AsyncGenerator<[Buffer, Buffer][]> {
    try {
      let entries = await iterator.nextv(ENTRIES_AT_ONCE);
      while (entries.length > 0) {
        const ahead = readsAhead && iterator.nextv(ENTRIES_AT_ONCE);
        // Its failure is thrown when it is its turn.
        if (ahead) ahead.catch(() => undefined);
        yield entries;
        entries = (await ahead) || [];
      }
    } catch (error) {
      throw unreadable(this.directory, error);
    } finally {
      await iterator.close();
    }
  }

  /** The newest entry of `key` below `revision`. */
  async newestBefore(key: Buffer, revision: Revision): Promise<layout.IndexEntry | undefined> {
    const bounds = {
      gte: layout.indexKey(key, 0, 0),
      lt: layout.indexKey(key, revision, 0),
      reverse: true,
      limit: 1,
    };
    for await (const [found] of this.entries(bounds)) return found && this.#indexEntry(found);
    return undefined;
  }

  /** The index entries of one key after another, each oldest first; some keys at a time. As of now. */
  keys(): AsyncGenerator<layout.IndexEntry[][]> {
    return this.#byKey(this.entries(layout.INDEX_BOUNDS));
  }

  async *#byKey(all: AsyncIterable<[Buffer, Buffer][]>): AsyncGenerator<layout.IndexEntry[][]> {
    let last: layout.IndexEntry[] = [];
    for await (const found of all) {
      const keys: layout.IndexEntry[][] = [];
      for (const entry of found.map((one) => this.#indexEntry(one))) {
        if (last[0] && !last[0].key.equals(entry.key)) {
          keys.push(last);
          last = [];
        }
        last.push(entry);
      }
      yield keys;
    }
    if (last.length > 0) yield [last];
  }

  /** The message of an index entry's row. */
  async message(entry: layout.IndexEntry): Promise<Buffer> {
    const row = entry.place ? this.runs.read(entry.place) : await this.#watched(entry);
    if (row?.key.equals(entry.key) && row.main === entry.main) return row.bytes;
    throw damaged(this.directory, 'a row is missing or not as it was written');
  }

  async #watched({ main, sub }: layout.IndexEntry): Promise<Record | undefined> {
    const key = layout.rowKey(main, sub);
    const value = await this.db.get(key);
    return value && layout.decodeRow(key, value)?.row;
  }

  /** Those that the index still has, at the place where they are. */
  readonly living: Living = async (rows) => {
    const keys = rows.map(({ key, main, sub }) => layout.indexKey(key, main, sub));
    const values = await this.db.getMany(keys);
    return rows.filter((row, i) => {
      const [key, value] = [keys[i], values[i]];
      if (!key || !value) return false;
      const { place } = this.#indexEntry([key, value]);
      return place?.file === row.place.file && place.offset === row.place.offset;
    });
  };

  #indexEntry([key, value]: [Buffer, Buffer]): layout.IndexEntry {
    const entry = layout.decodeIndex(key, value);
    if (!entry) throw damaged(this.directory, 'its index is not as it was written');
    return entry;
  }
}
