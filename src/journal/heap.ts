/**
 * The heap: messages of the base, in files beside LevelDB, in the order in which they came.
 *
 *     addBase ─► heap: messages, fsynced ─► LevelDB: rows and index entries with their places
 *
 * A base comes in by key and is sealed by revision. LevelDB sorts whatever it is given, by rewriting it
 * several times over, each table fsynced; so it is given 100 bytes a row to sort and the message
 * stays where it was written first. What came by the watch is in order already and stays in LevelDB.
 *
 * Invariants: a place is written down only when what it points to is on disk, so LevelDB's log is
 * never ahead of the heap, not after a power cut either. Nothing is ever changed in place: what a
 * killed process has written behind the last place stays there as waste, and the next one begins
 * a new file. A message has no check of its own; its row's check covers it (layout.ts).
 *
 * Files whose messages are superseded are given up whole: see compaction.ts.
 *
 * A seed of 100,000 rows of 4 KB took 17.9 s of CPU with all of it in LevelDB, 6.7 s with the heap
 * (13.7 and 7.4 s of time, two cores shared with others). Tried and dropped: larger write buffers
 * (64 MiB: half the rewriting, but memory that 10,000 rows do not need), tables of 16 MiB (a fifth
 * of the files to fsync, as much rewriting), rows by key in LevelDB (the index between them keeps its
 * tables from being moved as they are), an fsync for each page alone (a third of the disk's throughput).
 */
import fs from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isSystemError } from '../errors.js';
import { ioFailed } from './level.js';

const datasync = promisify(fs.fdatasync);
const writev = promisify(fs.writev);

/** Where a message lies: number of the file, byte offset and length. */
export interface Place {
  file: number;
  offset: number;
  bytes: number;
}

/** A file is given up as a whole, so it should be no large part of a base; each is kept open. */
const FILE_BYTES = 128 * 1024 * 1024;
/** Messages that are read lie together in blocks, which is cheaper than a buffer for each. */
const BLOCK_BYTES = 256 * 1024;

export class Heap {
  /** Bytes of each file. */
  readonly sizes = new Map<number, number>();
  readonly #open = new Map<number, number>();
  #current: number | undefined;
  #lastAppend: Promise<unknown> = Promise.resolve();
  readonly #unsynced = new Set<number>();
  #syncing: Promise<unknown> = Promise.resolve();
  #nextSync: Promise<void> | undefined;
  #block = Buffer.alloc(0);

  /** The heap in a journal's directory, which may have none yet. */
  constructor(private readonly directory: string) {
    for (const name of fs.readdirSync(directory).filter((name) => name.endsWith('.heap')))
      this.sizes.set(parseInt(name), fs.statSync(join(directory, name)).size);
  }

  /** The file that messages are appended to now. */
  get current(): number | undefined {
    return this.#current;
  }

  /**
   * Appends messages, and makes them durable. Several calls at a time share an fsync.
   * @throws LockstepError IO
   */
  async append(messages: readonly Buffer[]): Promise<Place[]> {
    if (messages.length === 0) return [];
    const turn = this.#lastAppend.then(() => this.#write(messages));
    this.#lastAppend = turn.catch(() => undefined);
    try {
      const places = await turn;
      await this.#sync();
      return places;
    } catch (cause) {
      throw isSystemError(cause) ? ioFailed(this.directory, cause) : cause;
    }
  }

  async #write(messages: readonly Buffer[]): Promise<Place[]> {
    const file = this.#fileToAppendTo();
    const start = this.sizes.get(file) ?? 0;
    await writeAll(this.#fd(file), messages, start);
    this.#unsynced.add(file);
    let offset = start;
    const places = messages.map(({ length: bytes }) => {
      offset += bytes;
      return { file, offset: offset - bytes, bytes };
    });
    this.sizes.set(file, offset);
    return places;
  }

  /** Resolves when all that was written before the call is on disk. */
  #sync(): Promise<void> {
    // The one that is under way may have begun before.
    return (this.#nextSync ??= this.#syncing.then(async () => {
      this.#nextSync = undefined;
      const files = [...this.#unsynced];
      this.#unsynced.clear();
      const done = Promise.all(files.map((file) => datasync(this.#fd(file))));
      this.#syncing = done.catch(() => undefined);
      await done;
    }));
  }

  /** The bytes at a place, or undefined where there are none. Blocks; they are mostly in memory. */
  readonly read = ({ file, offset, bytes }: Place): Buffer | undefined => {
    if (offset + bytes > (this.sizes.get(file) ?? 0)) return undefined;
    const into = this.#room(bytes);
    const fd = this.#fd(file);
    for (let done = 0; done < bytes;) {
      const n = fs.readSync(fd, into, done, bytes - done, offset + done);
      if (n === 0) return undefined;
      done += n;
    }
    return into;
  };

  /** Deletes a file; nothing may point into it. */
  remove(file: number): void {
    const fd = this.#open.get(file);
    if (fd !== undefined) fs.closeSync(fd);
    this.#open.delete(file);
    this.sizes.delete(file);
    fs.rmSync(this.#path(file), { force: true });
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    await this.#lastAppend;
    await this.#syncing;
    for (const fd of this.#open.values()) fs.closeSync(fd);
    this.#open.clear();
    this.#current = undefined;
  }

  #fileToAppendTo(): number {
    if (this.#current !== undefined && (this.sizes.get(this.#current) ?? 0) < FILE_BYTES)
      return this.#current;
    const file = Math.max(0, ...this.sizes.keys()) + 1;
    this.#open.set(file, fs.openSync(this.#path(file), 'wx+'));
    this.sizes.set(file, 0);
    const directory = fs.openSync(this.directory, 'r');
    fs.fsyncSync(directory);
    fs.closeSync(directory);
    return (this.#current = file);
  }

  /** A buffer that nobody else will write to. */
  #room(bytes: number): Buffer {
    if (bytes > BLOCK_BYTES / 4) return Buffer.allocUnsafeSlow(bytes);
    if (bytes > this.#block.length) this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    const room = this.#block.subarray(0, bytes);
    this.#block = this.#block.subarray(bytes);
    return room;
  }

  #fd(file: number): number {
    const open = this.#open.get(file);
    if (open !== undefined) return open;
    const fd = fs.openSync(this.#path(file), 'r');
    this.#open.set(file, fd);
    return fd;
  }

  #path(file: number): string {
    return join(this.directory, `${String(file).padStart(6, '0')}.heap`);
  }
}

/** A full disk takes a part and says nothing; the next try says it. */
async function writeAll(fd: number, buffers: readonly Buffer[], at: number): Promise<void> {
  let left = [...buffers];
  for (let offset = at; left.length > 0;) {
    const { bytesWritten } = await writev(fd, left, offset);
    offset += bytesWritten;
    let done = bytesWritten;
    const whole = left.findIndex((buffer) => (done -= buffer.length) < 0);
    const cut = left[whole];
    left = whole < 0 || !cut ? [] : [cut.subarray(cut.length + done), ...left.slice(whole + 1)];
  }
}
