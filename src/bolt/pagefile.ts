/**
 * A bbolt file as numbered pages: finds the valid meta, reads single pages, checks page headers.
 *
 * Plain positioned reads. Mapping the file would need native code; a cache would help nobody, since a
 * walk reads each page once. But where it goes from page to page in the order of the file, as in one
 * that was written in one go or compacted, it reads a block at a time, and pages are views into it.
 */
import fs from 'node:fs';
import {
  decodeMeta,
  HEADER_BYTES,
  MAX_BRANCH_BYTES,
  MAX_LEAF_BYTES,
  MAX_PAGE_SIZE,
  META_BYTES,
  MIN_PAGE_SIZE,
  PAGE_BRANCH,
  PAGE_LEAF,
  readHeader,
  type Meta,
} from './boltformat.js';
import { attempt, damaged } from './failure.js';

const BLOCK_BYTES = 256 * 1024;

/** A page with its overflow, header included. */
export interface BoltPage {
  /** Its number, or words for a page that lives inside a value. */
  id: number | string;
  flags: number;
  count: number;
  bytes: Buffer;
}

export class PageFile {
  readonly meta: Meta;
  readonly #path: string;
  readonly #size: number;
  #fd: number | undefined;
  /** Read last, and from where. */
  #block = Buffer.alloc(0);
  #blockOffset = 0;
  /** The page behind the one that was read last. */
  #next = 0;

  /**
   * Opens `path` for reading.
   * @param dataBytes how much of the file is the database; undefined for all of it
   * @throws LockstepError IO, or BOLT_DAMAGED where there is no valid meta page or the file is
   *   shorter than the meta says.
   */
  constructor(path: string, dataBytes: number | undefined) {
    this.#path = path;
    const fd = attempt('open', path, () => fs.openSync(path, 'r'));
    this.#fd = fd;
    try {
      this.#size = attempt('read', path, () => fs.fstatSync(fd).size);
      if (dataBytes !== undefined) this.#size = Math.min(this.#size, dataBytes);
      this.meta = this.#findMeta();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Reads page `id` with its overflow; it is a leaf or a branch, or the page is damaged. */
  read(id: number): BoltPage {
    const { pageSize, highWater } = this.meta;
    if (id >= highWater) throw damaged(id, `is not in the file, which has ${highWater} pages`);

    const first = this.#bytes(id, pageSize);
    const header = readHeader(first);
    if (header.id !== id) throw damaged(id, `its header says that it is page ${header.id}`);
    checkKind(id, header.flags);

    const { flags, count } = header;
    const size = (1 + header.overflow) * pageSize;
    this.#next = id + 1 + header.overflow;
    if (size === pageSize) return { id, flags, count, bytes: first };
    if (id + header.overflow >= highWater) throw damaged(id, 'its overflow runs out of the file');
    const limit = flags === PAGE_BRANCH ? MAX_BRANCH_BYTES : MAX_LEAF_BYTES;
    if (size > limit) throw damaged(id, `takes ${size} bytes, more than the limit of ${limit}`);
    return { id, flags, count, bytes: this.#bytes(id, size) };
  }

  /** So many bytes from the beginning of page `id`, which end inside the file. */
  #bytes(id: number, size: number): Buffer {
    const { pageSize, highWater } = this.meta;
    const offset = id * pageSize;
    let at = offset - this.#blockOffset;
    if (at < 0 || at + size > this.#block.length) {
      const ahead = id === this.#next ? BLOCK_BYTES : 0;
      const bytes = Math.max(size, Math.min(ahead, highWater * pageSize - offset));
      // A new one each time: pages that were handed out are views into the old one.
      this.#block = Buffer.allocUnsafeSlow(bytes);
      this.#blockOffset = offset;
      this.#fill(this.#block, offset, id);
      at = 0;
    }
    return this.#block.subarray(at, at + size);
  }

  /** Closing twice is allowed. */
  close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#fd = undefined;
  }

  /**
   * The valid meta with the higher txid. Where meta 1 lies depends on the page size, which a
   * damaged meta 0 does not tell: then each possible place is tried.
   */
  #findMeta(): Meta {
    let best = this.#metaAt(0);
    const sizes = best === undefined ? possiblePageSizes() : [best.pageSize];
    for (const pageSize of sizes) {
      const meta = this.#metaAt(pageSize);
      if (meta?.pageSize === pageSize && meta.txid > (best?.txid ?? -1)) best = meta;
    }
    if (best === undefined) throw damaged(0, 'neither it nor page 1 is a valid meta page');

    const pages = Math.floor(this.#size / best.pageSize);
    if (best.highWater > pages) {
      throw damaged(
        pages,
        `is missing: the file is cut short, it should have ${best.highWater} pages`,
      );
    }
    return best;
  }

  #metaAt(offset: number): Meta | undefined {
    if (offset + HEADER_BYTES + META_BYTES > this.#size) return undefined;
    const bytes = Buffer.alloc(META_BYTES);
    this.#fill(bytes, offset + HEADER_BYTES, 0);
    return decodeMeta(bytes);
  }

  /** Fills `into` from the file; `page` is for the message only. */
  #fill(into: Buffer, offset: number, page: number): void {
    const fd = this.#fd;
    if (fd === undefined) throw new Error('the bbolt file is closed');
    for (let done = 0; done < into.length;) {
      const at = done;
      const n = attempt('read', this.#path, () =>
        fs.readSync(fd, into, at, into.length - at, offset + at),
      );
      if (n === 0) throw damaged(page, 'the file ends inside it');
      done += n;
    }
  }
}

/**
 * A page that is stored inside a bucket's value.
 * @param name what to call it in errors
 */
export function inlinePage(bytes: Buffer, name: string): BoltPage {
  if (bytes.length < HEADER_BYTES) throw damaged(name, 'is too short for a page header');
  const { id, flags, count, overflow } = readHeader(bytes);
  if (id !== 0 || overflow !== 0) throw damaged(name, 'its header is not that of an inline page');
  if (flags !== PAGE_LEAF) throw damaged(name, `is no leaf (flags ${flags})`);
  return { id: name, flags, count, bytes };
}

function checkKind(id: number, flags: number): void {
  if (flags !== PAGE_LEAF && flags !== PAGE_BRANCH) {
    throw damaged(id, `is neither leaf nor branch (flags ${flags})`);
  }
}

function possiblePageSizes(): number[] {
  const sizes: number[] = [];
  for (let size = MIN_PAGE_SIZE; size <= MAX_PAGE_SIZE; size *= 2) sizes.push(size);
  return sizes;
}
