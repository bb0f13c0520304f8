/** What a mirror refuses before it has changed anything, and what it warns of. */
import { badArgument, LockstepError } from '../errors.js';
import { keyOf, parseKeyValue } from '../mvcc/keyvalue.js';
import { MIRRORS_PREFIX, prefixRange } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { compactRevision } from '../source/compactrevision.js';
import { areOne, sameEtcd } from '../source/sameetcd.js';
import { CURSOR_KEY } from '../target/cursor.js';
import type { EtcdClient } from '../wire/client.js';
import type { KeyMap } from './keymap.js';
import { parseMirror } from './mirrorcursor.js';

/** So many other mirrors are named, no more. */
const MAX_NAMED = 3;

/** Without any etcd: what the flags say. */
export function refusePrune({ destPrefix }: KeyMap): void {
  if (destPrefix !== '') return;
  throw badArgument(
    '--prune over the whole target',
    'It would remove every key there that the source does not have. Name a --prefix, or a --dest-prefix.',
  );
}

/** A mirror onto itself would copy its own copies. */
export async function refuseSelf(
  source: { client: EtcdClient; clusterId: string },
  target: { client: EtcdClient; clusterId: string },
  map: KeyMap,
): Promise<void> {
  if (!map.overlaps) return;
  const from = { ...source, key: map.sourceRange.key };
  const to = { ...target, key: map.targetRange.key };
  if (!(await areOne(from, to))) return;
  throw sameEtcd(
    `cluster ${source.clusterId}, and ${map.toString()} would be held against itself`,
    'Check --endpoints and --dest-endpoints. Inside one etcd, give a --dest-prefix that does not lie in --prefix, nor it in that.',
  );
}

/** A single foreign write there would move its head, and it would never be exact again. */
export async function refuseLockstep(target: EtcdClient): Promise<void> {
  const { count } = await target.few({ key: CURSOR_KEY, keysOnly: true });
  if (count === 0) return;
  throw new LockstepError(
    'TARGET_IN_LOCKSTEP',
    `the target is in lockstep with a source: it has ${CURSOR_KEY.toString()}`,
    {
      hint: 'One write by a mirror would end that for good. Give another target; or, if it has been cut over and nobody follows into it any more, delete that key.',
    },
  );
}

/**
 * @param rev the first revision to be mirrored
 * @throws LockstepError BAD_ARGUMENT where the source has no such history
 */
export async function refuseRev(source: EtcdClient, rev: Revision, key: Buffer): Promise<void> {
  const [{ revision: head }, compacted] = await Promise.all([
    source.head(key),
    compactRevision(source, key),
  ]);
  // etcd takes a watch from the future without a word, and skips everything below it.
  if (rev > head + 1)
    throw badArgument(
      `--rev ${rev} is in the future: the source stands at ${head}`,
      'Give the first revision that is to be mirrored, or leave --rev out to begin with everything there is.',
    );
  if (rev <= compacted && compacted > 1)
    throw badArgument(
      `--rev ${rev}: the source has compacted its history up to ${compacted}`,
      'Give a newer one, or leave --rev out to begin with everything there is.',
    );
}

/** A warning where others mirror to the same keys; two of them would undo each other's work. */
export async function overlapWarning(
  target: EtcdClient,
  own: Buffer,
  { destPrefix }: KeyMap,
): Promise<string | undefined> {
  const { key, rangeEnd } = prefixRange(MIRRORS_PREFIX);
  const { rows } = await target.few({ key, rangeEnd });
  const others: string[] = [];
  for (const row of rows) {
    const name = keyOf(row);
    if (name.equals(own)) continue;
    const other = parseMirror(name, parseKeyValue(row).value).destPrefix;
    if (other.startsWith(destPrefix) || destPrefix.startsWith(other)) others.push(name.toString());
  }
  if (others.length === 0) return undefined;
  const more = others.length > MAX_NAMED ? ` and ${others.length - MAX_NAMED} more` : '';
  return `another mirror writes, or has written, to the same keys of the target: ${others.slice(0, MAX_NAMED).join(', ')}${more}. If it is over, delete its cursor there`;
}
