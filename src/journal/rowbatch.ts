/** Rows in and out of a batch, and what the mark knows of them. */
import type { ChainedBatch } from 'classic-level';
import { recordBytes, type Record } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import * as layout from './layout.js';
import type { Level } from './level.js';
import type { JournalRevision } from './log.js';
import type { JournalState } from './state.js';

export type RowBatch = ChainedBatch<Level, Buffer, Buffer>;

/** Number and sum of rows' checks. */
export class RowSum {
  rows = 0;
  sum = 0n;

  add(check: bigint): void {
    this.rows++;
    this.sum = BigInt.asUintN(64, this.sum + check);
  }

  equals(mark: layout.Mark): boolean {
    return this.rows === mark.rows && this.sum === mark.sum;
  }
}

/** Stores a row and its index entry, and adds it to the mark. */
export function putRow(
  batch: RowBatch,
  mark: layout.Mark,
  row: layout.Row,
  link?: layout.Link,
): void {
  const { key, value, check } = layout.encodeRow(row, link);
  const index = layout.encodeIndex(row, check);
  batch.put(key, value).put(index.key, index.value);
  mark.rows++;
  mark.sum = BigInt.asUintN(64, mark.sum + check);
}

/** The inverse of {@link putRow}. */
export function removeRow(batch: RowBatch, mark: layout.Mark, entry: layout.IndexEntry): void {
  batch.del(layout.rowKey(entry)).del(layout.indexKey(entry.key, entry.main, entry.sub));
  mark.rows--;
  mark.sum = BigInt.asUintN(64, mark.sum - entry.check);
}

/** Whether a revision has all the records that it was captured with, as far as it must still have them. */
export function checkWhole(
  { revision, records, link }: Joined,
  { compactRevision, watchFrom }: JournalState,
): boolean {
  if (revision <= compactRevision || revision < watchFrom) return true;
  return link?.records === records.length;
}

/** A revision's rows, and the link of its first one. */
interface Joined {
  revision: Revision;
  records: Record[];
  link?: layout.Link;
}

/** Joins rows, which come in their order, into revisions. */
export class Joiner {
  #open: Joined | undefined;
  #done: JournalRevision[] = [];
  #bytes = 0;

  /** @param check called with each revision that has come to its end; throws where it is not whole */
  constructor(private readonly check: (joined: Joined) => void) {}

  /** Of the revisions that {@link take} would give. */
  get bytes(): number {
    return this.#bytes;
  }

  add({ row, link }: { row: Omit<Record, 'sub'>; link: layout.Link | undefined }): void {
    if (this.#open && this.#open.revision !== row.main) this.end();
    this.#open ??= { revision: row.main, records: [] };
    if (link) this.#open.link = link;
    this.#open.records.push({ ...row, sub: this.#open.records.length });
  }

  /** The last row has come. */
  end(): void {
    const open = this.#open;
    if (!open) return;
    this.check(open);
    this.#done.push({ ...open, previous: open.link?.previous ?? 0 });
    this.#bytes += open.records.reduce((sum, record) => sum + recordBytes(record), 0);
    this.#open = undefined;
  }

  /** Those that have come to their end since. */
  take(): JournalRevision[] {
    const done = this.#done;
    this.#done = [];
    this.#bytes = 0;
    return done;
  }
}
