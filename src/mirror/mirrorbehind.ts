/**
 * The mirrors that write to a target, and how far each is behind: by its cursor, which names the source's
 * revision that the target has.
 *
 * Where nothing of its prefix changes a mirror moves its cursor once a minute at most (tail.ts). So what
 * counts is the last change of that prefix behind the cursor, which a watch from there on finds.
 */
import { within } from '../async/within.js';
import { hasCode } from '../errors.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import { MIRRORS_PREFIX, prefixRange } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { proven } from '../position.js';
import { measureBehind, type Behind } from '../source/behind.js';
import { watchLimits } from '../source/limits.js';
import { watchRevisions } from '../source/watch.js';
import type { EtcdClient } from '../wire/client.js';
import { KeyMap } from './keymap.js';
import { parseMirror, type MirrorCursor } from './mirrorcursor.js';

interface FoundMirror {
  key: Buffer;
  cursor: MirrorCursor;
}

/** @throws LockstepError TARGET_NOT_OURS for a cursor that is none */
export async function mirrorsOn(target: EtcdClient): Promise<FoundMirror[]> {
  const { rows } = await target.few(prefixRange(MIRRORS_PREFIX));
  return rows.map((row) => {
    const { key, value } = parseKeyValue(row);
    return { key, cursor: parseMirror(key, value) };
  });
}

/** @returns null for one of another source. One that is comparing has no position yet */
export async function mirrorBehind(
  { key, cursor }: FoundMirror,
  { source, target }: { source: EtcdClient; target: EtcdClient },
  withinSeconds: number,
  signal: AbortSignal,
): Promise<Behind | null> {
  const { clusterId, version } = await source.status();
  if (cursor.source !== clusterId) return null;
  if (cursor.revision === null) return { seconds: null, moves: null };
  const position = async () => {
    const { rows } = await target.few({ key });
    return rows[0] ? (parseMirror(key, parseKeyValue(rows[0]).value).revision ?? 0) : 0;
  };
  return within(withinSeconds * 1000, signal, (stop) => {
    const goal = () => lastChange(source, cursor, { clusterId, version, signal: stop });
    return measureBehind(goal, position, withinSeconds, signal);
  });
}

/**
 * The last revision of the source, up to its head now, that changed what is mirrored; the cursor's where
 * none did. The head itself where that cannot be told in time, or is compacted away.
 */
async function lastChange(
  source: EtcdClient,
  { prefix, destPrefix, revision }: MirrorCursor,
  { clusterId, version, signal }: { clusterId: string; version: string; signal: AbortSignal },
): Promise<Revision> {
  const map = new KeyMap(prefix, destPrefix);
  const after = revision ?? 0;
  const { revision: head } = await source.head(map.sourceRange.key);
  if (head <= after) return after;
  let last = after;
  const options = {
    ...{ prefixes: map.prefixes, clusterId, signal },
    after: proven(after),
    limits: watchLimits(version),
  };
  try {
    for await (const { revisions, position } of watchRevisions(source, options)) {
      for (const { revision: changed, records } of revisions)
        if (changed <= head && records.some(({ key }) => map.toTarget(key))) last = changed;
      if (position >= head) return last;
    }
  } catch (error) {
    if (!hasCode(error, 'HISTORY_GAP')) throw error;
  }
  return head;
}
