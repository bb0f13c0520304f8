/**
 * Which resources a live etcd holds, how many keys each has, and about how large they are, without
 * reading everything.
 *
 * A few reads of a single key for each folder (source/folders.ts), then one that only counts. Sizes are
 * guessed from a few values at several places of a folder; small folders are read whole. Nothing is
 * pinned: each folder is as it was when it was looked at, and no compaction can come in between.
 */
import { hasCode } from '../errors.js';
import { folderOf } from '../kube/resourcefolders.js';
import { keyOf } from '../mvcc/keyvalue.js';
import { keyAfter, WHOLE_STORE } from '../mvcc/prefix.js';
import { folders, ownRange } from '../source/folders.js';
import type { EtcdClient } from '../wire/client.js';

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
    const from = last && keyOf(last).compare(key) >= 0 ? keyAfter(keyOf(last)) : key;
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

function rangeFrom(folder: string): { key: Buffer; rangeEnd: Buffer } {
  return { key: Buffer.from(folder), rangeEnd: WHOLE_STORE.rangeEnd };
}
