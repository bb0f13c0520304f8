/**
 * A run, read from its beginning while it is merged with others: some rows at a time, and what comes next is
 * read ahead. Two buffers take turns, so rows are good until {@link RunReader.more}.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { rowBytesAt, RunRow } from './run.js';

/** Which of some rows of a run still count. */
export type Living = (rows: readonly RunRow[]) => Promise<readonly RunRow[]>;

/** What was read at once. */
interface Block {
  bytes: Buffer;
  /** Where in the file it begins. */
  begins: number;
  /** What the bytes lie in. */
  buffer: Buffer;
}

export class RunReader {
  #rows: readonly RunRow[] = [];
  #at = 0;
  /** Holds the rows that it gives now. */
  #used: Buffer = Buffer.alloc(0);
  /** Read ahead; what begins there is a whole row. */
  #ahead: Promise<Block>;

  private constructor(
    private readonly handle: FileHandle,
    /** Its number, and how long it is. */
    private readonly file: { number: number; bytes: number },
    private readonly step: number,
    private readonly living: Living | undefined,
  ) {
    this.#ahead = this.#read(0, step, this.#used);
  }

  /**
   * @param step bytes of one read, more where a row is larger
   * @param living undefined where all of it counts
   */
  static async open(
    path: string,
    file: { number: number; bytes: number },
    step: number,
    living: Living | undefined,
  ): Promise<RunReader> {
    return new RunReader(await open(path, 'r'), file, step, living);
  }

  /** The row that it stands at. */
  get row(): RunRow {
    const row = this.#rows[this.#at];
    if (!row) throw new Error('it stands behind its rows');
    return row;
  }

  /** Goes to the next row; false where {@link more} has to be asked first. */
  next(): boolean {
    return ++this.#at < this.#rows.length;
  }

  /**
   * Reads on, to the next row that counts.
   * @returns false behind the last one; undefined where something is not as it was written
   */
  async more(): Promise<boolean | undefined> {
    this.#at = 0;
    while (true) {
      const block = await this.#ahead;
      const { rows, end } = rowsOf(block, this.file.number);
      if (!rows.every((row) => row.isSound)) return undefined;
      const wanted = this.#wanted(block, end);
      if (wanted === undefined) return undefined;
      this.#ahead = this.#read(end, wanted, this.#used);
      this.#used = block.buffer;
      if (end === this.file.bytes && rows.length === 0) return false;
      this.#rows = this.living && rows.length > 0 ? await this.living(rows) : rows;
      if (this.#rows.length > 0) return true;
    }
  }

  /** Bytes of the next read; undefined where what begins at `end` is no row. */
  #wanted(block: Block, end: number): number | undefined {
    if (end > block.begins) return this.step;
    const left = this.file.bytes - end;
    if (left === 0) return 0;
    // Not even one: it is larger than what was read, or none at all.
    const wanted = rowBytesAt(block.bytes, 0) ?? Infinity;
    return wanted <= left && wanted > block.bytes.length ? wanted : undefined;
  }

  async close(): Promise<void> {
    await this.#ahead.catch(() => undefined);
    await this.handle.close();
  }

  /** @param into a buffer that nobody needs; another one is made where it is too small */
  #read(begins: number, wanted: number, into: Buffer): Promise<Block> {
    const length = Math.min(wanted, this.file.bytes - begins);
    const buffer = into.length < length ? Buffer.allocUnsafeSlow(length) : into;
    const read = this.#fill(buffer.subarray(0, length), begins);
    const block = read.then((bytes) => ({ bytes, begins, buffer }));
    // Its failure is thrown when it is its turn.
    block.catch(() => undefined);
    return block;
  }

  /** As much as there is. */
  async #fill(bytes: Buffer, begins: number): Promise<Buffer> {
    for (let at = 0; at < bytes.length;) {
      const { bytesRead } = await this.handle.read(bytes, at, bytes.length - at, begins + at);
      if (bytesRead === 0) return bytes.subarray(0, at);
      at += bytesRead;
    }
    return bytes;
  }
}

/** The whole rows in a block, and where in the file they end. */
function rowsOf({ bytes, begins }: Block, file: number): { rows: RunRow[]; end: number } {
  const rows: RunRow[] = [];
  for (let at = 0; ;) {
    const size = rowBytesAt(bytes, at);
    if (size === undefined || at + size > bytes.length) return { rows, end: begins + at };
    rows.push(new RunRow(bytes, at, file, begins));
    at += size;
  }
}
