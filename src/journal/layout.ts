/**
 * How the journal lies in LevelDB.
 *
 *     m                                  → check 8, state as JSON
 *     p                                  → mark: position 8, last revision 8, rows 8, sum 8, check 8
 *     r <main 8> <sub 4>                 → row that came by the watch
 *     k <length 4> <key> <main 8> <sub 4> → flags 1, digest 8, check of the row 8, place, check 8
 *
 * A row is flags 1, check 8, where it is the first of a captured revision a link (the captured
 * revision before it 8, number of records 4), and the KeyValue message. `r` gives the rows in the order of
 * revisions, `k` the rows of one key. Rows of the base lie in runs (run.ts); `k` has them all the same, with
 * their place there: file 4, offset 4, length 4. All numbers are big-endian, so that LevelDB's byte order is
 * theirs.
 *
 * The checks are there because LevelDB verifies nothing that it reads through this binding, and
 * leaves out what it cannot parse: a changed byte in a table is returned as it is, and one in its log
 * makes a batch vanish from the middle. A row's check covers all of it; links and the sum of all rows'
 * checks, kept in the mark, tell when a row is missing.
 */
import { keyOf } from '../mvcc/keyvalue.js';
import type { Record } from '../mvcc/record.js';
import { readUint64, writeUint64, type Revision } from '../mvcc/revision.js';
import { digest } from '../mvcc/tally.js';
import type { Place } from './run.js';

export const STATE_KEY = Buffer.from('m');
export const MARK_KEY = Buffer.from('p');

const ROW = 0x72;
const INDEX = 0x6b;

const FLAG_TOMBSTONE = 1;
const FLAG_LINK = 2;
const FLAG_PLACE = 4;
const CHECK_BYTES = 8;
const LINK_BYTES = 12;
const PLACE_BYTES = 12;

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

export function rowKey(main: Revision, sub: number): Buffer {
  const out = Buffer.allocUnsafe(13);
  out[0] = ROW;
  writeUint64(out, main, 1);
  out.writeUInt32BE(sub, 9);
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
export function encodeRow(row: Record, link?: Link): { key: Buffer; value: Buffer; check: bigint } {
  const key = rowKey(row.main, row.sub);
  const headBytes = 1 + CHECK_BYTES + (link ? LINK_BYTES : 0);
  const value = Buffer.allocUnsafe(headBytes + row.bytes.length);
  value.fill(0, 0, headBytes);
  value[0] = (row.tombstone ? FLAG_TOMBSTONE : 0) | (link ? FLAG_LINK : 0);
  if (link) {
    writeUint64(value, link.previous, 1 + CHECK_BYTES);
    value.writeUInt32BE(link.records, 9 + CHECK_BYTES);
  }
  value.set(row.bytes, headBytes);
  const check = checkOf(key, value);
  value.writeBigUInt64BE(check, 1);
  return { key, value, check };
}

/** The inverse; undefined for a row that is not as it was stored. */
export function decodeRow(
  key: Buffer,
  value: Buffer,
): { row: Record; link: Link | undefined; check: bigint } | undefined {
  const flags = value[0] ?? 0;
  const linked = (flags & FLAG_LINK) !== 0;
  const headBytes = 1 + CHECK_BYTES + (linked ? LINK_BYTES : 0);
  if (key.length !== 13 || value.length < headBytes) return undefined;
  const check = value.readBigUInt64BE(1);
  // The value is this reader's own copy; the check is taken as it was when it was computed.
  value.fill(0, 1, 1 + CHECK_BYTES);
  if (checkOf(key, value) !== check) return undefined;
  const tombstone = (flags & FLAG_TOMBSTONE) !== 0;
  const bytes = value.subarray(headBytes);
  return {
    row: {
      main: readUint64(key, 1),
      sub: key.readUInt32BE(9),
      tombstone,
      key: keyOf(bytes),
      bytes,
    },
    link: linked
      ? {
          previous: readUint64(value, 1 + CHECK_BYTES),
          records: value.readUInt32BE(9 + CHECK_BYTES),
        }
      : undefined,
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

/** What the index knows of a row. */
export interface IndexEntry {
  key: Buffer;
  main: Revision;
  sub: number;
  tombstone: boolean;
  /** Of the KeyValue message (mvcc/tally.ts); 0 in a tombstone. */
  digest: bigint;
  /** The row's check. */
  check: bigint;
  /** Where it lies, if that is in a run. */
  place: Place | undefined;
}

/** Flags, digest, the row's check; a place may follow, and the entry's own check does. */
const INDEX_HEAD_BYTES = 17;

export function encodeIndex(entry: IndexEntry): { key: Buffer; value: Buffer } {
  const { place } = entry;
  const key = indexKey(entry.key, entry.main, entry.sub);
  const body = INDEX_HEAD_BYTES + (place ? PLACE_BYTES : 0);
  const out = Buffer.allocUnsafe(body + CHECK_BYTES);
  out[0] = (entry.tombstone ? FLAG_TOMBSTONE : 0) | (place ? FLAG_PLACE : 0);
  out.writeBigUInt64BE(entry.digest, 1);
  out.writeBigUInt64BE(entry.check, 9);
  if (place) {
    out.writeUInt32BE(place.file, INDEX_HEAD_BYTES);
    out.writeUInt32BE(place.offset, INDEX_HEAD_BYTES + 4);
    out.writeUInt32BE(place.bytes, INDEX_HEAD_BYTES + 8);
  }
  out.writeBigUInt64BE(checkOf(key, out.subarray(0, body)), body);
  return { key, value: out };
}

/** The inverse; undefined for an entry that is not as it was stored. */
export function decodeIndex(key: Buffer, value: Buffer): IndexEntry | undefined {
  const flags = value[0] ?? 0;
  const placed = (flags & FLAG_PLACE) !== 0;
  const body = INDEX_HEAD_BYTES + (placed ? PLACE_BYTES : 0);
  if (value.length !== body + CHECK_BYTES) return undefined;
  if (checkOf(key, value.subarray(0, body)) !== value.readBigUInt64BE(body)) return undefined;
  const length = key.readUInt32BE(1);
  return {
    key: key.subarray(5, 5 + length),
    main: readUint64(key, 5 + length),
    sub: key.readUInt32BE(13 + length),
    tombstone: (flags & FLAG_TOMBSTONE) !== 0,
    digest: value.readBigUInt64BE(1),
    check: value.readBigUInt64BE(9),
    place: placed
      ? {
          file: value.readUInt32BE(INDEX_HEAD_BYTES),
          offset: value.readUInt32BE(INDEX_HEAD_BYTES + 4),
          bytes: value.readUInt32BE(INDEX_HEAD_BYTES + 8),
        }
      : undefined,
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

/** No key lies there. */
export const BEHIND_ALL = Buffer.from([0xff]);

/** A hash of all parts together: each is hashed with the hash before it as its seed. */
function checkOf(...parts: Buffer[]): bigint {
  return parts.reduce((seed, part) => digest(part, seed), 0n);
}
