/** The trap of a prefix without its closing slash: `/registry/pod` is podtemplates, too. */
import { keyOf } from '../mvcc/keyvalue.js';
import { keyAfter, prefixRange, TO_THE_END, type KeyRange } from '../mvcc/prefix.js';
import type { EtcdClient } from '../wire/client.js';

const SLASH = 0x2f;
/** So many folders are named, no more. */
const MAX_NAMES = 5;

/** A warning for each prefix that does not end in a slash, with what else it covers now. */
export async function slashWarnings(
  client: EtcdClient,
  prefixes: readonly string[],
): Promise<string[]> {
  const warnings: string[] = [];
  for (const prefix of prefixes.filter((p) => !p.endsWith('/')))
    warnings.push(slashWarning(prefix, await others(client, prefix)));
  return warnings;
}

export function slashWarning(prefix: string, also: readonly string[]): string {
  const now = also.length > 0 ? `; now it also covers ${also.join(', ')}` : '';
  return `prefix ${prefix} does not end in a slash, so it covers every key that begins so${now}. To move only that folder, give ${prefix}/`;
}

/** Folders (or keys) that begin with the prefix and are not its own folder; one read for each. */
async function others(client: EtcdClient, prefix: string): Promise<string[]> {
  const names: string[] = [];
  const { rangeEnd } = prefixRange(prefix);
  let at: Buffer = Buffer.from(prefix);
  while (names.length < MAX_NAMES) {
    const { rows } = await client.range({ key: at, rangeEnd, limit: 1, keysOnly: true });
    if (!rows[0]) break;
    const folder = folderOf(keyOf(rows[0]), prefix.length);
    if (folder.name !== `${prefix}/`) names.push(folder.name);
    at = folder.range?.rangeEnd ?? keyAfter(keyOf(rows[0]));
    if (at.equals(TO_THE_END)) break;
  }
  return names;
}

/** The key up to its first slash behind the prefix; the key itself where there is none. */
function folderOf(key: Buffer, from: number): { name: string; range?: KeyRange } {
  const slash = key.indexOf(SLASH, from);
  if (slash < 0) return { name: key.toString() };
  const name = key.subarray(0, slash + 1).toString();
  return { name, range: prefixRange(name) };
}
