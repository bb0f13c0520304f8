/**
 * crop: snapshot file ─► base, offline.
 *
 * The rows of our prefixes go through a journal beside the output, exactly as in seed, so that both
 * give the same base; memory does not grow with the file. The journal is removed at the end.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Journal } from '../journal/journal.js';
import type { PrefixSet } from '../mvcc/prefix.js';
import { readResources, type ResourceSizes } from './resources.js';
import { loadSnapshot, type OnBase } from './read.js';
import { checkOut, seal, type Sealed } from './seal.js';
import { SnapshotFile } from './snapshot.js';

export interface CropOptions {
  snapshot: string;
  prefixes: PrefixSet;
  out: string;
  onBase: OnBase;
  signal: AbortSignal;
}

export interface Cropped {
  sealed: Sealed;
  /** What the snapshot held, by resource. */
  resources: ResourceSizes[];
  snapshotBytes: number;
  snapshotBytesInUse: number;
}

/** @throws LockstepError SNAPSHOT_DAMAGED, SNAPSHOT_NO_CHECKSUM, BOLT_DAMAGED, FILE_EXISTS, IO */
export async function crop(options: CropOptions): Promise<Cropped> {
  const { snapshot, prefixes, out, signal } = options;
  const onBase: OnBase = (count) => {
    signal.throwIfAborted();
    options.onBase(count);
  };
  checkOut(out);
  const file = await SnapshotFile.open(snapshot);
  const scratch = await mkdtemp(join(dirname(out), '.crop-'));
  try {
    const { resources, bytesInUse } = await readResources(file, join(scratch, 'sizes'));
    const journal = await Journal.create(
      join(scratch, 'journal'),
      { clusterId: 'none', prefixes },
      {
        watchFrom: file.head + 1,
        base: { how: 'snapshot', done: false },
        compactRevision: file.compactRevision,
      },
    );
    try {
      await loadSnapshot(file, journal, onBase);
      const leases = file.leases();
      const sealed = await seal(journal, {
        out,
        source: null,
        leaseTtl: (id) => Promise.resolve(leases.get(id)),
        signal,
      });
      return { sealed, resources, snapshotBytes: file.bytes, snapshotBytesInUse: bytesInUse };
    } finally {
      await journal.close();
    }
  } finally {
    file.close();
    await rm(scratch, { recursive: true, force: true });
  }
}
