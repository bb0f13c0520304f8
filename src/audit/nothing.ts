/** An audit that has compared nothing has found nothing equal. */
import { LockstepError } from '../errors.js';
import type { PrefixSet } from '../mvcc/prefix.js';

/**
 * A prefix that is empty on both sides is a slip, unless the cursor speaks of just these prefixes:
 * then the seed has found keys there, or was told not to look for any.
 * @param empty those of the prefixes that no key begins with
 * @param vouched whether the target's cursor is of these prefixes
 * @param events that were compared beside the keys
 * @throws LockstepError NOTHING_COMPARED
 */
export function refuseNothing(
  empty: readonly string[],
  prefixes: PrefixSet,
  vouched: boolean,
  events: number,
): void {
  if (empty.length === 0) return;
  const all = empty.length === prefixes.list.length;
  if (all ? events === 0 : !vouched) throw nothingCompared(empty);
}

export function nothingCompared(prefixes: readonly string[]): LockstepError {
  const what = prefixes.includes('')
    ? 'there are no keys'
    : `no key begins with ${prefixes.map((p) => JSON.stringify(p)).join(' or ')}`;
  return new LockstepError('NOTHING_COMPARED', `nothing was compared: ${what}, on either side`, {
    hint: "Check --prefix, letter by letter; without it audit compares the cursor's. If there are no keys, and that is meant: audit --allow-empty.",
  });
}
