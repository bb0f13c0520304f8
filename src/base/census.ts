/**
 * Which row of each key is its newest: of a whole snapshot file, in flat memory.
 *
 *     rows ─► 40 bytes each, by the hash of the key into parts ─► part by part, the rows of each key
 *
 * It is known only behind the last row, and there may be more keys than fit. So the records of a part
 * are put aside into a scratch file, a block at a time, and each part is then small enough to be
 * gone through with a map of its keys. Within a part the order of revisions is kept.
 *
 * Out of it come the tally of our live keys, the sizes of every resource, and our rows that a
 * compaction should have taken away: those that are superseded at the compact revision, and
 * deletions below it. A snapshot has such rows where it caught a compaction half done.
 *
 * Our keys are told apart by 128 bits of hash, foreign ones, which are only counted, by 64.
 *
 * Dropped: a scratch LevelDB with an entry for each key (a third of the time of a crop).
 */
import fs from 'node:fs';
import { attempt } from '../bolt/failure.js';
import type { Revision } from '../mvcc/revision.js';
import { digest, Tally } from '../mvcc/tally.js';
import { Sizes, type ResourceSizes } from './resources.js';
import type { RawRow } from './snapshot.js';

const PARTS = 128;
/** hash 8, second hash 8, number among our rows 8, digest 8, bytes 4, resource 2, flags 1, free 1 */
const RECORD_BYTES = 40;
const BLOCK_BYTES = 800 * RECORD_BYTES;

const OURS = 1;
const TOMBSTONE = 2;
const AT_COMPACT = 4;
const BELOW_COMPACT = 8;

const SECOND_SEED = 0x6c6f636b73746570n;

export interface Counted {
  tally: Tally;
  resources: ResourceSizes[];
  /** Rows that a compaction should have taken away, by their number among our rows. */
  superseded: Marks;
}

interface Part {
  block: Buffer;
  used: number;
  /** File offsets of blocks that were put aside. */
  aside: number[];
}

export class Census {
  readonly #sizes = new Sizes();
  readonly #parts: Part[] = Array.from({ length: PARTS }, () => ({
    block: EMPTY,
    used: 0,
    aside: [],
  }));
  #fd: number | undefined;
  #fileBytes = 0;
  #ours = 0;

  /** @param scratch a file that need not be there; the caller removes it */
  constructor(
    private readonly scratch: string,
    private readonly compactRevision: Revision,
  ) {}

  /** To be called for every row of the file, in its order. */
  see({ key, bytes, revision }: RawRow, ours: boolean): void {
    const hash = digest(key);
    const resource = this.#sizes.of(key);
    this.#sizes.addOld(resource, bytes.length);
    const part = this.#partFor(Number(hash & 0x7fn));
    const { block, used } = part;
    block.writeBigUInt64LE(hash, used);
    block.writeBigUInt64LE(ours ? digest(key, SECOND_SEED) : 0n, used + 8);
    block.writeDoubleLE(ours ? this.#ours++ : 0, used + 16);
    block.writeBigUInt64LE(ours && !revision.tombstone ? digest(bytes) : 0n, used + 24);
    block.writeUInt32LE(bytes.length, used + 32);
    block.writeUInt16LE(resource, used + 36);
    block[used + 38] =
      (ours ? OURS : 0) |
      (revision.tombstone ? TOMBSTONE : 0) |
      (revision.main === this.compactRevision ? AT_COMPACT : 0) |
      (revision.main < this.compactRevision ? BELOW_COMPACT : 0);
    part.used += RECORD_BYTES;
  }

  /** Behind the last row. */
  count(): Counted {
    const tally = new Tally();
    const superseded = new Marks(this.#ours);
    for (const part of this.#parts) this.#countPart(part, tally, superseded);
    return { tally, resources: this.#sizes.sorted(), superseded };
  }

  close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#fd = undefined;
  }

  #countPart(part: Part, tally: Tally, superseded: Marks): void {
    const newest = new Map<bigint, { block: Buffer; at: number }>();
    const newestOld = new Map<bigint, { row: number; goes: boolean }>();
    for (const block of this.#blocks(part))
      for (let at = 0; at < block.length; at += RECORD_BYTES) {
        const flags = block[at + 38] ?? 0;
        const key = block.readBigUInt64LE(at) | (block.readBigUInt64LE(at + 8) << 64n);
        newest.set(key, { block, at });
        if (!(flags & OURS) || !(flags & (AT_COMPACT | BELOW_COMPACT))) continue;
        const before = newestOld.get(key);
        if (before) superseded.add(before.row);
        const goes = (flags & TOMBSTONE) !== 0 && (flags & BELOW_COMPACT) !== 0;
        newestOld.set(key, { row: block.readDoubleLE(at + 16), goes });
      }
    for (const { row, goes } of newestOld.values()) if (goes) superseded.add(row);
    for (const { block, at } of newest.values()) {
      const flags = block[at + 38] ?? 0;
      if (flags & TOMBSTONE) continue;
      this.#sizes.addLive(block.readUInt16LE(at + 36), block.readUInt32LE(at + 32));
      if (flags & OURS) tally.add(block.readBigUInt64LE(at + 24));
    }
  }

  *#blocks({ aside, block, used }: Part): Generator<Buffer> {
    for (const offset of aside) {
      const read = Buffer.allocUnsafe(BLOCK_BYTES);
      attempt('read', this.scratch, () => {
        if (fs.readSync(this.#file(), read, 0, BLOCK_BYTES, offset) < BLOCK_BYTES)
          throw new Error('it has become shorter');
      });
      yield read;
    }
    yield block.subarray(0, used);
  }

  /** A part with room for one more record. */
  #partFor(i: number): Part {
    const part = this.#parts[i];
    if (!part) throw new Error(`there is no part ${i}`);
    if (part.block === EMPTY) part.block = Buffer.alloc(BLOCK_BYTES);
    if (part.used === BLOCK_BYTES) {
      attempt('write', this.scratch, () => {
        const offset = this.#fileBytes;
        for (let done = 0; done < BLOCK_BYTES;)
          done += fs.writeSync(this.#file(), part.block, done, BLOCK_BYTES - done, offset + done);
        this.#fileBytes += BLOCK_BYTES;
        part.aside.push(offset);
        part.used = 0;
      });
    }
    return part;
  }

  #file(): number {
    return (this.#fd ??= fs.openSync(this.scratch, 'wx+'));
  }
}

const EMPTY = Buffer.alloc(0);

/** A set of row numbers: a bit for each row. */
export class Marks {
  size = 0;
  readonly #bits: Uint8Array;

  constructor(rows: number) {
    this.#bits = new Uint8Array(Math.ceil(rows / 8));
  }

  add(row: number): void {
    const at = Math.floor(row / 8);
    this.#bits[at] = (this.#bits[at] ?? 0) | (1 << (row % 8));
    this.size++;
  }

  has(row: number): boolean {
    return ((this.#bits[Math.floor(row / 8)] ?? 0) & (1 << (row % 8))) !== 0;
  }
}
