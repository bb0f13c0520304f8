/**
 * Some prefixes of one store, walked as one: a set of prefixes is sorted and none lies inside another, so
 * their pages, one prefix behind the other, hold all keys in their order.
 */
import { prefixRange, type PrefixSet } from '../mvcc/prefix.js';
import type { EtcdClient, RangeQuery } from '../wire/client.js';
import { readPages, type Page } from './pages.js';

/**
 * @param query `revision`: of all pages; whatever is there when a page is read unless given
 * @throws LockstepError COMPACTED when the store has compacted past `revision` meanwhile
 */
export async function* readPrefixes(
  client: EtcdClient,
  prefixes: PrefixSet,
  { revision = 0, keysOnly = false }: Pick<RangeQuery, 'revision' | 'keysOnly'> = {},
): AsyncGenerator<Page> {
  for (const range of prefixes.list.map(prefixRange))
    yield* readPages(client, range, revision, range.key, keysOnly);
}

/**
 * How many keys there are, prefix by prefix.
 * @param revision 0: now
 */
export async function countKeys(
  client: EtcdClient,
  prefixes: PrefixSet,
  revision = 0,
): Promise<number> {
  let keys = 0;
  for (const range of prefixes.list.map(prefixRange))
    keys += (await client.range({ ...range, revision, countOnly: true })).count;
  return keys;
}
