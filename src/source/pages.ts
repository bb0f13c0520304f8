/**
 * A prefix at one pinned revision, page by page, the next page read ahead while this one is used.
 *
 * Pages are sized in bytes: the number of keys that is asked for follows the mean size seen so far,
 * and an answer above the channel's limit is asked for again in smaller pieces.
 */
import { hasCode } from '../errors.js';
import type { KeyRange } from '../mvcc/prefix.js';
import { keyOf } from '../mvcc/keyvalue.js';
import type { Revision } from '../mvcc/revision.js';
import type { EtcdClient, RangeQuery } from '../wire/client.js';

export interface Page {
  /** mvccpb.KeyValue messages in key order. */
  rows: Buffer[];
  /** Where the next page starts; undefined behind the last one. */
  next: Buffer | undefined;
  /** Keys from this page's first one to the end of the range. */
  remaining: number;
}

const PAGE_BYTES = 4 * 1024 * 1024;
const FIRST_PAGE_KEYS = 64;
/** Bounds what the source must build where large values follow many small ones. */
const MAX_PAGE_KEYS = 1000;

/**
 * @param revision 0: whatever is there when a page is read
 * @param from first key to read; the start of the range if undefined
 * @param keysOnly rows come without their values
 * @throws LockstepError COMPACTED when the source has compacted past `revision` meanwhile
 */
export async function* readPages(
  client: EtcdClient,
  range: KeyRange,
  revision: Revision,
  from: Buffer = range.key,
  keysOnly = false,
): AsyncGenerator<Page> {
  const size = { keys: FIRST_PAGE_KEYS };
  const query = { rangeEnd: range.rangeEnd, revision, keysOnly };
  let ahead: Promise<Page> | undefined = readPage(client, query, from, size);
  try {
    while (ahead) {
      const page: Page = await ahead;
      ahead = page.next && readPage(client, query, page.next, size);
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

async function readPage(
  client: EtcdClient,
  query: Omit<RangeQuery, 'key' | 'limit'>,
  key: Buffer,
  size: { keys: number },
): Promise<Page> {
  while (true) {
    try {
      const answer = await client.range({ ...query, key, limit: size.keys });
      const bytes = answer.rows.reduce((sum, row) => sum + row.length, 1);
      const fitting = Math.floor(PAGE_BYTES / (bytes / Math.max(answer.rows.length, 1)));
      size.keys = Math.max(1, Math.min(fitting, size.keys * 4, MAX_PAGE_KEYS));
      const last = answer.rows.at(-1);
      const next = answer.more && last ? Buffer.concat([keyOf(last), Buffer.from([0])]) : undefined;
      return { rows: answer.rows, next, remaining: answer.count };
    } catch (error) {
      if (!hasCode(error, 'ANSWER_TOO_LARGE') || size.keys === 1) throw error;
      size.keys = Math.max(1, Math.floor(size.keys / 4));
    }
  }
}
