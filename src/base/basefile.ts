/**
 * A base as it is written: a snapshot file that `etcdutl snapshot restore` takes as it is.
 *
 * It holds the rows of our prefixes up to one revision S, at the source's revisions, and on top, at
 * S itself, the cursor. The cursor is what makes the target's head S (etcd takes the last row's
 * revision for it), whatever the prefix's own last row is. Of `meta` only the compact revision is
 * written: consistent_index, term, confState and members are made by restore.
 *
 * Until it is published it has another name; by its own it is there whole, or it is not there. That other name
 * another process may take, which was given the same one to publish: what it writes is left alone.
 */
import { closeSync, fstatSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import protobuf from 'protobufjs/minimal.js';
import { BoltWriter } from '../bolt/boltwriter.js';
import { attempt } from '../bolt/failure.js';
import { LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { Gap } from '../journal/state.js';
import { LOST_LEASE_TTL_SECONDS } from '../leases/lostlease.js';
import { encodeKeyValue, leaseOf, toLong } from '../mvcc/keyvalue.js';
import type { Record } from '../mvcc/record.js';
import { encodeRevision, type Revision } from '../mvcc/revision.js';
import type { Tally } from '../mvcc/tally.js';
import { syncFolder } from '../newfile.js';
import { CURSOR_FORMAT, CURSOR_KEY, encodeCursor, type Cursor } from '../target/cursor.js';
import { appendChecksum } from './checksum.js';

/** What a base says of itself. */
interface BaseFacts {
  /** Cluster id of the source; null if it is not known. */
  source: string | null;
  prefixes: string[];
  head: Revision;
  compactRevision: Revision;
  /** Of the live keys at the head. */
  tally: Tally;
  gap: Gap | null;
}

/** A base that was made. */
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

/** Granted TTL in seconds of a lease that a row names; undefined where it is gone. */
export type LeaseTtl = (id: bigint) => Promise<number | undefined>;

/** Writes one base. End it with `publish` or `abort`. Methods throw LockstepError IO. */
export class BaseFile {
  rows = 0;
  readonly #part: string;
  readonly #db: BoltWriter;
  /** Held open so that no other file can get its inode. */
  #held: number | undefined;
  readonly #leases = new Set<bigint>();
  #last = { main: 0, sub: 0 };

  constructor(private readonly out: string) {
    this.#part = `${out}.part`;
    rmSync(this.#part, { force: true });
    this.#db = BoltWriter.create(this.#part);
    this.#held = attempt('open', this.#part, () => openSync(this.#part, 'r'));
    this.#db.beginBucket('key');
  }

  /** Adds a row behind the one before: at the same revision or above. */
  add({ main, tombstone, bytes }: Omit<Record, 'sub' | 'key'>): void {
    const sub = main === this.#last.main ? this.#last.sub + 1 : 0;
    this.#db.put(encodeRevision(main, sub, tombstone), bytes);
    const lease = leaseOf(bytes);
    if (lease !== 0n) this.#leases.add(lease);
    this.rows++;
    this.#last = { main, sub };
    failpoint('base.seal.row');
  }

  /** Adds the cursor, makes the file durable and gives it its name. */
  async publish(facts: BaseFacts, leaseTtl: LeaseTtl): Promise<Sealed> {
    const { head, compactRevision, tally } = facts;
    const cursor = cursorOf(facts);
    const sub = this.#last.main === head ? this.#last.sub + 1 : 0;
    this.#db.put(encodeRevision(head, sub), cursorRow(cursor));
    this.#db.endBucket();
    await this.#writeLeases(leaseTtl);
    this.#writeMeta(compactRevision);
    const dataBytes = await this.#db.finish();
    failpoint('base.seal.checksum');
    this.#refuseOther();
    const fileBytes = await appendChecksum(this.#part, dataBytes);
    this.#refuseOther();
    rename(this.#part, this.out);
    this.#letGo();
    return {
      out: this.out,
      head,
      compactRevision,
      keys: tally.keys,
      checksum: tally.hex,
      rows: this.rows,
      leases: this.#leases.size,
      fileBytes,
    };
  }

  /** Removes what was written; harmless after `publish`. */
  async abort(): Promise<void> {
    await this.#db.abort();
    if (this.#isOurs()) rmSync(this.#part, { force: true });
    this.#letGo();
  }

  #isOurs(): boolean {
    if (this.#held === undefined) return false;
    const [ours, there] = [fstatSync(this.#held), statSync(this.#part, { throwIfNoEntry: false })];
    return there?.ino === ours.ino && there.dev === ours.dev;
  }

  #letGo(): void {
    if (this.#held !== undefined) closeSync(this.#held);
    this.#held = undefined;
  }

  #refuseOther(): void {
    if (this.#isOurs()) return;
    throw new LockstepError(
      'IO',
      `cannot write ${this.out}: another process has begun to write the same file`,
      { hint: 'Let that one end, or stop it, and name another --out.' },
    );
  }

  async #writeLeases(leaseTtl: LeaseTtl): Promise<void> {
    this.#db.beginBucket('lease');
    for (const id of [...this.#leases].sort(unsigned))
      this.#db.put(int64(id), encodeLease(id, (await leaseTtl(id)) ?? LOST_LEASE_TTL_SECONDS));
    this.#db.endBucket();
  }

  #writeMeta(compactRevision: Revision): void {
    this.#db.beginBucket('meta');
    // Revision 1 is where every store begins: nothing was compacted.
    if (compactRevision > 1) {
      const compact = encodeRevision(compactRevision, 0);
      this.#db.put(Buffer.from('finishedCompactRev'), compact);
      this.#db.put(Buffer.from('scheduledCompactRev'), compact);
    }
    this.#db.endBucket();
  }
}

function cursorOf({ source, prefixes, head, tally, gap }: BaseFacts): Cursor {
  return {
    format: CURSOR_FORMAT,
    source,
    prefixes,
    revision: head,
    keys: tally.keys,
    checksum: tally.hex,
    ownWrites: 0,
    gap,
    follower: null,
    at: new Date().toISOString(),
  };
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
function rename(part: string, out: string): void {
  attempt('write', out, () => {
    failpoint('base.seal.rename');
    renameSync(part, out);
    failpoint('base.seal.renamed');
    syncFolder(dirname(out));
  });
}
