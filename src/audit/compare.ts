/**
 * Two ordered streams of keys, compared in one pass: the classic merge, a page of each in memory.
 *
 * Rows are compared as bytes, since the KeyValue message holds all that there is to compare; only
 * two that differ are taken apart to say in which field.
 */
import { keyOf, parseKeyValue } from '../mvcc/keyvalue.js';
import { digest, Tally } from '../mvcc/tally.js';
import type { Page } from '../source/pages.js';
import { describeKey, type Difference, type Field } from './report.js';

export interface Compared {
  source: Tally;
  target: Tally;
  bytes: number;
}

/** Called for each difference, in key order. */
export type OnDifference = (difference: Difference) => void;

/** Adds what it sees to `sum`. */
export async function comparePages(
  source: AsyncIterable<Page>,
  target: AsyncIterable<Page>,
  sum: Compared,
  onDifference: OnDifference,
  onPage?: () => void,
): Promise<void> {
  const left = new Rows(source, onPage);
  const right = new Rows(target);
  await Promise.all([left.next(), right.next()]);
  while (left.row ?? right.row) {
    const order = compareKeys(left.row, right.row);
    if (order < 0 && left.row) onDifference(only(left.row, 'missing on target'));
    if (order > 0 && right.row) onDifference(only(right.row, 'extra on target'));
    if (order === 0 && left.row && right.row && !left.row.equals(right.row))
      onDifference(differing(left.row, right.row));
    count(order <= 0 ? left.row : undefined, order >= 0 ? right.row : undefined, sum);
    if (order <= 0 && !left.advance()) await left.next();
    if (order >= 0 && !right.advance()) await right.next();
  }
}

/** The rows of a stream of pages, one at a time, without a promise for each. */
export class Rows {
  row: Buffer | undefined;
  #rows: Buffer[] = [];
  #i = 0;
  readonly #pages: AsyncIterator<Page>;

  constructor(
    pages: AsyncIterable<Page>,
    private readonly onPage?: () => void,
  ) {
    this.#pages = pages[Symbol.asyncIterator]();
  }

  /** To the next row of this page; false behind its last one. */
  advance(): boolean {
    this.row = this.#rows[++this.#i];
    return this.row !== undefined;
  }

  /** To the first row of the next page that has any; `row` is undefined behind the last page. */
  async next(): Promise<void> {
    this.row = undefined;
    while (this.row === undefined) {
      const page = await this.#pages.next();
      if (page.done) return;
      this.#rows = page.value.rows;
      this.#i = 0;
      this.row = this.#rows[0];
      this.onPage?.();
    }
  }
}

function compareKeys(left: Buffer | undefined, right: Buffer | undefined): number {
  if (!left) return 1;
  if (!right) return -1;
  return keyOf(left).compare(keyOf(right));
}

function count(left: Buffer | undefined, right: Buffer | undefined, sum: Compared): void {
  if (left) {
    const d = digest(left);
    sum.source.add(d);
    sum.bytes += left.length;
    // Most rows are equal, and their digest need not be computed twice.
    if (right?.equals(left)) sum.target.add(d);
    else if (right) sum.target.add(digest(right));
  } else if (right) sum.target.add(digest(right));
}

function only(row: Buffer, kind: Difference['kind']): Difference {
  return { ...describeKey(keyOf(row)), kind, fields: [] };
}

/** Two rows of one key that are not the same. */
export function differing(left: Buffer, right: Buffer): Difference {
  return {
    ...describeKey(keyOf(left)),
    kind: 'different',
    fields: differingFields(left, right),
  };
}

/** In what they differ. */
export function differingFields(left: Buffer, right: Buffer): Field[] {
  const a = parseKeyValue(left);
  const b = parseKeyValue(right);
  const fields: Field[] = [];
  if (!a.value.equals(b.value)) fields.push('value');
  if (a.modRevision !== b.modRevision) fields.push('mod_revision');
  if (a.createRevision !== b.createRevision) fields.push('create_revision');
  if (a.version !== b.version) fields.push('version');
  if (a.lease !== b.lease) fields.push('lease');
  return fields;
}
