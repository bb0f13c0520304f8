/**
 * A look at the keys of the target's prefix, without their values: which they are, all together, and
 * which leases they hold.
 *
 * What it is good for. The cursor keeps the sum of the names that the mirror has brought (`ours`), and
 * of those that were foreign. If the target's names add up to exactly these, nobody has added or
 * taken away a key since, nor has a lease run out while nobody refreshed it, and the watch can go on
 * from the cursor. Else both sides are compared. And if they add up to `ours` alone, every key there
 * is one that the source had: what the source does not have any more was deleted there. That is how
 * deletions are told from foreign keys when the source's history is gone.
 */
import { keyOf, leaseOf } from '../mvcc/keyvalue.js';
import { digest, Tally } from '../mvcc/tally.js';
import { readPages } from '../source/pages.js';
import type { EtcdClient } from '../wire/client.js';
import type { KeyMap } from './keymap.js';
import { tallyOf, type MirrorState } from './mirrorcursor.js';

export interface Survey {
  names: Tally;
  leases: Set<bigint>;
}

export async function survey(
  target: EtcdClient,
  map: KeyMap,
  signal: AbortSignal,
): Promise<Survey> {
  const found: Survey = { names: new Tally(), leases: new Set() };
  for await (const { rows } of readPages(target, map.targetRange, 0, undefined, true)) {
    signal.throwIfAborted();
    for (const row of rows) {
      const key = keyOf(row);
      if (!map.isTargets(key)) continue;
      const lease = leaseOf(row);
      found.names.add(digest(key));
      if (lease !== 0n) found.leases.add(lease);
    }
  }
  return found;
}

/** What the names in the target say of what its cursor says. */
export function judge(
  names: Tally,
  { ours, foreign }: MirrorState,
): { untouched: boolean; certain: boolean } {
  return {
    /** Nothing came and nothing went that the mirror does not know of; or it never knew. */
    untouched: !ours || addsUp(names, tallyOf(ours), tallyOf(foreign)),
    /** All of them were the source's. */
    certain: ours !== null && addsUp(names, tallyOf(ours)),
  };
}

/** Whether the target's names are these sets' and no others. */
export function addsUp(names: Tally, ...sets: Tally[]): boolean {
  const sum = new Tally();
  for (const { keys, checksum } of sets) {
    sum.keys += keys;
    sum.checksum = BigInt.asUintN(64, sum.checksum + checksum);
  }
  return sum.equals(names);
}
