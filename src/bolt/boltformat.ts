/**
 * The bytes of a bbolt file, as far as they are needed here. All numbers are little-endian.
 *
 *     page      header, then a table of 16-byte elements, then keys and values; may go on over
 *               `overflow` more pages as if they were one
 *     header    id u64 · flags u16 · count u16 · overflow u32
 *     leaf      element: flags u32 (1 = the value is a bucket) · pos u32 · ksize u32 · vsize u32
 *     branch    element: pos u32 · ksize u32 · child page u64
 *     meta      magic u32 · version u32 · page size u32 · flags u32 · root bucket · freelist page u64
 *               · high water u64 · txid u64 · checksum u64 (fnv64a of all before it)
 *     bucket    root page u64 · sequence u64; root 0: the bucket's only page follows right behind
 *
 * `pos` counts from the start of its own element.
 */

export const PAGE_BRANCH = 0x01;
export const PAGE_LEAF = 0x02;
export const PAGE_META = 0x04;
export const PAGE_FREELIST = 0x10;

export const HEADER_BYTES = 16;
/** Of leaf and branch pages alike. */
export const ELEMENT_BYTES = 16;
export const BUCKET_BYTES = 16;
/** A meta page's content, behind its page header. */
export const META_BYTES = 64;

export const ELEMENT_VALUE = 0;
export const ELEMENT_BUCKET = 1;

export const MIN_PAGE_SIZE = 512;
export const MAX_PAGE_SIZE = 65536;

/** bbolt's own limit. */
export const MAX_KEY_BYTES = 32768;
/** What a leaf with its overflow may take, so that a damaged `overflow` cannot eat the memory. */
export const MAX_LEAF_BYTES = 256 * 1024 * 1024;
/** The same for a branch, which holds keys only: bbolt splits it at the latest after four. */
export const MAX_BRANCH_BYTES = 1024 * 1024;

const META_MAGIC = 0xed0cdaed;
const META_VERSION = 2;
const META_CHECKSUM_AT = 56;

interface PageHeader {
  id: number;
  flags: number;
  count: number;
  /** Number of pages behind the first one that belong to it. */
  overflow: number;
}

export interface Meta {
  pageSize: number;
  /** Root page of the bucket that holds the buckets. */
  root: number;
  freelist: number;
  /** Number of pages in use, and so the first page id that is not. */
  highWater: number;
  txid: number;
}

/**
 * Reads a u64 as a number. From 2^53 on it is inexact but stays that large, so comparing it with a
 * limit, or asking Number.isSafeInteger, still tells.
 */
export function readU64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

/** Writes a safe integer as a u64. */
export function writeU64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % 2 ** 32, at);
  bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

export function readHeader(page: Buffer): PageHeader {
  return {
    id: readU64(page, 0),
    flags: page.readUInt16LE(8),
    count: page.readUInt16LE(10),
    overflow: page.readUInt32LE(12),
  };
}

export function encodeHeader(header: PageHeader): Buffer {
  const out = Buffer.alloc(HEADER_BYTES);
  writeU64(out, header.id, 0);
  out.writeUInt16LE(header.flags, 8);
  out.writeUInt16LE(header.count, 10);
  out.writeUInt32LE(header.overflow, 12);
  return out;
}

/** The value under which the root bucket keeps a bucket. */
export function encodeBucket(root: number): Buffer {
  const out = Buffer.alloc(BUCKET_BYTES);
  writeU64(out, root, 0);
  return out;
}

/** Reads {@link META_BYTES} bytes; undefined for what is no valid meta. */
export function decodeMeta(bytes: Buffer): Meta | undefined {
  if (bytes.readUInt32LE(0) !== META_MAGIC || bytes.readUInt32LE(4) !== META_VERSION) return;
  if (bytes.readBigUInt64LE(META_CHECKSUM_AT) !== metaChecksum(bytes)) return;
  const meta: Meta = {
    pageSize: bytes.readUInt32LE(8),
    root: readU64(bytes, 16),
    // A db written without a freelist says 2^64-1 here. No reader needs it.
    freelist: readU64(bytes, 32),
    highWater: readU64(bytes, 40),
    txid: readU64(bytes, 48),
  };
  const sane =
    isPageSize(meta.pageSize) &&
    Number.isSafeInteger(meta.highWater) &&
    Number.isSafeInteger(meta.txid);
  return sane ? meta : undefined;
}

export function encodeMeta(meta: Meta): Buffer {
  const out = Buffer.alloc(META_BYTES);
  out.writeUInt32LE(META_MAGIC, 0);
  out.writeUInt32LE(META_VERSION, 4);
  out.writeUInt32LE(meta.pageSize, 8);
  writeU64(out, meta.root, 16);
  writeU64(out, meta.freelist, 32);
  writeU64(out, meta.highWater, 40);
  writeU64(out, meta.txid, 48);
  out.writeBigUInt64LE(metaChecksum(out), META_CHECKSUM_AT);
  return out;
}

function isPageSize(n: number): boolean {
  return n >= MIN_PAGE_SIZE && n <= MAX_PAGE_SIZE && (n & (n - 1)) === 0;
}

/** fnv64a over the meta's bytes before the checksum. */
function metaChecksum(meta: Buffer): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of meta.subarray(0, META_CHECKSUM_AT)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash;
}
