/**
 * Journal ─► base: a snapshot file that `etcdutl snapshot restore` takes as it is.
 *
 * It holds the rows of our prefixes up to one revision S, at the source's revisions, and on top, at
 * S itself, the cursor. The cursor is what makes the target's head S (etcd takes the last row's
 * revision for it), whatever the prefix's own last row is. Of `meta` only the compact revision is
 * written: consistent_index, term, confState and members are made by restore.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname } from 'node:path';
import protobuf from 'protobufjs/minimal.js';
import { attempt } from '../bolt/failure.js';
import { BoltWriter } from '../bolt/writer.js';
import { CURSOR_FORMAT, CURSOR_KEY, encodeCursor, type Cursor } from '../cursor.js';
import { LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { Journal } from '../journal/journal.js';
import { encodeKeyValue, parseKeyValue, toLong } from '../mvcc/keyvalue.js';
import { encodeRevision, type Revision } from '../mvcc/revision.js';
import { appendChecksum } from './checksum.js';

export interface SealOptions {
  out: string;
  /** Cluster id of the source; null if it is not known. */
  source: string | null;
  /** Granted TTL in seconds of a lease that a row names; undefined where it is gone. */
  leaseTtl: (id: bigint) => Promise<number | undefined>;
  onRow?: (rows: number) => void;
  /** Ends it with an error; nothing is published then. */
  signal: AbortSignal;
}

export interface Sealed {
  out: string;
  head: Revision;
  compactRevision: Revision;
  /** Live keys of the prefixes, and their checksum. */
  keys: number;
  checksum: string;
  /** Rows, history and deletions included, without the cursor. */
  rows: number;
  leases: number;
  fileBytes: number;
}

/**
 * For leases that have gone on the source since: their keys' deletions are on their way through
 * the watch, and until then the target must not delete the keys by itself.
 */
const GONE_LEASE_TTL_SECONDS = 3600;

/**
 * Checks before anything is read that the base could be put there.
 * @throws LockstepError FILE_EXISTS, IO
 */
export function checkOut(path: string): void {
  if (existsSync(path))
    throw new LockstepError('FILE_EXISTS', `${path} exists already`, {
      disposition: 'usage',
      hint: 'Name another --out, or remove the file.',
    });
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch (cause) {
    throw new LockstepError('IO', `cannot write into ${dirname(path)}`, {
      disposition: 'usage',
      hint: 'Name an --out in a folder that exists and may be written.',
      cause,
    });
  }
}

/**
 * Compacts the journal to its compact revision and writes the base as it is at the journal's
 * position; publishes it by rename. Nothing may be written to the journal meanwhile.
 * @throws LockstepError JOURNAL_DAMAGED, IO
 */
export async function seal(journal: Journal, options: SealOptions): Promise<Sealed> {
  const { out } = options;
  const at = journal.position;
  const { compactRevision, prefixes } = journal.state;
  const tally = await journal.compact(compactRevision);
  const cursor: Cursor = {
    format: CURSOR_FORMAT,
    source: options.source,
    prefixes,
    revision: at,
    keys: tally.keys,
    checksum: tally.hex,
    slotWrites: 0,
    gap: journal.state.gap,
    follower: null,
    at: new Date().toISOString(),
  };
  const part = `${out}.part`;
  rmSync(part, { force: true });
  const { rows, leases, dataBytes } = await write(part, journal, cursor, options);
  publish(part, out);
  return {
    out,
    head: at,
    compactRevision,
    keys: tally.keys,
    checksum: tally.hex,
    rows,
    leases,
    fileBytes: dataBytes + 32,
  };
}

async function write(
  path: string,
  journal: Journal,
  cursor: Cursor,
  { leaseTtl, onRow, signal }: SealOptions,
): Promise<{ rows: number; leases: number; dataBytes: number }> {
  const db = BoltWriter.create(path);
  try {
    db.beginBucket('key');
    const { rows, leaseIds } = await writeRows(db, journal, cursor, (n) => {
      signal.throwIfAborted();
      onRow?.(n);
    });
    db.endBucket();
    db.beginBucket('lease');
    for (const id of [...leaseIds].sort(unsigned))
      db.put(int64(id), encodeLease(id, (await leaseTtl(id)) ?? GONE_LEASE_TTL_SECONDS));
    db.endBucket();
    db.beginBucket('meta');
    // Revision 1 is where every store begins: nothing was compacted.
    if (journal.state.compactRevision > 1) {
      const compact = encodeRevision(journal.state.compactRevision, 0);
      db.put(Buffer.from('finishedCompactRev'), compact);
      db.put(Buffer.from('scheduledCompactRev'), compact);
    }
    db.endBucket();
    const dataBytes = db.finish();
    failpoint('seal.checksum');
    await appendChecksum(path, dataBytes);
    return { rows, leases: leaseIds.size, dataBytes };
  } catch (error) {
    db.abort();
    rmSync(path, { force: true });
    throw error;
  }
}

async function writeRows(
  db: BoltWriter,
  journal: Journal,
  cursor: Cursor,
  onRow: (rows: number) => void,
): Promise<{ rows: number; leaseIds: Set<bigint> }> {
  const leaseIds = new Set<bigint>();
  let rows = 0;
  let cursorSub = 0;
  for await (const { revision, records } of journal.everything()) {
    for (const { sub, tombstone, bytes } of records) {
      db.put(encodeRevision(revision, sub, tombstone), bytes);
      const { lease } = parseKeyValue(bytes);
      if (lease !== 0n) leaseIds.add(lease);
    }
    rows += records.length;
    failpoint('seal.row');
    if (revision === cursor.revision) cursorSub = records.length;
    onRow(rows);
  }
  db.put(encodeRevision(cursor.revision, cursorSub), cursorRow(cursor));
  return { rows, leaseIds };
}

function cursorRow(cursor: Cursor): Buffer {
  return encodeKeyValue({
    key: CURSOR_KEY,
    createRevision: cursor.revision,
    modRevision: cursor.revision,
    version: 1,
    value: encodeCursor(cursor),
  });
}

/** leasepb.Lease{ID, TTL}. */
function encodeLease(id: bigint, ttlSeconds: number): Uint8Array {
  return protobuf.Writer.create()
    .uint32(0x08)
    .int64(toLong(id))
    .uint32(0x10)
    .int64(ttlSeconds)
    .finish();
}

function int64(value: bigint): Buffer {
  const out = Buffer.allocUnsafe(8);
  out.writeBigInt64BE(value);
  return out;
}

function unsigned(a: bigint, b: bigint): number {
  return BigInt.asUintN(64, a) < BigInt.asUintN(64, b) ? -1 : 1;
}

/** After the rename and the directory's fsync the base is there whole, or it is not there. */
function publish(part: string, out: string): void {
  attempt('write', out, () => {
    failpoint('seal.rename');
    renameSync(part, out);
    failpoint('seal.renamed');
    const directory = openSync(dirname(out), 'r');
    fsyncSync(directory);
    closeSync(directory);
  });
}
