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
import { LockstepError } from '../errors.js';
import type { Revision } from '../mvcc/revision.js';
import { digest, Tally } from '../mvcc/tally.js';
import { Sizes, type ResourceSizes } from './resourcesizes.js';
import type { RawRow } from './snapshot.js';

const PARTS = 128;
/** hash 8, second hash 8, number among our rows 8, digest 8, bytes 4, resource and flags 4 */
const RECORD_WORDS = 5;
const BLOCK_RECORDS = 800;
const BLOCK_BYTES = BLOCK_RECORDS * RECORD_WORDS * 8;

const OURS = 1;
const TOMBSTONE = 2;
const AT_COMPACT = 4;
const BELOW_COMPACT = 8;
const RESOURCE_SHIFT = 8;

const SECOND_SEED = 0x6c6f636b73746570n;

export interface Counted {
  tally: Tally;
  resources: ResourceSizes[];
  /** Rows that a compaction should have taken away, by their number among our rows. */
  superseded: Marks;
}

interface Part {
  block: Block | undefined;
  /** Records in the block. */
  used: number;
  /** File offsets of blocks that were put aside. */
  aside: number[];
}

export class Census {
  readonly #sizes = new Sizes();
  readonly #parts: Part[] = Array.from({ length: PARTS }, () => ({
    block: undefined,
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
    const part = this.#parts[Number(hash & 0x7fn)];
    if (!part) throw new Error('there are fewer parts than hashes');
    const flags =
      (ours ? OURS : 0) |
      (revision.tombstone ? TOMBSTONE : 0) |
      (revision.main === this.compactRevision ? AT_COMPACT : 0) |
      (revision.main < this.compactRevision ? BELOW_COMPACT : 0);
    const { u64, f64, u32 } = this.#roomIn(part);
    const at = part.used++ * RECORD_WORDS;
    u64[at] = hash;
    u64[at + 1] = ours ? digest(key, SECOND_SEED) : 0n;
    f64[at + 2] = ours ? this.#ours++ : 0;
    u64[at + 3] = ours && !revision.tombstone ? digest(bytes) : 0n;
    u32[2 * at + 8] = bytes.length;
    u32[2 * at + 9] = flags | (resource << RESOURCE_SHIFT);
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
    const newest = new Map<bigint, SeenRow>();
    const newestOld = new Map<bigint, SeenRow>();
    for (const { key, seen } of this.#records(part)) {
      newest.set(key, seen);
      if (!(seen.flags & OURS) || !(seen.flags & (AT_COMPACT | BELOW_COMPACT))) continue;
      const before = newestOld.get(key);
      if (before) superseded.add(before.row);
      newestOld.set(key, seen);
    }
    for (const { row, flags } of newestOld.values())
      if (flags & TOMBSTONE && flags & BELOW_COMPACT) superseded.add(row);
    for (const { flags, bytes, digest } of newest.values()) {
      if (flags & TOMBSTONE) continue;
      this.#sizes.addLive(flags >>> RESOURCE_SHIFT, bytes);
      if (flags & OURS) tally.add(digest);
    }
  }

  *#records(part: Part): Generator<{ key: bigint; seen: SeenRow }> {
    for (const { block, records } of this.#blocks(part)) {
      const { u64, f64, u32 } = block;
      for (let at = 0; at < records * RECORD_WORDS; at += RECORD_WORDS)
        yield {
          key: (u64[at] ?? 0n) | ((u64[at + 1] ?? 0n) << 64n),
          seen: {
            row: f64[at + 2] ?? 0,
            digest: u64[at + 3] ?? 0n,
            bytes: u32[2 * at + 8] ?? 0,
            flags: u32[2 * at + 9] ?? 0,
          },
        };
    }
  }

  *#blocks({ aside, block, used }: Part): Generator<{ block: Block; records: number }> {
    for (const offset of aside) {
      const read = new Block();
      attempt('read', this.scratch, () => {
        if (fs.readSync(this.#file(), read.bytes, 0, BLOCK_BYTES, offset) < BLOCK_BYTES)
          throw shorter(this.scratch);
      });
      yield { block: read, records: BLOCK_RECORDS };
    }
    if (block) yield { block, records: used };
  }

  /** The part's block, with room for one more record. */
  #roomIn(part: Part): Block {
    const block = (part.block ??= new Block());
    if (part.used < BLOCK_RECORDS) return block;
    const offset = this.#fileBytes;
    attempt('write', this.scratch, () => {
      for (let done = 0; done < BLOCK_BYTES;)
        done += fs.writeSync(this.#file(), block.bytes, done, BLOCK_BYTES - done, offset + done);
    });
    this.#fileBytes += BLOCK_BYTES;
    part.aside.push(offset);
    part.used = 0;
    return block;
  }

  #file(): number {
    return (this.#fd ??= fs.openSync(this.scratch, 'wx+'));
  }
}

/** What a record says of a row; `flags` has the resource's number above them. */
interface SeenRow {
  row: number;
  digest: bigint;
  bytes: number;
  flags: number;
}

/** Records side by side, in the machine's own order of bytes. */
class Block {
  readonly bytes = new Uint8Array(BLOCK_BYTES);
  readonly u64 = new BigUint64Array(this.bytes.buffer);
  readonly f64 = new Float64Array(this.bytes.buffer);
  readonly u32 = new Uint32Array(this.bytes.buffer);
}

/** A set of row numbers: a bit for each row. */
class Marks {
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

function shorter(path: string): LockstepError {
  return new LockstepError('IO', `cannot read ${path}: it has become shorter`, {
    hint: 'Somebody else writes there, or the disk is damaged. Run the same command again.',
  });
}
