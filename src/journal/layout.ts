/**
 * How the journal lies in LevelDB.
 *
 *     m                                  → identity and state, JSON
 *     p                                  → position, 8 bytes
 *     r <main 8> 00 <key>                → row; of the base, at or below its compact revision
 *     r <main 8> 01 <sub 4>              → row; any other
 *     k <length 4> <key> <main 8> <sub 4> → flags 1, digest 8
 *
 * `r` gives the rows in the order of revisions, `k` the rows of one key. All numbers are big-endian,
 * so that LevelDB's byte order is theirs. Row values carry a flag byte (1 = tombstone) in front of
 * the KeyValue message.
 *
 * Why rows of the base lie by key: a Range does not show the order inside a revision, so where only
 * a Range has seen a row nobody can know it, and key order makes the base from pages and the base
 * from a snapshot the same, byte for byte.
 */
import type { Record } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';

export const STATE_KEY = Buffer.from('m');
export const POSITION_KEY = Buffer.from('p');

const ROW = 0x72;
const INDEX = 0x6b;
const BY_KEY = 0;
const BY_SUB = 1;

export const FLAG_TOMBSTONE = 1;
const FLAG_BY_KEY = 2;

/** A row about to be stored; `byKey` says that its sub is not known. */
export interface Row extends Omit<Record, 'sub'> {
  sub: number;
  byKey: boolean;
}

export function rowKey(row: Pick<Row, 'main' | 'sub' | 'key' | 'byKey'>): Buffer {
  const tail = row.byKey ? row.key : uint32(row.sub);
  const head = Buffer.allocUnsafe(10);
  head[0] = ROW;
  head.writeBigUInt64BE(BigInt(row.main), 1);
  head[9] = row.byKey ? BY_KEY : BY_SUB;
  return Buffer.concat([head, tail]);
}

/** The smallest possible key of a row at `main`. */
export function rowBound(main: Revision): Buffer {
  return rowKey({ main, sub: 0, key: Buffer.alloc(0), byKey: true }).subarray(0, 9);
}

export function rowMain(key: Buffer): Revision {
  return Number(key.readBigUInt64BE(1));
}

export function rowValue(row: Row): Buffer {
  return Buffer.concat([Buffer.from([row.tombstone ? FLAG_TOMBSTONE : 0]), row.bytes]);
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

export function indexValue(row: Row, digestOfRow: bigint): Buffer {
  const out = Buffer.allocUnsafe(9);
  out[0] = (row.tombstone ? FLAG_TOMBSTONE : 0) | (row.byKey ? FLAG_BY_KEY : 0);
  out.writeBigUInt64BE(digestOfRow, 1);
  return out;
}

export interface IndexEntry {
  key: Buffer;
  main: Revision;
  sub: number;
  tombstone: boolean;
  byKey: boolean;
  digest: bigint;
}

export function readIndex(key: Buffer, value: Buffer): IndexEntry {
  const length = key.readUInt32BE(1);
  const flags = value[0] ?? 0;
  return {
    key: key.subarray(5, 5 + length),
    main: Number(key.readBigUInt64BE(5 + length)),
    sub: key.readUInt32BE(13 + length),
    tombstone: (flags & FLAG_TOMBSTONE) !== 0,
    byKey: (flags & FLAG_BY_KEY) !== 0,
    digest: value.readBigUInt64BE(1),
  };
}

/** The whole index. */
export const INDEX_BOUNDS = { gte: Buffer.from([INDEX]), lt: Buffer.from([INDEX + 1]) };

function uint32(n: number): Buffer {
  const out = Buffer.allocUnsafe(4);
  out.writeUInt32BE(n);
  return out;
}
