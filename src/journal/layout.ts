/**
 * How the journal lies in LevelDB.
 *
 *     m                                    → check 8, state as JSON
 *     p                                    → mark: position 8, last revision 8, rows 8, sum 8, check 8
 *     r <main 8> 00 <key, escaped> <sub 4>  → row of the base, at or below its compact revision
 *     r <main 8> 01 <sub 4>                 → any other row
 *     k <length 4> <key> <main 8> <sub 4>   → flags 1, digest 8, check of the row 8, check 8
 *
 * A row is flags 1, check 8, where it is the first of a captured revision a link (the captured
 * revision before it 8, number of records 4), and the KeyValue message. `r` gives the rows in the
 * order of revisions, `k` the rows of one key. All numbers are big-endian, so that LevelDB's byte
 * order is theirs.
 *
 * The checks are there because LevelDB verifies nothing that it reads through this binding, and
 * leaves out what it cannot parse: a changed byte in a table is returned as it is, and one in its log
 * makes a batch vanish from the middle. A row's check covers its key and value; links and the sum of
 * all rows' checks, kept in the mark, tell when a row is missing.
 *
 * Why rows of the base lie by key: a Range does not show the order inside a revision, so where only
 * a Range has seen a row nobody can know it, and key order makes the base from pages and the base
 * from a snapshot the same, byte for byte.
 */
import { keyOf } from '../mvcc/keyvalue.js';
import type { Record } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { digest } from '../mvcc/tally.js';

export const STATE_KEY = Buffer.from('m');
export const MARK_KEY = Buffer.from('p');

const ROW = 0x72;
const INDEX = 0x6b;
const BY_KEY = 0;
const BY_SUB = 1;

const FLAG_TOMBSTONE = 1;
const FLAG_BY_KEY = 2;
const FLAG_LINK = 4;
const CHECK_BYTES = 8;
const LINK_BYTES = 12;

/** A row about to be stored; `byKey` says that its sub is not known. */
export interface Row extends Record {
  byKey: boolean;
}

/** On the first row of each captured revision. */
export interface Link {
  /** The captured revision before this one; 0 before the first. */
  previous: Revision;
  /** Records of this revision. */
  records: number;
}

/** What the journal must hold: all rows, and where it stands. Written with every batch. */
export interface Mark {
  position: Revision;
  /** The last captured revision that has records; 0 before the first. */
  lastRevision: Revision;
  rows: number;
  /** Sum of the rows' checks modulo 2^64. */
  sum: bigint;
}

export function rowKey(row: Pick<Row, 'main' | 'sub' | 'key' | 'byKey'>): Buffer {
  const head = Buffer.allocUnsafe(10);
  head[0] = ROW;
  head.writeBigUInt64BE(BigInt(row.main), 1);
  head[9] = row.byKey ? BY_KEY : BY_SUB;
  return Buffer.concat(
    row.byKey ? [head, escape(row.key), uint32(row.sub)] : [head, uint32(row.sub)],
  );
}

/** The smallest possible key of a row at `main`. */
export function rowBound(main: Revision): Buffer {
  const out = Buffer.allocUnsafe(9);
  out[0] = ROW;
  out.writeBigUInt64BE(BigInt(main), 1);
  return out;
}

/** A row as it is stored, and its check. */
export function encodeRow(row: Row, link?: Link): { key: Buffer; value: Buffer; check: bigint } {
  const key = rowKey(row);
  const head = Buffer.alloc(1 + CHECK_BYTES + (link ? LINK_BYTES : 0));
  head[0] = flagsOf(row) | (link ? FLAG_LINK : 0);
  if (link) {
    head.writeBigUInt64BE(BigInt(link.previous), 1 + CHECK_BYTES);
    head.writeUInt32BE(link.records, 9 + CHECK_BYTES);
  }
  const check = checkOf(key, head, row.bytes);
  head.writeBigUInt64BE(check, 1);
  return { key, value: Buffer.concat([head, row.bytes]), check };
}

/** The inverse; undefined for a row that is not as it was stored. Its sub is left to the reader. */
export function decodeRow(
  key: Buffer,
  value: Buffer,
): { row: Omit<Record, 'sub'>; link: Link | undefined; check: bigint } | undefined {
  const flags = value[0] ?? 0;
  const linked = (flags & FLAG_LINK) !== 0;
  const headBytes = 1 + CHECK_BYTES + (linked ? LINK_BYTES : 0);
  if (value.length < headBytes) return undefined;
  const head = Buffer.from(value.subarray(0, headBytes));
  const bytes = value.subarray(headBytes);
  const check = head.readBigUInt64BE(1);
  head.fill(0, 1, 1 + CHECK_BYTES);
  if (checkOf(key, head, bytes) !== check) return undefined;
  return {
    row: {
      main: Number(key.readBigUInt64BE(1)),
      tombstone: (flags & FLAG_TOMBSTONE) !== 0,
      key: keyOf(bytes),
      bytes,
    },
    link: linked
      ? {
          previous: Number(head.readBigUInt64BE(1 + CHECK_BYTES)),
          records: head.readUInt32BE(9 + CHECK_BYTES),
        }
      : undefined,
    check,
  };
}

