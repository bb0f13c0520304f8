/**
 * Compaction of the journal: one scan of its index.
 *
 *     index ─► superseded rows ─► deleted from LevelDB
 *         └──► used bytes of each file of the heap ─► files that are hardly used are given up
 *
 * A file of the heap goes as a whole. When less than half of it is used, what is used moves into
 * LevelDB, where later compactions drop it row by row. So the heap is never more than twice what of
 * the base is still in use, and each message moves at most once.
 */
import { failpoint } from '../failpoint.js';
import type { Revision } from '../mvcc/revision.js';
import { Tally } from '../mvcc/tally.js';
import type { Heap } from './heap.js';
import type { IndexEntry, Mark, Row } from './layout.js';
import { putRow, removeRow, type RowBatch } from './rowbatch.js';

/** A journal, as far as its compaction goes. */
interface Compactable {
  heap: Heap;
  /** The index entries of one key after another, each oldest first; some keys at a time. */
  keys: () => AsyncIterable<IndexEntry[][]>;
  rows: (entries: readonly IndexEntry[]) => Promise<Row[]>;
  write: (fill: (batch: RowBatch, mark: Mark) => void, sync: boolean) => Promise<void>;
}

const DELETES_PER_BATCH = 250;
const MOVED_BYTES = 1024 * 1024;
/** A file of the heap is given up when less than this part of it is used. */
const USED_ENOUGH = 0.5;

/**
 * Drops what is superseded at `revision`, and deletions below it.
 * @returns the tally at `position`
 */
export async function compactRows(
  journal: Compactable,
  revision: Revision,
  position: Revision,
): Promise<Tally> {
  const tally = new Tally();
  const used = new Map<number, number>();
  let doomed: IndexEntry[] = [];
  const flush = async () => {
    failpoint('journal.compact.batch');
    await journal.write((batch, mark) => {
      for (const entry of doomed) removeRow(batch, mark, entry);
    }, false);
    doomed = [];
  };
  for await (const keys of journal.keys()) {
    for (const entries of keys) {
      const newest = entries.findLast((entry) => entry.main <= position);
      if (newest && !newest.tombstone) tally.add(newest.digest);
      const old = entries.filter((entry) => entry.main <= revision);
      const last = old.at(-1);
      if (last && !(last.tombstone && last.main < revision)) old.pop();
      doomed.push(...old);
      for (const { place } of entries.slice(old.length))
        if (place) used.set(place.file, (used.get(place.file) ?? 0) + place.bytes);
    }
    if (doomed.length >= DELETES_PER_BATCH) await flush();
  }
  await flush();
  const { sizes, current } = journal.heap;
  const wasteful = [...sizes]
    .filter(([file, size]) => file !== current && (used.get(file) ?? 0) < size * USED_ENOUGH)
    .map(([file]) => file);
  if (wasteful.length > 0) await giveUp(journal, new Set(wasteful));
  return tally;
}

async function giveUp(journal: Compactable, files: ReadonlySet<number>): Promise<void> {
  let moving: IndexEntry[] = [];
  let bytes = 0;
  const move = async () => {
    const rows = await journal.rows(moving);
    await journal.write((batch, mark) => {
      for (const entry of moving) removeRow(batch, mark, entry);
      for (const row of rows) putRow(batch, mark, { ...row, place: undefined });
    }, false);
    moving = [];
    bytes = 0;
  };
  for await (const keys of journal.keys())
    for (const entry of keys.flat()) {
      if (!entry.place || !files.has(entry.place.file)) continue;
      moving.push(entry);
      bytes += entry.place.bytes;
      if (bytes >= MOVED_BYTES) await move();
    }
  await move();
  // That nothing points there any more has to be on disk before a file goes. Cut short here, the next
  // compaction finds files of which nothing is used.
  await journal.write(() => undefined, true);
  for (const file of files) journal.heap.remove(file);
}
