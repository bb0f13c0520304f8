/**
 * Writes a bbolt file from front to back, page after page, in blocks of 1 MiB. While one is written the next
 * one is filled; where that is faster than the disk, it is written at once. And the disk is told now and then to
 * take what was written, so that little is left to wait for at the end.
 *
 * The first three pages (two metas, freelist) tell where the rest is, so they stay zero until the
 * end: a file that was not finished has no valid meta and no reader takes it for a database.
 */
import fs from 'node:fs';
import { promisify } from 'node:util';
import { encodeHeader, encodeMeta, HEADER_BYTES, PAGE_FREELIST, PAGE_META } from './boltformat.js';
import { attempt } from './failure.js';

const write = promisify(fs.write);
const datasync = promisify(fs.fdatasync);

/** Bytes of a page in the files written here: bbolt's usual size, whatever the machine's is. */
export const PAGE_SIZE = 4096;

const BLOCK_BYTES = 1024 * 1024;
/** Between two times that the disk is told. */
const SYNC_BYTES = 32 * 1024 * 1024;
const FREELIST_PAGE = 2;
const FIRST_PAGE = 3;

export class PageWriter {
  readonly #path: string;
  #block: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  /** While it is undefined it is being written. */
  #spare: Buffer | undefined = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  /** Bytes waiting in the block. */
  #waiting = 0;
  /** File offset of the block. */
  #offset = FIRST_PAGE * PAGE_SIZE;
  #nextPage = FIRST_PAGE;
  #fd: number | undefined;
  /** What is under way on it, and how it has failed. */
  #busy: Promise<void> = Promise.resolve();
  #failed: Error | undefined;
  #syncing = false;
  #unsynced = 0;

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
  async finish(root: number): Promise<number> {
    this.#flush();
    await this.#busy;
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
    await this.close();
    return this.#nextPage * PAGE_SIZE;
  }

  /** Closes the file as it is, behind what is under way. Closing twice is allowed. */
  async close(): Promise<void> {
    await this.#busy;
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
    const [block, spare] = [this.#block, this.#spare];
    const bytes = block.subarray(0, this.#waiting);
    const offset = this.#offset;
    this.#offset += this.#waiting;
    this.#waiting = 0;
    if (!spare) {
      this.#write(bytes, offset);
      return;
    }
    this.#block = spare;
    this.#spare = undefined;
    this.#beside(async () => {
      for (let done = 0; done < bytes.length;)
        done += (await write(this.#open(), bytes, done, bytes.length - done, offset + done))
          .bytesWritten;
      this.#spare = block;
    });
    this.#unsynced += bytes.length;
    if (this.#unsynced < SYNC_BYTES || this.#syncing) return;
    this.#unsynced = 0;
    this.#syncing = true;
    this.#beside(async () => {
      await datasync(this.#open());
      this.#syncing = false;
    });
  }

  /** Does it while others go on; its failure is thrown where the file is written to next. */
  #beside(what: () => Promise<void>): void {
    const done = what().catch((error: unknown) => {
      this.#failed ??= error instanceof Error ? error : new Error(String(error));
    });
    this.#busy = this.#busy.then(() => done);
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

  /** @throws LockstepError IO for what was written beside and could not be */
  #open(): number {
    const failed = this.#failed;
    if (failed)
      attempt('write', this.#path, () => {
        throw failed;
      });
    if (this.#fd === undefined) throw new Error('the bbolt file is closed');
    return this.#fd;
  }
}