export function indexKey(key: Buffer, main: Revision, sub: number): Buffer {
  const out = Buffer.allocUnsafe(1 + 4 + key.length + 12);
  out[0] = INDEX;
  out.writeUInt32BE(key.length, 1);
  key.copy(out, 5);
  out.writeBigUInt64BE(BigInt(main), 5 + key.length);
  out.writeUInt32BE(sub, 13 + key.length);
  return out;
}

export interface IndexEntry {
  key: Buffer;
  main: Revision;
  sub: number;
  tombstone: boolean;
  byKey: boolean;
  /** Of the KeyValue message (mvcc/tally.ts); 0 in a tombstone. */
  digest: bigint;
  /** The row's check. */
  check: bigint;
}

export function encodeIndex(row: Row, rowCheck: bigint): { key: Buffer; value: Buffer } {
  const key = indexKey(row.key, row.main, row.sub);
  const out = Buffer.allocUnsafe(25);
  out[0] = flagsOf(row);
  out.writeBigUInt64BE(row.tombstone ? 0n : digest(row.bytes), 1);
  out.writeBigUInt64BE(rowCheck, 9);
  out.writeBigUInt64BE(checkOf(key, out.subarray(0, 17)), 17);
  return { key, value: out };
}

/** The inverse; undefined for an entry that is not as it was stored. */
export function decodeIndex(key: Buffer, value: Buffer): IndexEntry | undefined {
  if (value.length !== 25) return undefined;
  if (checkOf(key, value.subarray(0, 17)) !== value.readBigUInt64BE(17)) return undefined;
  const length = key.readUInt32BE(1);
  const flags = value[0] ?? 0;
  return {
    key: key.subarray(5, 5 + length),
    main: Number(key.readBigUInt64BE(5 + length)),
    sub: key.readUInt32BE(13 + length),
    tombstone: (flags & FLAG_TOMBSTONE) !== 0,
    byKey: (flags & FLAG_BY_KEY) !== 0,
    digest: value.readBigUInt64BE(1),
    check: value.readBigUInt64BE(9),
  };
}

export function encodeMark({ position, lastRevision, rows, sum }: Mark): Buffer {
  const out = Buffer.allocUnsafe(40);
  out.writeBigUInt64BE(BigInt(position), 0);
  out.writeBigUInt64BE(BigInt(lastRevision), 8);
  out.writeBigUInt64BE(BigInt(rows), 16);
  out.writeBigUInt64BE(sum, 24);
  out.writeBigUInt64BE(checkOf(MARK_KEY, out.subarray(0, 32)), 32);
  return out;
}

/** The inverse; undefined for one that is not as it was stored. */
export function decodeMark(value: Buffer): Mark | undefined {
  if (value.length !== 40) return undefined;
  if (checkOf(MARK_KEY, value.subarray(0, 32)) !== value.readBigUInt64BE(32)) return undefined;
  return {
    position: Number(value.readBigUInt64BE(0)),
    lastRevision: Number(value.readBigUInt64BE(8)),
    rows: Number(value.readBigUInt64BE(16)),
    sum: value.readBigUInt64BE(24),
  };
}

export function encodeState(state: object): Buffer {
  const json = Buffer.from(JSON.stringify(state));
  const check = Buffer.allocUnsafe(CHECK_BYTES);
  check.writeBigUInt64BE(checkOf(STATE_KEY, json));
  return Buffer.concat([check, json]);
}

/** The inverse; undefined for one that is not as it was stored. */
export function decodeState(value: Buffer): unknown {
  if (value.length < CHECK_BYTES) return undefined;
  const json = value.subarray(CHECK_BYTES);
  if (checkOf(STATE_KEY, json) !== value.readBigUInt64BE(0)) return undefined;
  return JSON.parse(json.toString());
}

/** The whole index. */
export const INDEX_BOUNDS = { gte: Buffer.from([INDEX]), lt: Buffer.from([INDEX + 1]) };

/** A hash of all parts together: each is hashed with the hash before it as its seed. */
function checkOf(...parts: Buffer[]): bigint {
  return parts.reduce((seed, part) => digest(part, seed), 0n);
}

function flagsOf(row: Row): number {
  return (row.tombstone ? FLAG_TOMBSTONE : 0) | (row.byKey ? FLAG_BY_KEY : 0);
}

/** Keeps the order of keys and marks their end, so that a sub can stand behind. */
function escape(key: Buffer): Buffer {
  const out: number[] = [];
  for (const byte of key) out.push(...(byte === 0 ? [0, 0xff] : [byte]));
  out.push(0, 1);
  return Buffer.from(out);
}

function uint32(n: number): Buffer {
  const out = Buffer.allocUnsafe(4);
  out.writeUInt32BE(n);
  return out;
}
