/**
 * Writes a bbolt file from front to back, page after page, in blocks of 1 MiB.
 *
 * The first three pages (two metas, freelist) tell where the rest is, so they stay zero until the
 * end: a file that was not finished has no valid meta and no reader takes it for a database.
 */
import fs from 'node:fs';
import { encodeHeader, encodeMeta, HEADER_BYTES, PAGE_FREELIST, PAGE_META } from './boltformat.js';
import { attempt } from './failure.js';

/** Bytes of a page in the files written here: bbolt's usual size, whatever the machine's is. */
export const PAGE_SIZE = 4096;

const BLOCK_BYTES = 1024 * 1024;
const FREELIST_PAGE = 2;
const FIRST_PAGE = 3;

export class PageWriter {
  readonly #path: string;
  readonly #block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  /** Bytes waiting in the block. */
  #waiting = 0;
  /** File offset of the block. */
  #offset = FIRST_PAGE * PAGE_SIZE;
  #nextPage = FIRST_PAGE;
  #fd: number | undefined;

  /** @throws LockstepError IO, also where `path` exists. */
  constructor(path: string) {
    this.#path = path;
    this.#fd = attempt('create', path, () => fs.openSync(path, 'wx'));
  }

  /** Appends a page, with as many overflow pages as it takes; returns its number. */
  append(flags: number, count: number, table: Uint8Array, data: Uint8Array): number {
    const id = this.#nextPage;
    const size = HEADER_BYTES + table.length + data.length;
    const pages = Math.ceil(size / PAGE_SIZE);
    this.#nextPage += pages;
    this.#add(encodeHeader({ id, flags, count, overflow: pages - 1 }));
    this.#add(table);
    this.#add(data);
    this.#pad(pages * PAGE_SIZE - size);
    return id;
  }

  /**
   * Writes what makes the pages a database, and closes the file. It is not durable yet: whoever
   * publishes it has that to do, and may have something to put behind it first.
   * @returns size of the file in bytes
   */
  finish(root: number): number {
    this.#flush();
    const fields = {
      pageSize: PAGE_SIZE,
      root,
      freelist: FREELIST_PAGE,
      highWater: this.#nextPage,
    };
    const head = Buffer.alloc(FIRST_PAGE * PAGE_SIZE);
    // Two transactions, as in a new database: either meta is enough, and the next one replaces
    // the older.
    for (const page of [0, 1]) {
      const at = page * PAGE_SIZE;
      encodeHeader({ id: page, flags: PAGE_META, count: 0, overflow: 0 }).copy(head, at);
      encodeMeta({ ...fields, txid: page }).copy(head, at + HEADER_BYTES);
    }
    const freelist = { id: FREELIST_PAGE, flags: PAGE_FREELIST, count: 0, overflow: 0 };
    encodeHeader(freelist).copy(head, FREELIST_PAGE * PAGE_SIZE);
    this.#write(head, 0);
    this.close();
    return this.#nextPage * PAGE_SIZE;
  }

  /** Closes the file as it is. Closing twice is allowed. */
  close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#fd = undefined;
  }

  #add(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      if (this.#waiting === BLOCK_BYTES) this.#flush();
      const n = Math.min(bytes.length - done, BLOCK_BYTES - this.#waiting);
      this.#block.set(bytes.subarray(done, done + n), this.#waiting);
      this.#waiting += n;
      done += n;
    }
  }

  /** Less than a page, and blocks are whole pages: the block always has room for it. */
  #pad(bytes: number): void {
    this.#block.fill(0, this.#waiting, this.#waiting + bytes);
    this.#waiting += bytes;
  }

  #flush(): void {
    this.#write(this.#block.subarray(0, this.#waiting), this.#offset);
    this.#offset += this.#waiting;
    this.#waiting = 0;
  }

  #write(bytes: Buffer, offset: number): void {
    const fd = this.#open();
    for (let done = 0; done < bytes.length;) {
      const at = done;
      done += attempt('write', this.#path, () =>
        fs.writeSync(fd, bytes, at, bytes.length - at, offset + at),
      );
    }
  }

  #open(): number {
    if (this.#fd === undefined) throw new Error('the bbolt file is closed');
    return this.#fd;
  }
}
