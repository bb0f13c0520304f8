/** Which prefixes an audit is of where nobody says it. */
import { badArgument } from '../errors.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import { PrefixSet } from '../mvcc/prefix.js';
import { CURSOR_KEY, parseCursor } from '../target/cursor.js';
import type { EtcdClient } from '../wire/client.js';

/** @throws LockstepError BAD_ARGUMENT where the target has no cursor */
export async function cursorPrefixes(target: EtcdClient): Promise<PrefixSet> {
  const { rows } = await target.few({ key: CURSOR_KEY });
  if (rows[0]) return PrefixSet.of(parseCursor(parseKeyValue(rows[0]).value).prefixes);
  throw badArgument(
    '--prefix missing, and the target has no cursor that names the prefixes',
    'Check --dest-endpoints; or add --prefix …. A plain mirror is audited with --values.',
  );
}
