/**
 * Bulk-loads a new bbolt database file: buckets one after another, names and keys ascending.
 *
 * One pass over the rows, no page is read back or written twice, none is left free. Memory: one
 * page for each tree level, the largest row, and a block of 1 MiB.
 */
import { ELEMENT_BUCKET, ELEMENT_VALUE, encodeBucket } from './boltformat.js';
import { PageWriter } from './pagewriter.js';
import { TreeBuilder } from './treebuilder.js';

/**
 * A database file that is being written. End it with `finish` or `abort`. Methods throw
 * LockstepError IO for the file system's failures and a plain Error for calls that break the order.
 */
export class BoltWriter {
  readonly #out: PageWriter;
  readonly #buckets: TreeBuilder;
  #open: { name: string; tree: TreeBuilder } | undefined;

  private constructor(out: PageWriter) {
    this.#out = out;
    this.#buckets = new TreeBuilder(out, ELEMENT_BUCKET);
  }

  /** Creates the file. @throws LockstepError IO, also where it exists. */
  static create(path: string): BoltWriter {
    return new BoltWriter(new PageWriter(path));
  }

  /** Starts a bucket; its name must be above that of the one before. */
  beginBucket(name: string): void {
    if (this.#open) throw new Error(`bucket ${this.#open.name} has not ended`);
    this.#open = { name, tree: new TreeBuilder(this.#out, ELEMENT_VALUE) };
  }

  /**
   * Adds a row to the bucket. Both arguments are copied.
   * @param key 1 to 32768 bytes, above the key before it
   * @param value up to about 256 MiB
   */
  put(key: Uint8Array, value: Uint8Array): void {
    this.#current().tree.add(key, value);
  }

  endBucket(): void {
    const { name, tree } = this.#current();
    this.#buckets.add(Buffer.from(name), encodeBucket(tree.finish()));
    this.#open = undefined;
  }

  /**
   * Completes the file and closes it; making it durable is left to the caller. Until here the file
   * has no valid meta page.
   * @returns its size in bytes
   */
  async finish(): Promise<number> {
    if (this.#open) throw new Error(`bucket ${this.#open.name} has not ended`);
    return this.#out.finish(this.#buckets.finish());
  }

  /** Closes the file as it is and leaves its deletion to the caller. Harmless after `finish`. */
  async abort(): Promise<void> {
    await this.#out.close();
  }

  #current(): { name: string; tree: TreeBuilder } {
    if (this.#open === undefined) throw new Error('no bucket has been started');
    return this.#open;
  }
}
