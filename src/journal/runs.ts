/**
 * Runs: where the rows of the base are, beside LevelDB.
 *
 *     rows ─► sorted, written, fsynced ─► run ─┐
 *     rows ─► sorted, written, fsynced ─► run ─┼─► merged by revision, as often as a base is sealed
 *     …                                       ─┘
 *
 * A base comes in by key and is sealed by revision. So much of it as fits in memory is sorted at once and
 * becomes a file; all files, read at the same time from their beginnings, give the whole order. Each row is
 * written once and read once. LevelDB, which sorts whatever it is given by rewriting it several times over, has
 * the index alone: a hundred bytes a row, by key, in which order a Range brings them.
 *
 * Invariants: a place is written down only when the run that it points to is on disk, so LevelDB's log is
 * never ahead of the runs, not after a power cut either. A run counts once the journal's state names its
 * number, which is written with the places. It is written once, whole, and never changed: one of which few
 * rows still count is given up (compaction.ts).
 *
 * 100,000 rows of 4 KB took 17.9 s of CPU with all of it in LevelDB, 6.7 s with messages beside it in the
 * order in which they came and rows in LevelDB, which read each message back from somewhere. Tried and
 * dropped: files for spans of revisions, sorted when they are read (nobody knows the spans: of a busy
 * cluster most rows are of the last hour).
 */
import fs from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError } from '../errors.js';
import type { IndexEntry } from './layout.js';
import { damaged, ioFailed, unreadable } from './level.js';
import { byRevision, rowBytesAt, RunRow, type Place } from './run.js';
import { RUN_BYTES, type RunBuffer } from './runbuffer.js';
import { RunReader, type Living } from './runreader.js';

/** Of all runs together that are read at the same time, half of it read ahead. */
const MERGE_BYTES = 32 * 1024 * 1024;
const MOST_STEP_BYTES = 256 * 1024;
const LEAST_STEP_BYTES = 16 * 1024;

/** A run that is on disk. */
export interface WrittenRun {
  file: number;
  /** What the index has to know of it; keys are views of what was gathered. */
  entries: Iterable<IndexEntry>;
}

export class Runs {
  /** Bytes of each. */
  readonly sizes = new Map<number, number>();
  /** The number that was given last. */
  #lastNumber: number;
  readonly #open = new Map<number, number>();
  #last: Promise<unknown> = Promise.resolve();
  #sorted = Buffer.alloc(0);

  /**
   * The runs in a journal's directory, which may have none yet.
   * @param last the last one that counts: what a killed process has left behind it is deleted
   */
  constructor(
    private readonly directory: string,
    last: number,
  ) {
    this.#lastNumber = last;
    for (const name of fs.readdirSync(directory).filter((name) => name.endsWith('.run'))) {
      const number = parseInt(name);
      if (number > last) fs.rmSync(join(directory, name));
      else this.sizes.set(number, fs.statSync(join(directory, name)).size);
    }
  }

