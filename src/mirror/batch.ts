/**
 * What goes into one transaction of the target.
 *
 * The rule. Whole revisions, in order, as many as fit: at most --max-txn-ops operations with the
 * cursor's put, at most so many bytes, and no key twice. A transaction is one revision of the
 * target, so of two changes of one key in it nobody would ever see the first; and etcd refuses it. So
 * a batch ends before a key's second appearance. A single revision that is larger than all that,
 * or has a key twice itself (put, then deleted), goes alone, as a transaction of transactions
 * (target/txn.ts).
 *
 * Several revisions of the source in one of the target are safe: a reader there sees states that the
 * source had, in their order, and misses some in between, as a reader who polls does. Half a
 * revision would be a state that never was.
 */
import type { Record } from '../mvcc/record.js';

export interface Limits {
  /** Operations in one transaction, the cursor's put included: the target's --max-txn-ops. */
  ops: number;
  /** Bytes of keys and values in one transaction; one that is larger by itself goes alone. */
  bytes: number;
}

/**
 * etcd takes requests of 1.5 MiB unless told otherwise; the rest is for cursor, guard and framing. A
 * target that takes less is found out (refused.ts).
 */
export const BATCH_BYTES = 1024 * 1024;
/** Framing of one operation in the request, at most. */
const OP_BYTES = 32;

export class Batch {
  readonly records: Record[] = [];
  #bytes = 0;
  readonly #keys = new Set<string>();

  constructor(private readonly limits: Limits) {}

  /** Takes them all, or leaves them to the next batch; an empty one takes anything. */
  take(records: readonly Record[]): boolean {
    const bytes = batchBytes(records);
    const names = records.map(({ key }) => key.toString('latin1'));
    if (this.records.length > 0 && !this.#fits(names, bytes)) return false;
    for (const record of records) this.records.push(record);
    for (const name of names) this.#keys.add(name);
    this.#bytes += bytes;
    // Nothing goes together with what had to go alone.
    if (this.#keys.size < this.records.length) this.#bytes = this.limits.bytes;
    return true;
  }

  #fits(names: readonly string[], bytes: number): boolean {
    const room = this.limits.ops - 1 - this.records.length;
    if (names.length > room || this.#bytes + bytes > this.limits.bytes) return false;
    return !names.some((name) => this.#keys.has(name)) && new Set(names).size === names.length;
  }
}

/** What they count for against a limit in bytes. */
export function batchBytes(records: readonly Record[]): number {
  return records.reduce((sum, { key, bytes }) => sum + key.length + bytes.length + OP_BYTES, 0);
}
