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
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pause } from '../async/again.js';
import { hasCode, LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { Journal } from '../journal/journal.js';
import type { Row } from '../journal/layout.js';
import { ioFailed } from '../journal/level.js';
import type { BaseProgress } from '../journal/state.js';
import { keyOf, parseKeyValue } from '../mvcc/keyvalue.js';
import { PrefixSet, prefixRange, probeKey } from '../mvcc/prefix.js';
import { recordBytes } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { compactRevision } from '../source/compactrevision.js';
import type { WatchLimits } from '../source/limits.js';
import { readPages, type Page, type PagePace } from '../source/pages.js';
import type { EtcdClient } from '../wire/client.js';
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
/** So many pages may be on their way to the disk while the next one is read; they share fsyncs. */
const PAGES_WRITTEN = 2;
const LOAD_BATCH_BYTES = 4 * 1024 * 1024;
/** A snapshot comes in blobs of 32 KiB; a write for each would cost more than all else. */
const WRITE_BYTES = 1024 * 1024;

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
      // Where every revision must show up as an event: revision 1 never has one, and a deletion at the
      // compact revision may be lost. There the pages bring what is live at it.
      watchFrom: limits.progressIsProof ? pinned : pinned + 1,
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
      const pinned = await compactRevision(client, probeKey(PrefixSet.of(journal.state.prefixes)));
      // Another member may answer that has not compacted yet.
      if (pinned <= base.pinned) await pause(REPIN_MS);
      await journal.addBase([], { ...base, pinned }, pinned);
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
  const prefixes = journal.state.prefixes;
  const writing: Promise<void>[] = [];
  try {
    for (let i = base.prefix; i < prefixes.length; i++) {
      const from = base.next === null ? undefined : Buffer.from(base.next, 'base64');
      const range = prefixRange(prefixes[i] ?? '');
      for await (const page of readPages(client, range, base.pinned, from, false, pace)) {
        const next = page.next?.toString('base64') ?? null;
        base = { ...base, prefix: next === null ? i + 1 : i, next };
        base.done = base.prefix === prefixes.length;
        const rows = baseRows(page, journal.state.watchFrom);
        if (writing.length === PAGES_WRITTEN) await writing.shift();
        const written = writePage(journal, rows, base);
        // Its failure is thrown when it is its turn.
        written.catch(() => undefined);
        writing.push(written);
        count.keys += page.rows.length;
        count.bytes += page.rows.reduce((sum, row) => sum + row.length, 0);
        count.remaining = page.remaining - page.rows.length;
        onBase(count);
      }
    }
  } finally {
    await Promise.all(writing);
  }
}

async function writePage(journal: Journal, rows: Row[], base: BaseProgress): Promise<void> {
  await journal.addBase(rows, base);
  failpoint('base.page');
}

function rangeProgress(journal: Journal): BaseProgress & { how: 'range' } {
  const { base } = journal.state;
  if (base.how !== 'range') throw new Error('this journal reads its base from a snapshot');
  return base;
}

function baseRows(page: Page, watchFrom: Revision): Row[] {
  const rows: Row[] = [];
  for (const bytes of page.rows) {
    const { key, modRevision } = parseKeyValue(bytes);
    if (modRevision < watchFrom)
      rows.push({ main: modRevision, sub: 0, tombstone: false, key, bytes, byKey: true });
  }
  return rows;
}

async function loadFromStream(client: EtcdClient, journal: Journal, onBase: OnBase): Promise<void> {
  const path = join(journal.directory, 'snapshot.part');
  const bytes = await download(client, path, onBase);
  const file = await SnapshotFile.open(path);
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
      onBase({ keys, bytes, remaining: undefined });
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
  let batch: Row[] = [];
  let bytes = 0;
  const flush = async (done: boolean) => {
    await journal.addBase(batch, { ...journal.state.base, done }, file.compactRevision);
    failpoint('base.batch');
    count.keys += batch.length;
    count.bytes += bytes;
    onBase(count);
    batch = [];
    bytes = 0;
  };
  for await (const leaf of file.rowsAtEase())
    for (const row of cropper.crop(leaf)) {
      if (row.main >= journal.state.watchFrom) continue;
      // A row of the file keeps all that lies around it in memory, and ours may be few.
      const own = Buffer.from(row.bytes);
      batch.push({ ...row, bytes: own, key: keyOf(own) });
      bytes += recordBytes(row);
      if (bytes >= LOAD_BATCH_BYTES) await flush(false);
    }
  await flush(true);
}

/** Streams a snapshot to `path`; its sha256 is checked when it is opened. */
async function download(client: EtcdClient, path: string, onBase: OnBase): Promise<number> {
  const failed = (cause: unknown) => {
    throw ioFailed(path, cause);
  };
  const file = await open(path, 'w');
  const count = noBase();
  try {
    let blobs: Uint8Array[] = [];
    let waiting = 0;
    const write = async () => {
      await file.appendFile(Buffer.concat(blobs)).catch(failed); // write() may write a part and say nothing
      blobs = [];
      waiting = 0;
    };
    for await (const { blob } of client.snapshot()) {
      blobs.push(blob);
      waiting += blob.length;
      if (waiting >= WRITE_BYTES) await write();
      failpoint('base.blob');
      count.bytes += blob.length;
      onBase(count);
    }
    await write();
    return count.bytes;
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}
