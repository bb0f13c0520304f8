/** Keys of both sides walked side by side, in their order, a page of each in memory. */
import { keyOf } from '../mvcc/keyvalue.js';
import type { Page } from '../source/pages.js';
import { Rows } from '../source/rows.js';
import type { KeyMap } from './keymap.js';

/** One key of one side, by its name on the target. */
export interface Entry {
  name: Buffer;
  /** The mvccpb.KeyValue message as it came. */
  row: Buffer;
}

/** Gets each name once, with what each side has of it; the walk waits for what it returns. */
type Visit = (source: Entry | undefined, target: Entry | undefined) => Promise<void> | undefined;

export async function mergeWalk(
  source: AsyncIterable<Page>,
  target: AsyncIterable<Page>,
  map: KeyMap,
  visit: Visit,
): Promise<void> {
  const left = new Entries(source, (key) => map.toTarget(key));
  const right = new Entries(target, (key) => (map.isTargets(key) ? key : undefined));
  await Promise.all([left.nextPage(), right.nextPage()]);
  while (left.entry ?? right.entry) {
    const { entry: a } = left;
    const { entry: b } = right;
    const order = !a ? 1 : !b ? -1 : a.name.compare(b.name);
    const waiting = visit(order <= 0 ? a : undefined, order >= 0 ? b : undefined);
    if (waiting) await waiting;
    if (order <= 0 && !left.advance()) await left.nextPage();
    if (order >= 0 && !right.advance()) await right.nextPage();
  }
}

/** The rows of one side that take part, one at a time, without a promise for each. */
class Entries {
  entry: Entry | undefined;
  readonly #rows: Rows;

  constructor(
    pages: AsyncIterable<Page>,
    private readonly nameOf: (key: Buffer) => Buffer | undefined,
  ) {
    this.#rows = new Rows(pages);
  }

  /** To the next one of this page; false behind its last one. */
  advance(): boolean {
    while (this.#rows.advance()) if (this.#take()) return true;
    this.entry = undefined;
    return false;
  }

  /** To the first one of a further page; `entry` is undefined behind the last page. */
  async nextPage(): Promise<void> {
    do {
      await this.#rows.next();
      if (!this.#rows.row) this.entry = undefined;
    } while (this.#rows.row && !this.#take() && !this.advance());
  }

  #take(): boolean {
    const { row } = this.#rows;
    const name = row && this.nameOf(keyOf(row));
    if (row && name) this.entry = { name, row };
    return name !== undefined;
  }
}
