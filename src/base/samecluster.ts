/**
 * Whether a snapshot file is of the source, and of its past: asked of the source before anything is made.
 *
 * Rows tell. Where the source's history still reaches back to the file's head H, it is read at H: each
 * sampled key (filesample.ts) must be there what it is in the file, also one that is deleted there. Since
 * the newest rows are among them, a history that has parted from the file's below H is not taken for it.
 * Where it does not reach so far, what the source holds now is compared: a key that was not changed since
 * H must be the same, byte for byte; one that was changed, or is gone, says nothing.
 *
 * Invariant: a file of another past is never used up to the base unseen. What the sample leaves open is
 * the rest of the keys. Over a gap the bridge compares each of them (bridge.ts); without one their number
 * is compared when all is read (fromfile.ts), and that no other key differs only an audit can tell.
 *
 * So it goes on where nothing could be told at all: then there is a gap, and the bridge has the last word.
 * Only where the members are others, too, it is refused: nothing speaks for it then, and a source would be
 * read for nothing.
 *
 * Names and ids do not tell by themselves: two single etcds with default flags have the same ids of cluster
 * and member, and members are replaced, all of them by a restore.
 */
import { hasCode, LockstepError } from '../errors.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import { probeKey, type PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { digest } from '../mvcc/tally.js';
import type { EtcdClient } from '../wire/client.js';
import type { FileSample, SampledRow } from './filesample.js';

/** What is asked about: a file by its name, and what was picked out of it. */
interface AskedFile {
  path: string;
  head: Revision;
  memberIds: readonly string[];
  sample: FileSample;
}

/** How far the source and the file are the same. */
export interface Compared {
  /** Keys that were picked, and those of them that the source has shown to be the same. */
  keys: number;
  same: number;
  /** Whether the source still has all that came after the file. */
  reachesBack: boolean;
}

/** Keys that are asked for at once. */
const TOGETHER = 16;

/** @throws LockstepError SNAPSHOT_OTHER */
export async function refuseOtherCluster(
  client: EtcdClient,
  file: AskedFile,
  prefixes: PrefixSet,
): Promise<Compared> {
  const { revision } = await client.head(probeKey(prefixes));
  if (revision < file.head) throw ahead(file, revision, client.endpoints);
  const keys = file.sample.rows.length;
  const then = await compareAt(client, file, file.head, prefixes);
  if (then !== undefined) return { keys, same: then, reachesBack: true };
  const same = (await compareAt(client, file, 0, prefixes)) ?? 0;
  if (same === 0) await refuseOtherMembers(client, file);
  return { keys, same, reachesBack: false };
}

/**
 * @param revision of the source; 0: as it is now
 * @returns how many keys are the same; undefined where the source has compacted that revision
 */
async function compareAt(
  client: EtcdClient,
  file: AskedFile,
  revision: Revision,
  prefixes: PrefixSet,
): Promise<number | undefined> {
  const { rows } = file.sample;
  let same = 0;
  try {
    for (let i = 0; i < rows.length; i += TOGETHER) {
      const asked = rows.slice(i, i + TOGETHER).map((row) => isSame(client, file, row, revision));
      // Of several that differ the newest is told, and not whichever was answered first.
      for (const one of await Promise.allSettled(asked)) {
        if (one.status === 'rejected') throw one.reason;
        if (one.value) same++;
      }
    }
    // Also where the file has no key at all.
    await client.few({ key: probeKey(prefixes), revision, limit: 1, keysOnly: true });
  } catch (error) {
    if (hasCode(error, 'COMPACTED')) return undefined;
    throw error;
  }
  return same;
}

/** False where nothing is told. */
async function isSame(
  client: EtcdClient,
  file: AskedFile,
  { key, digest: inFile }: SampledRow,
  revision: Revision,
): Promise<boolean> {
  let row: Buffer | undefined;
  try {
    row = (await client.few({ key, revision, limit: 1 })).rows[0];
  } catch (error) {
    // Whoever may read our prefixes need not be allowed to read others.
    if (hasCode(error, 'PERMISSION')) return false;
    throw error;
  }
  const isNow = revision === 0;
  if (isNow && (!row || parseKeyValue(row).modRevision > file.head)) return false;
  if ((row && digest(row)) === inFile) return true;
  throw other(
    file,
    isNow
      ? `${key.toString()} was not changed at the source since, and is another one there`
      : `${key.toString()} was another one at the source at revision ${revision}`,
  );
}

/** Where no row tells. */
async function refuseOtherMembers(client: EtcdClient, file: AskedFile): Promise<void> {
  const there = await client.memberList().catch((error: unknown) => {
    if (hasCode(error, 'PERMISSION')) return [];
    throw error;
  });
  const ids = there.map(({ memberId }) => memberId);
  if (file.memberIds.length === 0 || ids.length === 0) return;
  if (file.memberIds.some((id) => ids.includes(id))) return;
  throw other(
    file,
    `its members (${file.memberIds.join(', ')}) are none of the source's (${ids.join(', ')}), and of ${file.sample.rows.length} keys none is the same`,
  );
}

function other({ path, head }: AskedFile, why: string): LockstepError {
  return new LockstepError(
    'SNAPSHOT_OTHER',
    `${path} is no snapshot of this source, or of another past of it: ${why}`,
    {
      revision: head,
      hint: 'Check the file and --endpoints. If the source was restored from a backup since, take a new snapshot, or seed with --from range.',
    },
  );
}

function ahead(
  { path, head }: AskedFile,
  revision: Revision,
  endpoints: readonly string[],
): LockstepError {
  return new LockstepError(
    'SNAPSHOT_OTHER',
    `${path} ends at revision ${head}, above the head ${revision} of the source (${endpoints.join(', ')})`,
    {
      revision: head,
      hint: 'The file is of another etcd, or the source was restored from an older backup. Check the file and --endpoints, or seed with --from range.',
    },
  );
}
