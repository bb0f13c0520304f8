/** Records: single MVCC rows, and the whole revisions that they make up. */
import type { Revision } from './revision.js';

/** One MVCC row of our prefixes. */
export interface Record {
  main: Revision;
  /**
   * Order among the records of our prefixes in this revision, from 0 without gaps. The source's own
   * sub counts foreign keys too and is visible in its file only; nothing but the order matters.
   */
  sub: number;
  tombstone: boolean;
  key: Buffer;
  /** The mvccpb.KeyValue message as etcd stores it; in a tombstone it has the key alone. */
  bytes: Buffer;
}

/** All records of one revision, in sub order. */
export interface WholeRevision {
  revision: Revision;
  records: Record[];
}

/** A copy that stands by itself: as it is, a record keeps alive all of the message that it came in. */
export function ownRecord(record: Record): Record {
  return { ...record, key: Buffer.from(record.key), bytes: Buffer.from(record.bytes) };
}

/** Bytes that a record holds in memory, near enough for the limits of a queue. */
export function recordBytes(record: Record): number {
  return record.bytes.length + 96;
}
