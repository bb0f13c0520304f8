/**
 * Revisions and the bytes under which etcd's `key` bucket stores them.
 *
 * A row's key is 8 bytes of main revision, `_`, 8 bytes of sub revision, all big-endian; a
 * tombstone has a `t` behind it (etcd: server/storage/mvcc/revision.go).
 */
import { LockstepError } from '../errors.js';

/** etcd's main revision: a whole number from 1 to 2^53 - 1 (checked wherever one comes in). */
export type Revision = number;

/** A row's place: the revision and its order inside it. */
export interface RowRevision {
  main: Revision;
  sub: number;
  tombstone: boolean;
}

const REVISION_BYTES = 17;
const TOMBSTONE_BYTES = REVISION_BYTES + 1;
const UNDERSCORE = 0x5f;
const MARK_TOMBSTONE = 0x74;

/**
 * Asserts that a revision from outside fits a JavaScript number without loss.
 * @throws LockstepError ETCD for what is no safe integer or negative.
 */
export function safeRevision(value: number | bigint | { low: number; high: number }): Revision {
  const n = typeof value === 'object' ? value.high * 2 ** 32 + (value.low >>> 0) : Number(value);
  if (!Number.isSafeInteger(n) || n < 0) {
    throw new LockstepError('ETCD', `revision ${n} is outside 0 … 2^53-1`);
  }
  return n;
}

/** The bytes of a row's key in the `key` bucket. */
export function encodeRevision(main: Revision, sub: number, tombstone = false): Buffer {
  const out = Buffer.allocUnsafe(tombstone ? TOMBSTONE_BYTES : REVISION_BYTES);
  writeUint64(out, main, 0);
  out[8] = UNDERSCORE;
  writeUint64(out, sub, 9);
  if (tombstone) out[REVISION_BYTES] = MARK_TOMBSTONE;
  return out;
}

/** The inverse of {@link encodeRevision}; undefined for bytes that are no revision. */
export function decodeRevision(bytes: Buffer): RowRevision | undefined {
  const tombstone = bytes.length === TOMBSTONE_BYTES;
  if (bytes.length !== REVISION_BYTES && !tombstone) return undefined;
  if (bytes[8] !== UNDERSCORE || (tombstone && bytes[REVISION_BYTES] !== MARK_TOMBSTONE))
    return undefined;
  const main = readUint64(bytes, 0);
  const sub = readUint64(bytes, 9);
  if (main > Number.MAX_SAFE_INTEGER || sub > Number.MAX_SAFE_INTEGER) return undefined;
  return { main, sub, tombstone };
}

/** Writes a safe integer, several times faster than by way of a bigint. */
export function writeUint64(out: Buffer, n: number, at: number): void {
  out.writeUInt32BE(Math.floor(n / 2 ** 32), at);
  out.writeUInt32BE(n % 2 ** 32, at + 4);
}

/** The inverse; inexact from 2^53 on, but never below it then. */
export function readUint64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}
