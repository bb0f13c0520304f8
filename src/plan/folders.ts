/**
 * Which resources a live etcd holds, how many keys each has, and about how large they are, without
 * reading everything.
 *
 *     first key of the rest ─► its folder ─► jump behind the folder ─► …
 *
 * A few reads of a single key for each folder, then one that only counts. Sizes are guessed from a few
 * values at several places of a folder; small folders are read whole. Nothing is pinned: each folder is
 * as it was when it was looked at, and no compaction can come in between.
 */
import { keyOf } from '../mvcc/keyvalue.js';
import { prefixRange, WHOLE_STORE } from '../mvcc/prefix.js';
import { hasCode } from '../errors.js';
import { Spans } from '../source/spans.js';
import type { EtcdClient } from '../wire/client.js';
import { folderOf, isCompiledIn } from '../kube/folders.js';

export interface FolderSize {
  /** `/registry/pods/`; a key without a folder is its own. */
  folder: string;
  keys: number;
  /** Of rows as etcd stores them: key, value and numbers. */
  bytes: number;
  /** False where `bytes` is guessed from a sample. */
  exact: boolean;
}

/** More than any cluster has resources; what is behind them is counted as one. */
const MAX_FOLDERS = 2000;
const REST = '(other)';
const READ_WHOLE_KEYS = 64;
/** Where samples begin: names mostly begin with letters, so this spreads them over namespaces. */
const SAMPLE_FROM = ['', 'f', 'm', 't'];
const SAMPLE_KEYS = 16;
/** What a page is to the lengths of ranges (source/spans.ts). */
const SPAN_KEYS = 64;
/** No key begins so. */
const NO_ROOT = '\0\0';

/**
 * kube-apiserver's `--etcd-prefix` with a slash at both ends, told by what lies below it; the usual
 * one where nothing tells.
 */
export async function findRoot(client: EtcdClient, prefixes: readonly string[]): Promise<string> {
  const given = prefixes.map(rootOf).find((root) => root !== undefined);
  if (given !== undefined) return given;
  for await (const top of folders(client, (key) => folderOf(key, NO_ROOT))) {
    if (!top.endsWith('/')) continue;
    for await (const folder of folders(client, (key) => folderOf(key, top), top))
      if (isCompiledIn(folder.slice(top.length, -1))) return top;
  }
  return '/registry/';
}

/** `/registry/` of `/registry/pods/`, if pods are what Kubernetes has. */
function rootOf(prefix: string): string | undefined {
  const parts = prefix.split('/').slice(0, -1);
  for (const depth of [2, 1]) {
    const name = parts.slice(-depth).join('/');
    const root = prefix.slice(0, prefix.length - name.length - 1);
    if (isCompiledIn(name) && root.length > 1 && root.endsWith('/')) return root;
  }
  return undefined;
}

/**
 * Every folder there is.
 * @throws LockstepError PERMISSION where the user may not read all there is
 */
export async function measureFolders(
  client: EtcdClient,
  root: string,
  onFolder: (folder: FolderSize) => void,
): Promise<FolderSize[]> {
  const found: FolderSize[] = [];
  for await (const folder of folders(client, (key) => folderOf(key, root))) {
    if (found.length === MAX_FOLDERS) {
      const { count } = await client.range({ ...rangeFrom(folder), countOnly: true });
      found.push({ folder: REST, keys: count, bytes: 0, exact: false });
      break;
    }
    const size = await measure(client, folder);
    if (size.keys === 0) continue; // deleted meanwhile
    found.push(size);
    onFolder(size);
  }
  return found;
}

async function measure(client: EtcdClient, folder: string): Promise<FolderSize> {
  const range = ownRange(folder);
  const { count } = await client.range({ ...range, countOnly: true });
  const whole = count <= READ_WHOLE_KEYS;
  const rows = await sample(client, folder, whole ? [''] : SAMPLE_FROM, whole);
  const bytes = rows.reduce((sum, row) => sum + row.length, 0);
  const exact = rows.length === count;
  const guess = rows.length === 0 ? 0 : Math.round((bytes / rows.length) * count);
  return { folder, keys: count, bytes: exact ? bytes : guess, exact };
}

async function sample(
  client: EtcdClient,
  folder: string,
  places: readonly string[],
  whole: boolean,
): Promise<Buffer[]> {
  const { rangeEnd } = ownRange(folder);
  const rows: Buffer[] = [];
  for (const place of places) {
    const last = rows.at(-1);
    const key = Buffer.from(folder + place);
    // Few keys may lie between two places.
    const from = last && keyOf(last).compare(key) >= 0 ? after(keyOf(last)) : key;
    const limit = whole ? READ_WHOLE_KEYS : SAMPLE_KEYS;
    rows.push(...(await some(client, from, rangeEnd, limit)));
  }
  return rows;
}

/** So many rows, or fewer where they are too large for one answer. */
async function some(
  client: EtcdClient,
  key: Buffer,
  rangeEnd: Buffer,
  limit: number,
): Promise<Buffer[]> {
  try {
    return (await client.range({ key, rangeEnd, limit })).rows;
  } catch (error) {
    if (!hasCode(error, 'ANSWER_TOO_LARGE') || limit === 1) throw error;
    return some(client, key, rangeEnd, Math.floor(limit / 2));
  }
}

/**
 * Folder after folder, a few reads of one key each; at most one more than {@link MAX_FOLDERS}. Of short
 * ranges: of all that is left, etcd would count the largest folder anew for each that comes before it.
 */
async function* folders(
  client: EtcdClient,
  folderOfKey: (key: string) => string,
  under = '',
): AsyncGenerator<string> {
  const spans = new Spans(prefixRange(under));
  let yielded = 0;
  for (let { range } = spans; range && yielded <= MAX_FOLDERS; { range } = spans) {
    const { rows, count, more } = await client.few({ ...range, limit: 1, keysOnly: true });
    const found = rows[0] && keyOf(rows[0]);
    const page = { first: found, last: found, rows: rows.length, count, more };
    spans.took({ ...page, limit: SPAN_KEYS });
    if (!found) continue;
    const folder = folderOfKey(found.toString());
    yield folder;
    yielded++;
    const end = ownRange(folder).rangeEnd;
    // A name that is no UTF-8 reads back as another one; then key by key.
    if (end.compare(found) > 0) spans.skipTo(end);
  }
}

/** All keys of a folder; the key itself where there is none. */
function ownRange(folder: string): { key: Buffer; rangeEnd: Buffer } {
  if (folder.endsWith('/')) return prefixRange(folder);
  const key = Buffer.from(folder);
  return { key, rangeEnd: after(key) };
}

function rangeFrom(folder: string): { key: Buffer; rangeEnd: Buffer } {
  return { key: Buffer.from(folder), rangeEnd: WHOLE_STORE.rangeEnd };
}

function after(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.from([0])]);
}