  /**
   * Writes what was gathered as a run, and makes it durable. Calls stand in line.
   * @param rows left as it is until this has ended
   * @returns undefined where nothing was
   * @throws LockstepError IO
   */
  write(rows: RunBuffer): Promise<WrittenRun | undefined> {
    const turn = this.#last.then(async () => {
      if (rows.bytes === 0) return undefined;
      try {
        return await this.#write(rows);
      } catch (cause) {
        throw isSystemError(cause) ? ioFailed(this.directory, cause) : cause;
      }
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #write(rows: RunBuffer): Promise<WrittenRun> {
    const { bytes } = rows;
    if (this.#sorted.length < bytes)
      this.#sorted = Buffer.allocUnsafeSlow(bytes < RUN_BYTES / 2 ? bytes : bytes + RUN_BYTES / 4);
    const file = ++this.#lastNumber;
    this.sizes.set(file, bytes);
    const offsets = rows.sortInto(this.#sorted);
    await this.#create(file, this.#sorted.subarray(0, bytes));
    return { file, entries: rows.entries(file, offsets) };
  }

  async #create(file: number, bytes: Buffer): Promise<void> {
    const handle = await open(this.#path(file), 'wx');
    try {
      await handle.writeFile(bytes);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    const directory = await open(this.directory, 'r');
    await directory.sync().finally(() => directory.close());
  }

  /**
   * The row at a place, or undefined where it is not as it was written. Blocks.
   * @throws LockstepError IO
   */
  read({ file, offset, bytes }: Place): RunRow | undefined {
    if (offset + bytes > (this.sizes.get(file) ?? 0)) return undefined;
    const into = Buffer.allocUnsafeSlow(bytes);
    try {
      for (let done = 0; done < bytes;) {
        const n = fs.readSync(this.#fd(file), into, done, bytes - done, offset + done);
        if (n === 0) return undefined;
        done += n;
      }
    } catch (error) {
      throw unreadable(this.directory, error);
    }
    const row = rowBytesAt(into, 0) === bytes ? new RunRow(into, 0, file, offset) : undefined;
    return row?.isSound ? row : undefined;
  }

  /**
   * Rows of some runs, in order, in batches of up to some hundred KiB; those of a batch are good until the next
   * one is asked for. No run may be written or removed meanwhile.
   * @param living of a run, undefined where all of it counts
   * @throws LockstepError JOURNAL_DAMAGED
   */
  async *merged(
    files: readonly number[],
    living: (file: number) => Living | undefined,
  ): AsyncGenerator<readonly RunRow[]> {
    // What runs were sorted in is as large as a third of what is needed now.
    this.#sorted = Buffer.alloc(0);
    const share = Math.floor(MERGE_BYTES / 2 / Math.max(files.length, 1));
    const step = Math.min(MOST_STEP_BYTES, Math.max(LEAST_STEP_BYTES, share));
    const readers: RunReader[] = [];
    try {
      for (const number of files) {
        const file = { number, bytes: this.sizes.get(number) ?? 0 };
        readers.push(await RunReader.open(this.#path(number), file, step, living(number)));
      }
      yield* this.#merge(readers);
    } catch (error) {
      throw unreadable(this.directory, error);
    } finally {
      for (const reader of readers) await reader.close();
    }
  }

  async *#merge(all: readonly RunReader[]): AsyncGenerator<readonly RunRow[]> {
    const readers: RunReader[] = [];
    for (const reader of all) if (await this.#more(reader)) readers.push(reader);
    readers.sort((a, b) => byRevision(a.row, b.row));
    let rows: RunRow[] = [];
    for (let [first] = readers; first; [first] = readers) {
      rows.push(first.row);
      if (first.next()) {
        settle(readers);
        continue;
      }
      // It goes on in the memory that its rows lie in.
      yield rows;
      rows = [];
      if (await this.#more(first)) settle(readers);
      else readers.shift();
    }
  }

  async #more(reader: RunReader): Promise<boolean> {
    const more = await reader.more();
    if (more === undefined)
      throw damaged(this.directory, 'a row of the base is not as it was written');
    return more;
  }

  /** Deletes a run; nothing may point into it. */
  remove(file: number): void {
    const fd = this.#open.get(file);
    if (fd !== undefined) fs.closeSync(fd);
    this.#open.delete(file);
    this.sizes.delete(file);
    fs.rmSync(this.#path(file), { force: true });
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    await this.#last;
    for (const fd of this.#open.values()) fs.closeSync(fd);
    this.#open.clear();
  }

  #fd(file: number): number {
    const open = this.#open.get(file);
    if (open !== undefined) return open;
    const fd = fs.openSync(this.#path(file), 'r');
    this.#open.set(file, fd);
    return fd;
  }

  #path(file: number): string {
    return join(this.directory, `${String(file).padStart(6, '0')}.run`);
  }
}

/** All but the first are in order: brings that to its place. */
function settle(readers: RunReader[]): void {
  const [first, second] = readers;
  if (!first || !second || byRevision(first.row, second.row) <= 0) return;
  const { row } = first;
  readers.shift();
  let low = 1;
  for (let high = readers.length; low < high;) {
    const middle = (low + high) >> 1;
    const other = readers[middle];
    if (other && byRevision(other.row, row) < 0) low = middle + 1;
    else high = middle;
  }
  readers.splice(low, 0, first);
}
