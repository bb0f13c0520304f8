/**
 * How the journal lies in LevelDB.
 *
 *     m                                    → check 8, state as JSON
 *     p                                    → mark: position 8, last revision 8, rows 8, sum 8, check 8
 *     r <main 8> 00 <key, escaped> <sub 4>  → row of the base, at or below its compact revision
 *     r <main 8> 01 <sub 4>                 → any other row
 *     k <length 4> <key> <main 8> <sub 4>   → flags 1, digest 8, check of the row 8, place, check 8
 *
 * A row is flags 1, check 8, where it is the first of a captured revision a link (the captured
 * revision before it 8, number of records 4), and the KeyValue message; where that lies in the heap
 * (heap.ts), its place there: file 4, offset 4, length 4. `r` gives the rows in the order of
 * revisions, `k` the rows of one key. All numbers are big-endian, so that LevelDB's byte order is
 * theirs.
 *
 * The checks are there because LevelDB verifies nothing that it reads through this binding, and
 * leaves out what it cannot parse: a changed byte in a table is returned as it is, and one in its log
 * makes a batch vanish from the middle. A row's check covers its key, its value and its message
 * wherever that lies; links and the sum of all rows' checks, kept in the mark, tell when a row is
 * missing.
 *
 * Why rows of the base lie by key: a Range does not show the order inside a revision, so where only
 * a Range has seen a row nobody can know it, and key order makes the base from pages and the base
 * from a snapshot the same, byte for byte.
 */
import { keyOf } from '../mvcc/keyvalue.js';
import type { Record } from '../mvcc/record.js';
import { readUint64, writeUint64, type Revision } from '../mvcc/revision.js';
import { digest } from '../mvcc/tally.js';
import type { Place } from './heap.js';

export const STATE_KEY = Buffer.from('m');
export const MARK_KEY = Buffer.from('p');

const ROW = 0x72;
const INDEX = 0x6b;
const BY_KEY = 0;
const BY_SUB = 1;

const FLAG_TOMBSTONE = 1;
const FLAG_BY_KEY = 2;
const FLAG_LINK = 4;
const FLAG_HEAP = 8;
const CHECK_BYTES = 8;
const LINK_BYTES = 12;
const PLACE_BYTES = 12;

/** A row about to be stored; `byKey` says that its sub is not known. */
export interface Row extends Record {
  byKey: boolean;
  /** Where its message lies in the heap; undefined for one that is stored with the row itself. */
  place?: Place | undefined;
}

/** The message at a place in the heap; undefined where there are no such bytes. */
export type ReadPlace = (place: Place) => Buffer | undefined;

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

export function rowKey({ main, sub, key, byKey }: Omit<Row, 'bytes' | 'tombstone'>): Buffer {
  const name = byKey ? escape(key) : EMPTY;
  const out = Buffer.allocUnsafe(10 + name.length + 4);
  out[0] = ROW;
  writeUint64(out, main, 1);
  out[9] = byKey ? BY_KEY : BY_SUB;
  out.set(name, 10);
  out.writeUInt32BE(sub, 10 + name.length);
  return out;
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
  const headBytes = 1 + CHECK_BYTES + (link ? LINK_BYTES : 0);
  const inline = row.place ? PLACE_BYTES : row.bytes.length;
  const value = Buffer.allocUnsafe(headBytes + inline);
  value.fill(0, 0, headBytes);
  value[0] = flagsOf(row) | (link ? FLAG_LINK : 0);
  if (link) {
    writeUint64(value, link.previous, 1 + CHECK_BYTES);
    value.writeUInt32BE(link.records, 9 + CHECK_BYTES);
  }
  if (row.place) writePlace(value, row.place, headBytes);
  else value.set(row.bytes, headBytes);
  const check = row.place ? checkOf(key, value, row.bytes) : checkOf(key, value);
  value.writeBigUInt64BE(check, 1);
  return { key, value, check };
}

