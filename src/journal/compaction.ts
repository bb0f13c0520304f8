/**
 * Compaction of the journal: one scan of its index.
 *
 *     index ─► superseded rows ─► deleted from LevelDB
 *         └──► used bytes of each run ─► runs that are hardly used are given up
 *
 * A run goes as a whole. When less than half of it is used, what is used moves into a new one together with
 * what other such runs have left. So runs are never more than twice what of the base is still in use, and of
 * each two rows that move one has gone.
 */
import { failpoint } from '../failpoint.js';
import type { Revision } from '../mvcc/revision.js';
import { Tally } from '../mvcc/tally.js';
import type { IndexEntry, Mark } from './layout.js';
import { putIndex, removeRow, RowSum, type RowBatch } from './rowbatch.js';
import { RunBuffer } from './runbuffer.js';
import type { Living } from './runreader.js';
import type { Runs } from './runs.js';

/** A journal, as far as its compaction goes. */
interface Compactable {
  runs: Runs;
  /** The index entries of one key after another, each oldest first; some keys at a time. Read once. */
  keys: AsyncIterable<IndexEntry[][]>;
  /** Of all of them; throws where it is not that of the rows. */
  checkIndex: (sum: RowSum) => void;
  living: Living;
  /** @param how `runs`: the last run that counts */
  write: (
    fill: (batch: RowBatch, mark: Mark) => void,
    how?: { runs?: number | undefined },
  ) => Promise<void>;
  /** No power cut takes away any more what was written. */
  settle: () => Promise<void>;
}

const DELETES_PER_BATCH = 250;
/** A run is given up when less than this part of it is used. */
const USED_ENOUGH = 0.5;

/** What a compaction has seen. */
interface Compacted {
  /** At its position. */
  tally: Tally;
  /** Runs of which every row still counts. */
  whole: ReadonlySet<number>;
}

/**
 * Drops what is superseded at `revision`, and deletions below it.
 * @param position what the tally is of
 */
export async function compactRows(
  journal: Compactable,
  revision: Revision,
  position: Revision,
): Promise<Compacted> {
  const tally = new Tally();
  const index = new RowSum();
  const used = new Map<number, number>();
  let doomed: IndexEntry[] = [];
  const flush = async () => {
    failpoint('journal.compact.batch');
    await journal.write((batch, mark) => {
      for (const entry of doomed) removeRow(batch, mark, entry);
    });
    doomed = [];
  };
  for await (const keys of journal.keys) {
    for (const entries of keys) {
      for (const entry of entries) index.add(entry.check);
      const newest = entries.findLast((entry) => entry.main <= position);
      if (newest && !newest.tombstone) tally.add(newest.digest);
      const old = entries.filter((entry) => entry.main <= revision);
      const last = old.at(-1);
      if (last && !(last.tombstone && last.main < revision)) old.pop();
      // Oldest first: cut short, a key that is gone still has its deletion.
      for (const entry of old) {
        doomed.push(entry);
        if (doomed.length >= DELETES_PER_BATCH) await flush();
      }
      for (const { place } of entries.slice(old.length))
        if (place) used.set(place.file, (used.get(place.file) ?? 0) + place.bytes);
    }
  }
  await flush();
  // What lies in a run and has no entry goes with it.
  journal.checkIndex(index);
  const { sizes } = journal.runs;
  const wasteful = [...sizes]
    .filter(([file, size]) => (used.get(file) ?? 0) < size * USED_ENOUGH)
    .map(([file]) => file);
  if (wasteful.length > 0) await giveUp(journal, wasteful);
  const whole = [...used].filter(([file, bytes]) => sizes.get(file) === bytes);
  return { tally, whole: new Set(whole.map(([file]) => file)) };
}

async function giveUp(journal: Compactable, files: readonly number[]): Promise<void> {
  const moving = new RunBuffer();
  const moveAll = async () => {
    const run = await journal.runs.write(moving);
    failpoint('journal.compact.moved');
    const move = (batch: RowBatch) => {
      for (const entry of run?.entries ?? []) putIndex(batch, entry);
    };
    await journal.write(move, { runs: run?.file });
    moving.clear();
  };
  for await (const rows of journal.runs.merged(files, () => journal.living))
    for (const row of rows) {
      moving.add(row);
      if (moving.isFull) await moveAll();
    }
  await moveAll();
  // That nothing points there any more has to be on disk before a run goes. Cut short here, the next
  // compaction finds runs of which nothing is used.
  await journal.settle();
  for (const file of files) journal.runs.remove(file);
}
