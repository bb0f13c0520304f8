/** Rows out of pages, one at a time; and two ordered streams of them side by side. */
import { keyOf } from '../mvcc/keyvalue.js';
import type { Page } from './pages.js';

/** The rows of a stream of pages, without a promise for each. */
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

/** Gets each key once, with the row of each side that has it; the walk waits for what it returns. */
type VisitRows = (left: Buffer | undefined, right: Buffer | undefined) => Promise<void> | undefined;

/**
 * The classic merge of two streams in key order, a page of each in memory.
 * @param onPage called for each page of the left one
 */
export async function sideBySide(
  leftPages: AsyncIterable<Page>,
  rightPages: AsyncIterable<Page>,
  visit: VisitRows,
  onPage?: () => void,
): Promise<void> {
  const left = new Rows(leftPages, onPage);
  const right = new Rows(rightPages);
  await Promise.all([left.next(), right.next()]);
  while (left.row ?? right.row) {
    const order = compareKeys(left.row, right.row);
    const waiting = visit(order <= 0 ? left.row : undefined, order >= 0 ? right.row : undefined);
    if (waiting) await waiting;
    if (order <= 0 && !left.advance()) await left.next();
    if (order >= 0 && !right.advance()) await right.next();
  }
}

function compareKeys(left: Buffer | undefined, right: Buffer | undefined): number {
  if (!left) return 1;
  if (!right) return -1;
  return keyOf(left).compare(keyOf(right));
}
