/**
 * The running checksum of a set of live keys.
 *
 * A key's digest is xxh64 of its mvccpb.KeyValue message as etcd stores it, which covers key, value,
 * create_revision, mod_revision, version and lease at once. The checksum of a set is the sum of its
 * digests modulo 2^64: independent of order, so that a change of one key is one subtraction and
 * one addition, and the same sum comes out of a paged read in any order.
 *
 * It guards against accidents, not against somebody who forges rows. sha256 was ten times slower
 * and would not have been additive either.
 */
import xxhash from 'xxhash-wasm';

const hasher = await xxhash();

/** xxh64 of a KeyValue message; the seed is for other uses. */
export function digest(bytes: Uint8Array, seed = 0n): bigint {
  return hasher.h64Raw(bytes, seed);
}

export class Tally {
  constructor(
    public keys = 0,
    public checksum = 0n,
  ) {}

  add(digestOfRow: bigint): void {
    this.keys++;
    this.checksum = BigInt.asUintN(64, this.checksum + digestOfRow);
  }

  remove(digestOfRow: bigint): void {
    this.keys--;
    this.checksum = BigInt.asUintN(64, this.checksum - digestOfRow);
  }

  copy(): Tally {
    return new Tally(this.keys, this.checksum);
  }

  equals(other: Tally): boolean {
    return this.keys === other.keys && this.checksum === other.checksum;
  }

  /** 16 hexadecimal digits. */
  get hex(): string {
    return this.checksum.toString(16).padStart(16, '0');
  }
}
