/**
 * A run: rows of the base in the order of revisions, in a file of its own.
 *
 *     main 8, sub 4, flags 1, length 4, check 8, KeyValue message       one row behind the other
 *
 * A row's check covers its head and its message. What is behind the last row of a run, or before its first,
 * nothing tells: the index has each row's place (layout.ts), and the sum of all rows' checks.
 *
 * Why rows may lie by key: a Range does not show the order inside a revision, so where only a Range has
 * seen a row nobody can know it, and key order makes the base from pages and the base from a
 * snapshot the same, byte for byte.
 *
 * Rows are views of bytes that are used again. 100,000 objects a second that live for as long as a run is
 * gathered cost more than all that is done with them, and so does fresh memory for each run.
 */
import { keyOf } from '../mvcc/keyvalue.js';
import type { Record } from '../mvcc/record.js';
import { readUint64, writeUint64, type Revision } from '../mvcc/revision.js';
import { digest } from '../mvcc/tally.js';

/** A row of the base. */
export interface BaseRow extends Omit<Record, 'key'> {
  /** Its sub is not known: inside its revision it lies by key. */
  byKey: boolean;
}

/** Where a row lies: number of the file, byte offset and length. */
export interface Place {
  file: number;
  offset: number;
  bytes: number;
}

const HEAD_BYTES = 25;
const CHECK_AT = 17;
const FLAG_TOMBSTONE = 1;
const FLAG_BY_KEY = 2;

/** Bytes that a row takes in a run. */
export function runBytes({ bytes }: Pick<Record, 'bytes'>): number {
  return HEAD_BYTES + bytes.length;
}

/**
 * Writes a row at `at`; there must be room for it.
 * @returns the digest of its message (mvcc/tally.ts)
 */
export function encodeRunRow(row: BaseRow, into: Buffer, at: number): bigint {
  writeUint64(into, row.main, at);
  into.writeUInt32BE(row.sub, at + 8);
  into[at + 12] = (row.tombstone ? FLAG_TOMBSTONE : 0) | (row.byKey ? FLAG_BY_KEY : 0);
  into.writeUInt32BE(row.bytes.length, at + 13);
  into.set(row.bytes, at + HEAD_BYTES);
  const ofMessage = digest(row.bytes);
  const check = digest(into.subarray(at, at + CHECK_AT), ofMessage);
  into.writeBigUInt64BE(check, at + CHECK_AT);
  return ofMessage;
}

/** Bytes of the row that begins at `at`; undefined where not even its head is there. */
export function rowBytesAt(bytes: Buffer, at: number): number | undefined {
  return at + HEAD_BYTES > bytes.length ? undefined : HEAD_BYTES + bytes.readUInt32BE(at + 13);
}

/** A row as it lies in a run: a view of `run`, which must not change while it is used. */
export class RunRow implements BaseRow, Record {
  readonly main: Revision;
  readonly bytes: Buffer;

  /**
   * @param at where in `run` it begins; its head and as many bytes as that says must be there
   * @param file number of the file, and where in it `run` begins
   */
  constructor(
    private readonly run: Buffer,
    private readonly at: number,
    private readonly file: number,
    private readonly begins: number,
  ) {
    this.main = readUint64(run, at);
    this.bytes = run.subarray(at + HEAD_BYTES, at + HEAD_BYTES + run.readUInt32BE(at + 13));
  }

  get sub(): number {
    return this.run.readUInt32BE(this.at + 8);
  }

  get tombstone(): boolean {
    return (this.#flags & FLAG_TOMBSTONE) !== 0;
  }

  get byKey(): boolean {
    return (this.#flags & FLAG_BY_KEY) !== 0;
  }

  get key(): Buffer {
    return keyOf(this.bytes);
  }

  get check(): bigint {
    return this.run.readBigUInt64BE(this.at + CHECK_AT);
  }

  get place(): Place {
    return { file: this.file, offset: this.begins + this.at, bytes: runBytes(this) };
  }

  /** Whether it is as it was written. */
  get isSound(): boolean {
    const head = this.run.subarray(this.at, this.at + CHECK_AT);
    return digest(head, digest(this.bytes)) === this.check;
  }

  get #flags(): number {
    return this.run[this.at + 12] ?? 0;
  }
}

/** By revision; inside one by key, or by sub where that is known. */
export function byRevision(a: RunRow, b: RunRow): number {
  if (a.main !== b.main) return a.main - b.main;
  return (a.byKey ? a.key.compare(b.key) : 0) || a.sub - b.sub;
}
