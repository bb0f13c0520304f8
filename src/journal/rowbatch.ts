/** Rows in and out of a batch, and what the mark knows of them. */
import type { ChainedBatch } from 'classic-level';
import { recordBytes, type Record } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { digest } from '../mvcc/tally.js';
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

/** Stores a row that came by the watch and its index entry, and adds it to the mark. */
export function putRow(batch: RowBatch, mark: layout.Mark, row: Record, link?: layout.Link): void {
  const { key, main, sub, tombstone, bytes } = row;
  const stored = layout.encodeRow(row, link);
  const { check } = stored;
  batch.put(stored.key, stored.value);
  const ofMessage = tombstone ? 0n : digest(bytes);
  putIndex(batch, { key, main, sub, tombstone, digest: ofMessage, check, place: undefined });
  add(mark, check);
}

/** Stores the index entry of a row that lies in a run, and adds it to the mark. */
export function putBaseRow(batch: RowBatch, mark: layout.Mark, entry: layout.IndexEntry): void {
  putIndex(batch, entry);
  add(mark, entry.check);
}

/** In place of the one that the row has, if it has one. */
export function putIndex(batch: RowBatch, entry: layout.IndexEntry): void {
  const { key, value } = layout.encodeIndex(entry);
  batch.put(key, value);
}

function add(mark: layout.Mark, check: bigint): void {
  mark.rows++;
  mark.sum = BigInt.asUintN(64, mark.sum + check);
}

/** The inverse of both; what lies in a run stays there, and counts no more. */
export function removeRow(batch: RowBatch, mark: layout.Mark, entry: layout.IndexEntry): void {
  if (!entry.place) batch.del(layout.rowKey(entry.main, entry.sub));
  batch.del(layout.indexKey(entry.key, entry.main, entry.sub));
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

  add({ main, tombstone, key, bytes }: Omit<Record, 'sub'>, link?: layout.Link): void {
    if (this.#open && this.#open.revision !== main) this.end();
    this.#open ??= { revision: main, records: [] };
    if (link) this.#open.link = link;
    this.#open.records.push({ main, sub: this.#open.records.length, tombstone, key, bytes });
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
