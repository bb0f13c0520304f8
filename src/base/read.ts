/**
 * Reads the base into the journal while the watch is captured beside it.
 *
 * Both ways lean on the same fact: once the watch runs from revision W (`watchFrom`), rows from W on
 * come from it, and the base only has to bring what lies below W and is still needed.
 *
 * **range**: W is the source's compact revision C. Pages are read at C. If the source compacts to C2
 * meanwhile, the remaining pages are read at C2: what changed in the pages before lies in the watch,
 * and the journal's compact revision becomes C2. So a read that outlives the compaction window,
 * even several of them, ends in a right base at the last revision that was pinned. (Dropped:
 * starting over at C2, which never ends on a source that is slower to read than to compact.)
 *
 * **snapshot**: W is the head + 1 before the snapshot is asked for. The file brings everything up to
 * its own head; what lies at W or above in it also comes from the watch and is left out.
 */
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pause } from '../async/again.js';
import { hasCode, isSystemError, LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { Journal } from '../journal/journal.js';
import { ioFailed } from '../journal/level.js';
import { RunBuffer } from '../journal/runbuffer.js';
import type { BaseProgress } from '../journal/state.js';
import { modRevisionOf } from '../mvcc/keyvalue.js';
import { PrefixSet, prefixRange, probeKey } from '../mvcc/prefix.js';
import { compactRevision } from '../source/compactrevision.js';
import type { WatchLimits } from '../source/limits.js';
import { readPages, type PagePace } from '../source/pages.js';
import type { EtcdClient } from '../wire/client.js';
import { ComingChecksum } from './checksum.js';
import { RunWriter } from './runwriter.js';
import { Cropper, SnapshotFile } from './snapshot.js';

/** What has been read so far; counts are of this run. */
export interface BaseCount {
  keys: number;
  bytes: number;
  /** Keys still to come, where that is known. */
  remaining: number | undefined;
}

/** Before anything was read. */
export function noBase(): BaseCount {
  return { keys: 0, bytes: 0, remaining: undefined };
}

export type OnBase = (count: BaseCount) => void;

const REPIN_MS = 100;
/** A snapshot comes in blobs of 32 KiB; so many of them may wait for the disk. */
const WAITING_BYTES = 4 * 1024 * 1024;

/** The journal for a new seed, set to read the base this way. */
export async function startJournal(
  client: EtcdClient,
  directory: string,
  identity: { clusterId: string; prefixes: PrefixSet },
  how: 'range' | 'snapshot',
  limits: WatchLimits,
): Promise<Journal> {
  if (how === 'range') {
    const pinned = await compactRevision(client, probeKey(identity.prefixes));
    return Journal.create(directory, identity, {
      // Revision 1 never has an event, and where every revision must show up as one, it would be missed: at once, or
      // from when the endpoint is seen to answer no question for progress. And where a deletion at the compact
      // revision may be lost, the pages bring what is live at it.
      watchFrom: limits.progressIsProof ? Math.max(pinned, 2) : pinned + 1,
      base: { how, done: false, pinned, prefix: 0, next: null },
      compactRevision: pinned,
    });
  }
  const { revision } = await client.head(probeKey(identity.prefixes));
  return Journal.create(directory, identity, {
    watchFrom: revision + 1,
    base: { how, done: false },
    compactRevision: 1,
  });
}

/**
 * Reads the base to its end; goes on where a killed one was, page by page. An aborted `signal` ends
 * it with an error at the next page.
 * @param pace of pages; unless given they are read as fast as they are used
 */
export async function readBase(
  client: EtcdClient,
  journal: Journal,
  onBase: OnBase,
  signal: AbortSignal,
  pace?: PagePace,
): Promise<void> {
  const { base } = journal.state;
  if (base.done) return;
  const checked: OnBase = (count) => {
    signal.throwIfAborted();
    onBase(count);
  };
  if (base.how === 'snapshot') await loadFromStream(client, journal, checked);
  else await readRange(client, journal, checked, pace);
}

async function readRange(
  client: EtcdClient,
  journal: Journal,
  onBase: OnBase,
  pace: PagePace | undefined,
): Promise<void> {
  const count = noBase();
  while (!journal.state.base.done) {
    try {
      await readRangeFrom(client, journal, count, onBase, pace);
    } catch (error) {
      if (!hasCode(error, 'COMPACTED')) throw error;
      const base = rangeProgress(journal);
      const compacted = await compactRevision(
        client,
        probeKey(PrefixSet.of(journal.state.prefixes)),
      );
      // Another member may answer that has not compacted yet. Never back: pages that were read do not have what
      // lived before the revision that they were read at.
      const pinned = Math.max(compacted, base.pinned);
      if (pinned === base.pinned) await pause(REPIN_MS);
      await journal.addBase(new RunBuffer(), { ...base, pinned }, pinned);
      // Where no page comes, nothing else looks at the signal.
      onBase(count);
    }
  }
}

async function readRangeFrom(
  client: EtcdClient,
  journal: Journal,
  count: BaseCount,
  onBase: OnBase,
  pace: PagePace | undefined,
): Promise<void> {
  let base = rangeProgress(journal);
  const { prefixes, watchFrom } = journal.state;
  const runs = new RunWriter(journal);
  try {
    for (let i = base.prefix; i < prefixes.length; i++) {
      const from = base.next === null ? undefined : Buffer.from(base.next, 'base64');
      const range = prefixRange(prefixes[i] ?? '');
      for await (const page of readPages(client, range, base.pinned, from, false, pace)) {
        const next = page.next?.toString('base64') ?? null;
        base = { ...base, prefix: next === null ? i + 1 : i, next };
        base.done = base.prefix === prefixes.length;
        for (const bytes of page.rows) {
          count.bytes += bytes.length;
          const main = modRevisionOf(bytes);
          if (main < watchFrom) runs.add({ main, sub: 0, tombstone: false, bytes, byKey: true });
        }
        count.keys += page.rows.length;
        count.remaining = page.remaining - page.rows.length;
        if (runs.isFull || base.done) await runs.write(base);
        onBase(count);
      }
    }
  } finally {
    await runs.end();
  }
}

function rangeProgress(journal: Journal): BaseProgress & { how: 'range' } {
  const { base } = journal.state;
  if (base.how !== 'range') throw new Error('this journal reads its base from a snapshot');
  return base;
}

async function loadFromStream(client: EtcdClient, journal: Journal, onBase: OnBase): Promise<void> {
  const path = join(journal.directory, 'snapshot.part');
  const dataBytes = await download(client, path, onBase);
  const file = SnapshotFile.openVerified(path, dataBytes);
  try {
    if (file.head < journal.state.watchFrom - 1)
      throw new LockstepError(
        'UNAVAILABLE',
        `the snapshot ends at revision ${file.head}, before the head ${journal.state.watchFrom - 1} that the source had: this member lags`,
        {
          side: client.side,
          revision: file.head,
          hint: 'Wait until the member has caught up, or name another one in --endpoints.',
        },
      );
    await loadSnapshot(file, journal, ({ keys }) => {
      onBase({ keys, bytes: dataBytes, remaining: undefined });
    });
  } finally {
    file.close();
    await rm(path, { force: true });
  }
}

/** Puts a snapshot's rows of our prefixes below `watchFrom` into the journal. */
export async function loadSnapshot(
  file: SnapshotFile,
  journal: Journal,
  onBase: OnBase,
): Promise<void> {
  const cropper = new Cropper(PrefixSet.of(journal.state.prefixes), file.compactRevision);
  const count = noBase();
  const runs = new RunWriter(journal);
  const write = async (done: boolean) => {
    await runs.write({ ...journal.state.base, done }, file.compactRevision);
    onBase(count);
  };
  // Gigabytes of others may lie between two runs of ours, and it may have to end there.
  const onStep = () => {
    onBase(count);
  };
  try {
    for await (const leaf of file.rowsAtEase(onStep))
      for (const row of cropper.crop(leaf)) {
        if (row.main >= journal.state.watchFrom) continue;
        runs.add(row);
        count.keys++;
        count.bytes += row.bytes.length;
        if (runs.isFull) await write(false);
      }
    await write(true);
  } finally {
    await runs.end();
  }
}

/**
 * Streams a snapshot to `path`.
 * @returns the bytes in front of its sha256, which is checked on the way
 */
async function download(client: EtcdClient, path: string, onBase: OnBase): Promise<number> {
  const checksum = new ComingChecksum();
  const count = noBase();
  const coming = async function* () {
    for await (const { blob } of client.snapshot()) {
      checksum.add(blob);
      yield blob;
      failpoint('base.blob');
      count.bytes += blob.length;
      onBase(count);
    }
  };
  try {
    await pipeline(coming, createWriteStream(path, { highWaterMark: WAITING_BYTES }));
    return checksum.verify(path);
  } catch (error) {
    await rm(path, { force: true });
    throw isSystemError(error) ? ioFailed(path, error) : error;
  }
}
