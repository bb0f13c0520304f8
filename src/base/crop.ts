/**
 * crop: snapshot file ─► base, offline.
 *
 *     file ─► rows ─► ours ─► base file
 *                └──► census: tally, sizes, superseded rows
 *
 * The file's rows are in the order of revisions already, so one walk is enough: each row of ours goes
 * into the base as it is met. Only which rows are superseded is not known before the end; hardly
 * any file has such rows (census.ts), and then the walk is made once more without them.
 *
 * It gives the base that a seed of the same moment gives, row for row; see journal/run.ts for the
 * order inside compacted revisions. Dropped: the way through a journal, as a seed goes it, which
 * sorts what is sorted and writes each row five times.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PrefixSet } from '../mvcc/prefix.js';
import type { Record, WholeRevision } from '../mvcc/record.js';
import { checkNewFile } from '../newfile.js';
import { noKeys, Unmatched } from '../source/nokeys.js';
import { BaseFile, type Sealed } from './basefile.js';
import { Census, type Counted } from './census.js';
import { noBase, type OnBase } from './read.js';
import type { ResourceSizes } from './resourcesizes.js';
import { SnapshotFile, type RawRow } from './snapshot.js';

/** What is taken out of which snapshot file. */
export interface CropOptions {
  snapshot: string;
  prefixes: PrefixSet;
  out: string;
  /** A prefix that no key begins with is no error. */
  allowEmpty?: boolean;
  onBase: OnBase;
  signal: AbortSignal;
}

/** The base that was made, and what it was made of. */
export interface Cropped {
  sealed: Sealed;
  /** What the snapshot held, by resource. */
  resources: ResourceSizes[];
  snapshotBytes: number;
  snapshotBytesInUse: number;
}

/** @throws LockstepError what SnapshotFile.open says; FILE_EXISTS, NO_KEYS, IO */
export async function crop(options: CropOptions): Promise<Cropped> {
  const { snapshot, prefixes, out } = options;
  checkNewFile(out, '--out');
  const file = await SnapshotFile.open(snapshot);
  let base: BaseFile | undefined;
  try {
    base = new BaseFile(out);
    const counted = await takeCensus(file, base, options);
    const { tally, resources, superseded } = counted;
    if (superseded.size > 0) {
      await base.abort();
      base = new BaseFile(out);
      let row = 0;
      await writeRows(file, base, options, () => !superseded.has(row++));
    }
    const { head, compactRevision } = file;
    const facts = { source: null, prefixes: [...prefixes.list], gap: null };
    const leases = file.leases();
    const sealed = await base.publish({ ...facts, head, compactRevision, tally }, (id) =>
      Promise.resolve(leases.get(id)),
    );
    return { sealed, resources, snapshotBytes: file.bytes, snapshotBytesInUse: file.bytesInUse };
  } finally {
    await base?.abort();
    file.close();
  }
}

async function takeCensus(
  file: SnapshotFile,
  base: BaseFile,
  options: CropOptions,
): Promise<Counted> {
  // Always the same one, so that the next run removes what a killed one has left.
  const scratch = `${options.out}.census`;
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch);
  const census = new Census(join(scratch, 'census'), file.compactRevision);
  const unmatched = new Unmatched(options.prefixes.list);
  try {
    await writeRows(
      file,
      base,
      options,
      () => true,
      (row, ours) => {
        census.see(row, ours);
        if (ours) unmatched.see(row.key);
      },
    );
    const counted = census.count();
    // Of several prefixes, one may have nothing but history.
    const empty = counted.tally.keys === 0 ? options.prefixes.list : unmatched.prefixes;
    if (empty.length > 0 && !options.allowEmpty) throw noKeys(empty, options.snapshot);
    return counted;
  } finally {
    census.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * Walks through the file and writes the rows of our prefixes.
 * @param keep asked for each row of ours, in order
 * @param see called for each row of all
 */
async function writeRows(
  file: SnapshotFile,
  base: BaseFile,
  { prefixes, onBase, signal }: CropOptions,
  keep: () => boolean,
  see?: (row: RawRow, ours: boolean) => void,
): Promise<void> {
  const count = noBase();
  let open: WholeRevision = { revision: 0, records: [] };
  const close = () => {
    for (const record of inOrder(open, file.compactRevision)) base.add(record);
  };
  const onStep = () => {
    signal.throwIfAborted();
    onBase(count);
  };
  for await (const rows of file.rowsAtEase(onStep))
    for (const row of rows) {
      const ours = prefixes.covers(row.key);
      see?.(row, ours);
      if (!ours || !keep()) continue;
      const { key, bytes, revision } = row;
      const { main, tombstone } = revision;
      if (main !== open.revision) {
        close();
        open = { revision: main, records: [] };
      }
      open.records.push({ main, sub: open.records.length, tombstone, key, bytes });
      count.keys++;
      count.bytes += bytes.length;
    }
  close();
  onBase(count);
}

/** Below the compact revision rows lie by key, as where only a Range has seen them. */
function inOrder({ revision, records }: WholeRevision, compactRevision: number): Record[] {
  if (records.length === 1 || revision >= compactRevision) return records;
  return records.toSorted((a, b) => a.key.compare(b.key) || a.sub - b.sub);
}
