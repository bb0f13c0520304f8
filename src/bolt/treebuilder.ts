/**
 * Builds one B+tree from strictly ascending keys, in one pass and bottom-up.
 *
 * Each level holds the one page that is being filled. An element that does not fit writes the page
 * out and hands (its first key, its number) to the level above, which does the same. At the end the
 * levels are written from the bottom; the topmost one is the root.
 *
 * Invariant: a level exists only if a page of the level below was written, and a page is written
 * only when another element comes after it. So at the end no level is empty and the root has two
 * children or more, or is the only leaf.
 *
 * Leaves are filled up to sixteen pages, further than bbolt does, which splits at one: rows of a few
 * KiB would leave a good part of each page empty (of 4 KiB in leaves of four pages: a fifth of the
 * file). bbolt reads such a leaf as any other and splits it when it first changes it. Dropped: room for
 * later inserts (bbolt makes it as it needs it), and inline buckets (they save a page each, a few KiB
 * in all).
 */
import { MAX_KEY_BYTES, MAX_LEAF_BYTES, PAGE_BRANCH, PAGE_LEAF } from './boltformat.js';
import { NodeBuffer } from './nodebuffer.js';
import { PAGE_SIZE, type PageWriter } from './pagewriter.js';

const LEAF_BYTES = 16 * PAGE_SIZE;
/** What a row may have in key and value, so that its leaf stays within what the reader takes. */
const MAX_ROW_BYTES = MAX_LEAF_BYTES - PAGE_SIZE;
/** With fewer children to a branch, keys larger than a page would pile up levels without end. */
const MIN_CHILDREN = 2;

export class TreeBuilder {
  readonly #out: PageWriter;
  readonly #elementFlags: number;
  readonly #leaf = new NodeBuffer(PAGE_LEAF, LEAF_BYTES);
  /** Level by level above the leaves. */
  readonly #branches: NodeBuffer[] = [];
  #lastKey: Buffer | undefined;

  /** @param elementFlags what the leaves' elements are: values or buckets */
  constructor(out: PageWriter, elementFlags: number) {
    this.#out = out;
    this.#elementFlags = elementFlags;
  }

  /** Adds a row; key and value are copied. @throws Error for a key or value that cannot be. */
  add(key: Uint8Array, value: Uint8Array): void {
    this.#check(key, value);
    if (this.#leaf.count > 0 && !this.#leaf.fits(key.length + value.length)) {
      this.#close(this.#leaf, 0);
    }
    this.#leaf.addValue(key, value, this.#elementFlags);
    this.#lastKey = Buffer.from(key);
  }

  /** Writes the rest of the tree; returns its root page. */
  finish(): number {
    let top = this.#leaf;
    for (let level = 0; ; level++) {
      const above = this.#branches[level];
      if (above === undefined) return top.writeTo(this.#out);
      this.#close(top, level);
      top = above;
    }
  }

  /** Writes `node` and puts it into the branch at `level`. */
  #close(node: NodeBuffer, level: number): void {
    const page = node.writeTo(this.#out);
    const key = node.firstKey;
    const branch = (this.#branches[level] ??= new NodeBuffer(PAGE_BRANCH, PAGE_SIZE));
    if (branch.count >= MIN_CHILDREN && !branch.fits(key.length)) this.#close(branch, level + 1);
    branch.addChild(key, page);
  }

  #check(key: Uint8Array, value: Uint8Array): void {
    if (key.length === 0 || key.length > MAX_KEY_BYTES) {
      throw new Error(`a bbolt key has 1 to ${MAX_KEY_BYTES} bytes, not ${key.length}`);
    }
    if (key.length + value.length > MAX_ROW_BYTES) {
      throw new Error(`a row of ${key.length + value.length} bytes is above ${MAX_ROW_BYTES}`);
    }
    if (this.#lastKey !== undefined && Buffer.compare(this.#lastKey, key) >= 0) {
      throw new Error('bbolt rows must be added in strictly ascending order of their keys');
    }
  }
}
