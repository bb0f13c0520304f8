/**
 * Which folders a live etcd has, without reading what is in them.
 *
 *     first key of the rest ─► its folder ─► jump behind the folder ─► …
 */
import { keyOf } from '../mvcc/keyvalue.js';
import { keyAfter, prefixRange } from '../mvcc/prefix.js';
import type { EtcdClient } from '../wire/client.js';
import { Spans } from './spans.js';

/** What a page is to the lengths of ranges (spans.ts). */
const SPAN_KEYS = 64;

/**
 * Folder after folder, until the caller has enough. Of short ranges: of all that is left, etcd would count
 * the largest folder anew for each that comes before it.
 * @param folderOfKey a part of the key, with its slash; the key itself where it lies in none
 */
export async function* folders(
  client: EtcdClient,
  folderOfKey: (key: string) => string,
  under = '',
): AsyncGenerator<string> {
  const spans = new Spans(prefixRange(under));
  for (let { range } = spans; range; { range } = spans) {
    const { rows, count, more } = await client.few({ ...range, limit: 1, keysOnly: true });
    const found = rows[0] && keyOf(rows[0]);
    const page = { first: found, last: found, rows: rows.length, count, more };
    spans.took({ ...page, limit: SPAN_KEYS });
    if (!found) continue;
    const folder = folderOfKey(found.toString());
    yield folder;
    const end = ownRange(folder).rangeEnd;
    // A name that is no UTF-8 reads back as another one; then key by key.
    if (end.compare(found) > 0) spans.skipTo(end);
  }
}

/** All keys of a folder; the key itself where there is none. */
export function ownRange(folder: string): { key: Buffer; rangeEnd: Buffer } {
  if (folder.endsWith('/')) return prefixRange(folder);
  const key = Buffer.from(folder);
  return { key, rangeEnd: keyAfter(key) };
}
