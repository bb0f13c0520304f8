/**
 * etcd's HashKV, computed from rows: CRC32-Castagnoli over the bucket's name and then each raw key
 * and value, in order (etcd: server/storage/mvcc/kvstore.go, hashByRev).
 */
import { decodeKeyValue } from './keyvalue.js';
import type { RawRow } from './rows.js';

/** Reflected polynomial of CRC32C. */
const POLYNOMIAL = 0x82f63b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, i) => {
  let crc = i;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  return crc;
});

/**
 * Rows above `revision` are skipped. Of those at or below the compact revision only the ones count
 * that are still their key's newest at `revision`: the others may or may not be gone already.
 */
export function hashKv(rows: readonly RawRow[], compactRevision: number, revision: number): number {
  const main = (row: RawRow) => Number(row.key.readBigUInt64BE());
  const keyOf = (row: RawRow) => decodeKeyValue(row.value).key.toString('latin1');
  const read = rows.filter((row) => main(row) <= revision);
  const newest = new Map(read.map((row) => [keyOf(row), row]));
  let crc = update(0xffffffff, Buffer.from('key'));
  for (const row of read) {
    const kept = newest.get(keyOf(row)) === row && row.key.length === 17;
    if (main(row) <= compactRevision && !kept) continue;
    crc = update(update(crc, row.key), row.value);
  }
  return ~crc >>> 0;
}

function update(crc: number, bytes: Buffer): number {
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return crc >>> 0;
}
