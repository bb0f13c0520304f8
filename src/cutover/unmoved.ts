/**
 * Whether a cutover was given up before any apiserver had moved: then the source counts as it is.
 *
 * That the named apiservers serve from the source does not prove it: others may be left out, or be
 * behind the one address that was named. What was written through those is on the target, which then is
 * not what was taken over any more.
 */
import type { CutoverState } from '../cutoverstate.js';
import { prefixRange, type PrefixSet } from '../mvcc/prefix.js';
import { digest, Tally } from '../mvcc/tally.js';
import { readPages } from '../source/pages.js';
import type { EtcdClient } from '../wire/client.js';
import type { Serving } from './serving.js';

/** @param from where each of the apiservers serves from; reads the target only if that is the source */
export async function nobodyMoved(
  target: EtcdClient,
  { state }: { state: CutoverState },
  prefixes: PrefixSet,
  from: readonly Serving['from'][],
  signal: AbortSignal,
): Promise<boolean> {
  if (from.some((side) => side !== 'source')) return false;
  const tally = new Tally();
  for (const prefix of prefixes.list) {
    const range = prefixRange(prefix);
    const { revision } = await target.head(range.key);
    for await (const { rows } of readPages(target, range, revision)) {
      signal.throwIfAborted();
      for (const row of rows) tally.add(digest(row));
    }
  }
  return tally.keys === state.keys && tally.hex === state.checksum;
}
