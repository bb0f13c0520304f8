/**
 * What LevelDB and the heap hold, read back and checked: rows, and the index of which key has which.
 *
 * Some entries at a time, the next ones read ahead; a promise for each would cost more than the rest.
 */
import type { Revision } from '../mvcc/revision.js';
import type { Heap } from './heap.js';
import * as layout from './layout.js';
import { damaged, unreadable, type Level } from './level.js';

/** Bytes that one read takes out of LevelDB at once. */
const READ_BYTES = 1024 * 1024;
/** The same, where they are small. */
const ENTRIES_AT_ONCE = 1000;

/** Methods throw LockstepError JOURNAL_DAMAGED for what is not as it was written. */
export class JournalReader {
  constructor(
    private readonly directory: string,
    private readonly db: Level,
    private readonly heap: Heap,
  ) {}

  /** Keys and values as they are stored. */
  async *entries(bounds: {
    gte: Buffer;
    lt: Buffer;
    reverse?: boolean;
    limit?: number;
  }): AsyncGenerator<[Buffer, Buffer][]> {
    const iterator = this.db.iterator({ ...bounds, highWaterMarkBytes: READ_BYTES });
    try {
      let entries = await iterator.nextv(ENTRIES_AT_ONCE);
      while (entries.length > 0) {
        const ahead = bounds.limit === undefined && iterator.nextv(ENTRIES_AT_ONCE);
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

  /** The index entries of one key after another, each oldest first; some keys at a time. */
  async *keys(): AsyncGenerator<layout.IndexEntry[][]> {
    let last: layout.IndexEntry[] = [];
    for await (const found of this.entries(layout.INDEX_BOUNDS)) {
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

  /** The rows of index entries. */
  async rows(entries: readonly layout.IndexEntry[]): Promise<layout.Row[]> {
    const keys = entries.map(layout.rowKey);
    const values = await this.db.getMany(keys);
    return entries.map((entry, i) => {
      const [key, value] = [keys[i], values[i]];
      const stored = key && value && layout.decodeRow(key, value, this.heap.read);
      if (!stored) throw damaged(this.directory, 'a row is missing or not as it was written');
      return { ...stored.row, sub: entry.sub, byKey: entry.byKey, place: stored.place };
    });
  }

  #indexEntry([key, value]: [Buffer, Buffer]): layout.IndexEntry {
    const entry = layout.decodeIndex(key, value);
    if (!entry) throw damaged(this.directory, 'its index is not as it was written');
    return entry;
  }
}
