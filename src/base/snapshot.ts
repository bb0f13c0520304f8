/**
 * An etcd snapshot file, read: its revisions, the rows of our prefixes, its leases.
 *
 * Everything is read out of the file itself. A Get before or after a snapshot names some other
 * revision than the one the snapshot holds.
 */
import { setImmediate } from 'node:timers/promises';
import protobuf from 'protobufjs/minimal.js';
import { BoltFile, type BoltBucket } from '../bolt/boltreader.js';
import { LockstepError } from '../errors.js';
import type { BaseRow } from '../journal/run.js';
import { keyOf, toBigInt } from '../mvcc/keyvalue.js';
import type { PrefixSet } from '../mvcc/prefix.js';
import { decodeRevision, type Revision, type RowRevision } from '../mvcc/revision.js';
import { verifyChecksum, type OnRead } from './checksum.js';

export interface RawRow {
  revision: RowRevision;
  key: Buffer;
  bytes: Buffer;
}

/** Of rows that are read between two looks at what else there is to do. */
const STEP_BYTES = 8 * 1024 * 1024;

export class SnapshotFile {
  private constructor(
    private readonly bolt: BoltFile,
    private readonly keys: BoltBucket | undefined,
    /** Rows at or below it may be superseded or already gone; no reader may ask below it. */
    readonly compactRevision: Revision,
    readonly head: Revision,
    /** Size of the database, free pages included. */
    readonly bytes: number,
  ) {}

  /**
   * Checks the sha256 at the end of the file and opens it.
   * @param onRead called while it is checked
   * @throws LockstepError NO_SNAPSHOT, SNAPSHOT_NO_CHECKSUM, SNAPSHOT_DAMAGED, BOLT_DAMAGED, IO
   */
  static async open(path: string, onRead?: OnRead): Promise<SnapshotFile> {
    return SnapshotFile.openVerified(path, await verifyChecksum(path, onRead));
  }

  /**
   * Opens one whose checksum has been checked.
   * @param dataBytes in front of the checksum
   * @throws as {@link open}
   */
  static openVerified(path: string, dataBytes: number): SnapshotFile {
    const bolt = BoltFile.open(path, { dataBytes });
    try {
      const compact = Math.max(
        metaRevision(bolt, 'scheduledCompactRev'),
        metaRevision(bolt, 'finishedCompactRev'),
        1,
      );
      const keys = bolt.bucket('key');
      const last = keys?.lastKey();
      const head = Math.max(last ? rowRevision(last).main : 0, compact);
      return new SnapshotFile(bolt, keys, compact, head, dataBytes);
    } catch (error) {
      bolt.close();
      throw error;
    }
  }

  close(): void {
    this.bolt.close();
  }

  /** Every row of every resource in the order of revisions, about a leaf page at a time. */
  *rows(): Generator<RawRow[]> {
    for (const leaf of this.keys?.leaves() ?? [])
      yield leaf.map(({ key, value }) => ({
        revision: rowRevision(key),
        key: keyOf(value),
        bytes: value,
      }));
  }

  /**
   * The same, giving way to other work now and then: what a file holds is there at once, however large.
   * @param onStep called behind that
   */
  async *rowsAtEase(onStep: () => void = () => undefined): AsyncGenerator<RawRow[]> {
    let walked = 0;
    for (const rows of this.rows()) {
      yield rows;
      walked += rows.reduce((sum, { bytes }) => sum + bytes.length, 0);
      if (walked < STEP_BYTES) continue;
      walked = 0;
      await setImmediate();
      onStep();
    }
  }

  /** Bytes of pages that hold rows; known after {@link rows} was read to its end. */
  get bytesInUse(): number {
    return this.keys?.bytesWalked ?? 0;
  }

  /** Ids of the members that its cluster had, hexadecimal; a base that we have made has none. */
  memberIds(): string[] {
    const leaves = this.bolt.bucket('members')?.leaves() ?? [];
    return [...leaves].flat().map(({ key }) => key.toString());
  }

  /** TTL in seconds of every lease in it. */
  leases(): Map<bigint, number> {
    const leases = new Map<bigint, number>();
    for (const leaf of this.bolt.bucket('lease')?.leaves() ?? [])
      for (const { value } of leaf) {
        const { id, ttl } = parseLease(value);
        leases.set(id, ttl);
      }
    return leases;
  }
}

/** Rows of our prefixes, with subs counted among them alone; see journal/run.ts for `byKey`. */
export class Cropper {
  #main = 0;
  #sub = 0;

  constructor(
    private readonly prefixes: PrefixSet,
    private readonly compactRevision: Revision,
  ) {}

  crop(rows: readonly RawRow[]): BaseRow[] {
    return rows.filter((row) => this.prefixes.covers(row.key)).map((row) => this.#row(row));
  }

  #row({ revision: { main, tombstone }, bytes }: RawRow): BaseRow {
    if (main !== this.#main) this.#sub = 0;
    this.#main = main;
    return { main, sub: this.#sub++, tombstone, bytes, byKey: main < this.compactRevision };
  }
}

function rowRevision(key: Buffer): RowRevision {
  const revision = decodeRevision(key);
  if (!revision) throw damaged(`a row's key of ${key.length} bytes is no revision`);
  return revision;
}

function metaRevision(bolt: BoltFile, name: string): Revision {
  const meta = bolt.bucket('meta');
  if (!meta) throw damaged('it has no bucket "meta"; is it an etcd v3 snapshot?');
  const value = meta.get(Buffer.from(name));
  return value === undefined ? 0 : rowRevision(value).main;
}

/** leasepb.Lease: 1 ID, 2 TTL, 3 RemainingTTL. */
function parseLease(bytes: Buffer): { id: bigint; ttl: number } {
  const lease = { id: 0n, ttl: 0 };
  try {
    const reader = protobuf.Reader.create(bytes);
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === 0x08) lease.id = toBigInt(reader.int64());
      else if (tag === 0x10) lease.ttl = Number(toBigInt(reader.int64()));
      else reader.skipType(tag & 7);
    }
  } catch {
    throw damaged('a row of bucket "lease" is no lease');
  }
  return lease;
}

function damaged(what: string): LockstepError {
  return new LockstepError('SNAPSHOT_DAMAGED', `the snapshot is damaged: ${what}`, {
    hint: 'Take the snapshot again.',
  });
}
