/** The revisions at which both sides are the same moment, by the cursor that moves with the data. */
import { hasCode, LockstepError } from '../errors.js';
import type { KeyMap } from '../mirror/keymap.js';
import { NO_KEYS, parseMirror, type MirrorCursor } from '../mirror/mirrorcursor.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import { prefixRange } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { parseReverse, REVERSE_PREFIX } from '../target/reversecursor.js';
import type { EtcdClient } from '../wire/client.js';

export interface Moment {
  source: Revision;
  target: Revision;
  /** Keys that only the target has, and that are known. */
  foreign: MirrorCursor['foreign'];
  /** It goes the other way round: the target's changes are brought to the source, above their revisions. */
  isBack: boolean;
}

/**
 * A mirror's cursor, on the target; where there is none, that of a reverse, on the source.
 * @param key of the mirror's cursor
 * @throws LockstepError TARGET_NOT_OURS without either, MIRROR_INCOMPLETE while both sides are compared
 */
export async function readMoment(
  { source, target }: { source: EtcdClient; target: EtcdClient },
  map: KeyMap,
  key: Buffer,
): Promise<Moment> {
  const { header, rows } = await target.few({ key });
  if (!rows[0]) {
    const back = map.prefix === map.destPrefix && (await momentBack(source, map.prefix));
    if (back) return back;
    throw new LockstepError('TARGET_NOT_OURS', `the target has no cursor ${key.toString()}`, {
      hint: 'Check --prefix, --dest-prefix and both endpoints: they must be those that mirror was run with, or, after a cutover, follow --reverse.',
    });
  }
  const { revision, foreign } = parseMirror(key, parseKeyValue(rows[0]).value);
  if (revision === null) throw incomplete('mirror');
  return { source: revision, target: header.revision, foreign, isBack: false };
}

async function momentBack(source: EtcdClient, prefix: string): Promise<Moment | undefined> {
  try {
    const { header, rows } = await source.few(prefixRange(REVERSE_PREFIX));
    const cursors = rows.map(parseKeyValue).map(({ key, value }) => parseReverse(key, value));
    const cursor = cursors.find(({ prefixes }) => prefixes.includes(prefix));
    if (!cursor) return undefined;
    if (cursor.comparing) throw incomplete('follow --reverse');
    const { revision: target } = cursor;
    return { source: header.revision, target, foreign: NO_KEYS, isBack: true };
  } catch (error) {
    if (!hasCode(error, 'PERMISSION')) throw error;
    return undefined;
  }
}

function incomplete(who: string): LockstepError {
  return new LockstepError('MIRROR_INCOMPLETE', `${who} has not compared both sides yet`, {
    hint: `Wait until ${who} says that it has compared them, or start it if it does not run.`,
  });
}
