/** Rows of the base in memory, until there are enough of them for a run. */
import type { IndexEntry } from './layout.js';
import { byRevision, encodeRunRow, runBytes, RunRow, type BaseRow } from './run.js';

/** Of rows that are gathered before they are written. */
export const RUN_BYTES = 8 * 1024 * 1024;
/** Behind the row that fills it there may be the rest of a page, of 2 MiB as a rule (source/pages.ts). */
const ROOM_BYTES = RUN_BYTES + 2 * 1024 * 1024;
const FIRST_ROOM_BYTES = 256 * 1024;

export class RunBuffer {
  #rows = Buffer.alloc(0);
  #bytes = 0;
  /** In the order in which they came: where each begins, and the digest of its message. */
  #added: { start: number; digest: bigint }[] = [];

  /** Those rows. */
  static of(rows: readonly BaseRow[]): RunBuffer {
    const buffer = new RunBuffer();
    for (const row of rows) buffer.add(row);
    return buffer;
  }

  /** Copies the row. */
  add(row: BaseRow): void {
    const end = this.#bytes + runBytes(row);
    if (end > this.#rows.length) this.#grow(end);
    const digest = encodeRunRow(row, this.#rows, this.#bytes);
    this.#added.push({ start: this.#bytes, digest });
    this.#bytes = end;
  }

  /** Of its rows, as a run has them. */
  get bytes(): number {
    return this.#bytes;
  }

  get isFull(): boolean {
    return this.#bytes >= RUN_BYTES;
  }

  /** Empty again, with its memory. */
  clear(): void {
    this.#bytes = 0;
    this.#added = [];
  }

  /**
   * Copies its rows in the order of revisions.
   * @param into at least {@link bytes} long
   * @returns where each row has come to, in the order in which they came in
   */
  sortInto(into: Buffer): number[] {
    const rows = this.#added.map(({ start }, nth) => ({ nth, start, row: this.#row(start) }));
    rows.sort((a, b) => byRevision(a.row, b.row));
    const offsets = new Array<number>(rows.length);
    let end = 0;
    for (const { nth, start, row } of rows) {
      offsets[nth] = end;
      end += this.#rows.copy(into, end, start, start + runBytes(row));
    }
    return offsets;
  }

  /** What the index has of its rows, in the order in which they came; keys are views of this memory. */
  *entries(file: number, offsets: readonly number[]): Generator<IndexEntry> {
    for (const [nth, offset] of offsets.entries()) {
      const added = this.#added[nth];
      if (!added) throw new Error('it has been cleared');
      const row = this.#row(added.start);
      const { key, main, sub, tombstone, check } = row;
      const digest = tombstone ? 0n : added.digest;
      const place = { file, offset, bytes: runBytes(row) };
      yield { key, main, sub, tombstone, digest, check, place };
    }
  }

  #row(start: number): RunRow {
    return new RunRow(this.#rows, start, 0, 0);
  }

  #grow(bytes: number): void {
    const room = this.#rows.length < FIRST_ROOM_BYTES ? FIRST_ROOM_BYTES : ROOM_BYTES;
    // A page may be many times larger than meant: room for each row alone would copy all of them for each.
    const larger = Buffer.allocUnsafeSlow(bytes <= room ? room : Math.ceil(bytes * 1.25));
    this.#rows.copy(larger, 0, 0, this.#bytes);
    this.#rows = larger;
  }
}
