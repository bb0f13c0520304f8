/**
 * Whether a target still holds what it held when it was taken over: then nobody has written to it, and
 * where no apiserver has moved the source counts as it is.
 *
 * That the named apiservers serve from the source does not prove it: others may be left out, or be
 * behind the one address that was named. What was written through those is on the target, which then is
 * not what was taken over any more.
 */
import { probeKey, type PrefixSet } from '../mvcc/prefix.js';
import { digest, Tally } from '../mvcc/tally.js';
import { readPrefixes } from '../source/prefixes.js';
import type { CutoverState } from '../target/cutoverstate.js';
import type { EtcdClient } from '../wire/client.js';

export async function isAsTaken(
  target: EtcdClient,
  { state }: { state: CutoverState },
  prefixes: PrefixSet,
  signal: AbortSignal,
): Promise<boolean> {
  const tally = new Tally();
  const { revision } = await target.head(probeKey(prefixes));
  for await (const { rows } of readPrefixes(target, prefixes, { revision })) {
    signal.throwIfAborted();
    for (const row of rows) tally.add(digest(row));
  }
  return tally.keys === state.keys && tally.hex === state.checksum;
}
