/** Rows in and out of a batch, and what the mark knows of them. */
import type { ChainedBatch } from 'classic-level';
import * as layout from './layout.js';
import type { Level } from './level.js';
import type { JournalState } from './state.js';

export type Batch = ChainedBatch<Level, Buffer, Buffer>;

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
export function putRow(batch: Batch, mark: layout.Mark, row: layout.Row, link?: layout.Link): void {
  const { key, value, check } = layout.encodeRow(row, link);
  const index = layout.encodeIndex(row, check);
  batch.put(key, value).put(index.key, index.value);
  mark.rows++;
  mark.sum = BigInt.asUintN(64, mark.sum + check);
}

/** The inverse of {@link putRow}. */
export function removeRow(batch: Batch, mark: layout.Mark, entry: layout.IndexEntry): void {
  batch.del(layout.rowKey(entry)).del(layout.indexKey(entry.key, entry.main, entry.sub));
  mark.rows--;
  mark.sum = BigInt.asUintN(64, mark.sum - entry.check);
}

/** Whether a revision has all the records that it was captured with, as far as it must still have them. */
export function checkWhole(
  { revision, records, link }: { revision: number; records: unknown[]; link?: layout.Link },
  { compactRevision, watchFrom }: JournalState,
): boolean {
  if (revision <= compactRevision || revision < watchFrom) return true;
  return link?.records === records.length;
}
