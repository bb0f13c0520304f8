/**
 * A prefix at one pinned revision, page by page, the next page read ahead while this one is used.
 *
 * Pages are sized in bytes: the number of keys that is asked for follows the mean size seen so far,
 * and an answer above the channel's limit is asked for again in smaller pieces. They are asked of short
 * ranges (spans.ts).
 */
import { hasCode } from '../errors.js';
import { keyOf } from '../mvcc/keyvalue.js';
import type { KeyRange } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import type { EtcdClient, RangeQuery } from '../wire/client.js';
import { Spans } from './spans.js';

export interface Page {
  /** mvccpb.KeyValue messages in key order. */
  rows: Buffer[];
  /** Where the next page starts; undefined behind the last one. */
  next: Buffer | undefined;
  /** Keys from this page's first one to the end of the range. */
  remaining: number;
}

const FIRST_PAGE_KEYS = 64;
/** Bounds what the source must build where large values follow many small ones. */
const MAX_PAGE_KEYS = 1000;

/** How large pages are, and when they are read. */
export interface PagePace {
  readonly pageBytes: number;
  /** Of the next page, at most; follows what came. */
  keys: number;
  /** Resolves when the next page may be asked for. */
  turn(): Promise<void>;
  /** So many came, in so many milliseconds. */
  took(bytes: number, tookMs: number): void;
}

/** As fast as they are used. */
function atOnce(): PagePace {
  return {
    ...{ pageBytes: 2 * 1024 * 1024, keys: FIRST_PAGE_KEYS },
    turn: () => Promise.resolve(),
    took: () => undefined,
  };
}

/**
 * @param revision 0: whatever is there when a page is read
 * @param from first key to read; the start of the range if undefined
 * @param keysOnly rows come without their values
 * @param pace unless given they are of 2 MiB, and read as fast as they are used
 * @throws LockstepError COMPACTED when the source has compacted past `revision` meanwhile
 */
export async function* readPages(
  client: EtcdClient,
  range: KeyRange,
  revision: Revision,
  from: Buffer = range.key,
  keysOnly = false,
  pace = atOnce(),
): AsyncGenerator<Page> {
  const spans = new Spans(range, from);
  const query = { revision, keysOnly };
  let ahead: Promise<Page> | undefined = readPage(client, query, spans, pace);
  try {
    while (ahead) {
      const page: Page = await ahead;
      ahead = page.next && readPage(client, query, spans, pace);
      // Its failure is thrown when it is its turn, not while nobody waits for it.
      ahead?.catch(() => undefined);
      yield page;
    }
  } finally {
    await ahead?.catch(() => undefined);
  }
}

/** The same pages; `onPage` is called for each before it is handed on. */
export async function* seen(
  pages: AsyncIterable<Page>,
  onPage: (page: Page) => void,
): AsyncGenerator<Page> {
  for await (const page of pages) {
    onPage(page);
    yield page;
  }
}

/** The next rows; none only where none are left. */
async function readPage(
  client: EtcdClient,
  query: Pick<RangeQuery, 'revision' | 'keysOnly'>,
  spans: Spans,
  pace: PagePace,
): Promise<Page> {
  let rows: Buffer[] = [];
  for (let { range } = spans; range && rows.length === 0; { range } = spans)
    rows = await readSpan(client, { ...query, ...range }, spans, pace);
  return { rows, next: spans.range?.key, remaining: rows.length + spans.left };
}

async function readSpan(
  client: EtcdClient,
  query: Omit<RangeQuery, 'limit'>,
  spans: Spans,
  pace: PagePace,
): Promise<Buffer[]> {
  while (true) {
    const limit = pace.keys;
    await pace.turn();
    const asked = performance.now();
    try {
      const { rows, count, more } = await client.range({ ...query, limit });
      const bytes = rows.reduce((sum, row) => sum + row.length, 0);
      pace.took(bytes, performance.now() - asked);
      if (rows.length > 0) pace.keys = nextSize(limit, (pace.pageBytes / bytes) * rows.length);
      const [first, last] = [rows[0] && keyOf(rows[0]), rows.at(-1)];
      spans.took({ first, last: last && keyOf(last), rows: rows.length, count, more, limit });
      return rows;
    } catch (error) {
      if (!hasCode(error, 'ANSWER_TOO_LARGE') || pace.keys === 1) throw error;
      pace.keys = Math.max(1, Math.floor(pace.keys / 4));
    }
  }
}

function nextSize(limit: number, fitting: number): number {
  return Math.max(1, Math.min(Math.floor(fitting), limit * 4, MAX_PAGE_KEYS));
}
