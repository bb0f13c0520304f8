/**
 * Reads a bbolt database file: its buckets, and the entries of each.
 *
 * Everything is checked as it is read, so there is no pass ahead and a damaged file ends in an error
 * that names the page, not in a crash, a hang or a wild allocation. What cannot be noticed is a
 * change inside a key or a value: bbolt's pages have no checksum.
 *
 * Synchronous on purpose: whoever reads a database file does nothing else until it has the next leaf.
 */
import { BUCKET_BYTES, ELEMENT_BUCKET, ELEMENT_VALUE, readU64 } from './boltformat.js';
import { damaged } from './failure.js';
import type { BoltEntry, Branch, Child } from './node.js';
import { inlinePage, PageFile } from './pagefile.js';
import { Tree } from './tree.js';

export type { BoltEntry } from './node.js';

interface BoltOpenOptions {
  /** Number of bytes, from the start, that belong to the database; default: the whole file. */
  dataBytes?: number;
}

/** An open database file. Close it. All methods throw LockstepError BOLT_DAMAGED or IO. */
export class BoltFile {
  /** In bytes. */
  readonly pageSize: number;
  /** Number of pages that the database uses; the file may be longer. */
  readonly pageCount: number;
  readonly #file: PageFile;
  readonly #buckets: Tree;

  private constructor(file: PageFile) {
    this.#file = file;
    this.pageSize = file.meta.pageSize;
    this.pageCount = file.meta.highWater;
    this.#buckets = new Tree(file, file.meta.root, ELEMENT_BUCKET);
  }

  /**
   * Opens a database file for reading.
   * @throws LockstepError IO; BOLT_DAMAGED where no meta page is valid or pages are missing.
   */
  static open(path: string, options: BoltOpenOptions = {}): BoltFile {
    return new BoltFile(new PageFile(path, options.dataBytes));
  }

  /** Names of all buckets, in order. */
  bucketNames(): Buffer[] {
    return [...this.#buckets.leaves()].flat().map((entry) => entry.key);
  }

  /** The bucket `name`; undefined if there is none. Valid until the file is closed. */
  bucket(name: string): BoltBucket | undefined {
    const value = find(this.#buckets, Buffer.from(name));
    if (value === undefined) return undefined;
    const page = `(inline, bucket ${name})`;
    if (value.length < BUCKET_BYTES) throw damaged(page, 'is too short for a bucket');
    const root = readU64(value, 0) || inlinePage(value.subarray(BUCKET_BYTES), page);
    return new BoltBucket(new Tree(this.#file, root, ELEMENT_VALUE));
  }

  /** Closing twice is allowed. */
  close(): void {
    this.#file.close();
  }
}

/** One bucket of an open file. A bucket inside it counts as damage. */
export class BoltBucket {
  readonly #tree: Tree;

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /**
   * All entries in key order, one array for each leaf page, none empty. Holds one leaf and the keys
   * of one path of branches in memory.
   */
  leaves(): Generator<BoltEntry[], void, undefined> {
    return this.#tree.leaves();
  }

  /** Bytes of the bucket's pages, as far as the last walk through {@link leaves} has come. */
  get bytesWalked(): number {
    return this.#tree.bytesWalked;
  }

  /** The value of `key`. Reads one page for each level. */
  get(key: Buffer): Buffer | undefined {
    return find(this.#tree, key);
  }

  /** The highest key; undefined in an empty bucket. */
  lastKey(): Buffer | undefined {
    return this.#tree.leaf(lastChild).at(-1)?.key;
  }
}

/** Searches a node from end to end: it was checked from end to end just before. */
function find(tree: Tree, key: Buffer): Buffer | undefined {
  const leaf = tree.leaf(
    (children) => children.findLast((child) => Buffer.compare(child.from, key) <= 0) ?? children[0],
  );
  return leaf.find((entry) => entry.key.equals(key))?.value;
}

function lastChild(children: Branch['children']): Child {
  return children.at(-1) ?? children[0];
}