/** The inverse; undefined for a row that is not as it was stored. Its sub is left to the reader. */
export function decodeRow(
  key: Buffer,
  value: Buffer,
  readPlace: ReadPlace,
):
  | { row: Omit<Record, 'sub'>; link: Link | undefined; place: Place | undefined; check: bigint }
  | undefined {
  const flags = value[0] ?? 0;
  const linked = (flags & FLAG_LINK) !== 0;
  const headBytes = 1 + CHECK_BYTES + (linked ? LINK_BYTES : 0);
  const inHeap = (flags & FLAG_HEAP) !== 0;
  if (value.length < headBytes + (inHeap ? PLACE_BYTES : 0)) return undefined;
  const check = value.readBigUInt64BE(1);
  const place = inHeap ? placeAt(value, headBytes) : undefined;
  const bytes = place ? readPlace(place) : value.subarray(headBytes);
  // The value is this reader's own copy; the check is taken as it was when it was computed.
  value.fill(0, 1, 1 + CHECK_BYTES);
  if (!bytes || (place ? checkOf(key, value, bytes) : checkOf(key, value)) !== check)
    return undefined;
  const tombstone = (flags & FLAG_TOMBSTONE) !== 0;
  return {
    row: { main: readUint64(key, 1), tombstone, key: keyOf(bytes), bytes },
    link: linked
      ? {
          previous: readUint64(value, 1 + CHECK_BYTES),
          records: value.readUInt32BE(9 + CHECK_BYTES),
        }
      : undefined,
    place,
    check,
  };
}

export function indexKey(key: Buffer, main: Revision, sub: number): Buffer {
  const out = Buffer.allocUnsafe(1 + 4 + key.length + 12);
  out[0] = INDEX;
  out.writeUInt32BE(key.length, 1);
  out.set(key, 5);
  writeUint64(out, main, 5 + key.length);
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
  /** Where the message lies, if that is in the heap. */
  place: Place | undefined;
}

/** Flags, digest, the row's check; a place may follow, and the entry's own check does. */
const INDEX_HEAD_BYTES = 17;

export function encodeIndex(row: Row, rowCheck: bigint): { key: Buffer; value: Buffer } {
  const key = indexKey(row.key, row.main, row.sub);
  const body = INDEX_HEAD_BYTES + (row.place ? PLACE_BYTES : 0);
  const out = Buffer.allocUnsafe(body + CHECK_BYTES);
  out[0] = flagsOf(row);
  out.writeBigUInt64BE(row.tombstone ? 0n : digest(row.bytes), 1);
  out.writeBigUInt64BE(rowCheck, 9);
  if (row.place) writePlace(out, row.place, INDEX_HEAD_BYTES);
  out.writeBigUInt64BE(checkOf(key, out.subarray(0, body)), body);
  return { key, value: out };
}

/** The inverse; undefined for an entry that is not as it was stored. */
export function decodeIndex(key: Buffer, value: Buffer): IndexEntry | undefined {
  const flags = value[0] ?? 0;
  const inHeap = (flags & FLAG_HEAP) !== 0;
  const body = INDEX_HEAD_BYTES + (inHeap ? PLACE_BYTES : 0);
  if (value.length !== body + CHECK_BYTES) return undefined;
  if (checkOf(key, value.subarray(0, body)) !== value.readBigUInt64BE(body)) return undefined;
  const length = key.readUInt32BE(1);
  return {
    key: key.subarray(5, 5 + length),
    main: readUint64(key, 5 + length),
    sub: key.readUInt32BE(13 + length),
    tombstone: (flags & FLAG_TOMBSTONE) !== 0,
    byKey: (flags & FLAG_BY_KEY) !== 0,
    digest: value.readBigUInt64BE(1),
    check: value.readBigUInt64BE(9),
    place: inHeap ? placeAt(value, INDEX_HEAD_BYTES) : undefined,
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
  return (
    (row.tombstone ? FLAG_TOMBSTONE : 0) |
    (row.byKey ? FLAG_BY_KEY : 0) |
    (row.place ? FLAG_HEAP : 0)
  );
}

function writePlace(out: Buffer, { file, offset, bytes }: Place, at: number): void {
  out.writeUInt32BE(file, at);
  out.writeUInt32BE(offset, at + 4);
  out.writeUInt32BE(bytes, at + 8);
}

function placeAt(value: Buffer, at: number): Place {
  return {
    file: value.readUInt32BE(at),
    offset: value.readUInt32BE(at + 4),
    bytes: value.readUInt32BE(at + 8),
  };
}

const EMPTY = Buffer.alloc(0);
const KEY_END = Buffer.from([0, 1]);

/** Keeps the order of keys and marks their end, so that a sub can stand behind. */
function escape(key: Buffer): Buffer {
  if (!key.includes(0)) return Buffer.concat([key, KEY_END]);
  const out: number[] = [];
  for (const byte of key) out.push(...(byte === 0 ? [0, 0xff] : [byte]));
  return Buffer.concat([Buffer.from(out), KEY_END]);
}
