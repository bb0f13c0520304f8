/**
 * What a page says, checked.
 *
 * A node comes out only when its page is sound in itself and fits its place in the tree:
 *  - the elements lie behind the table, one after the other, inside the page, none over another;
 *  - keys ascend strictly;
 *  - keys lie in the range that the branch above gave: from its separator up to, not including,
 *    the next one.
 * The ranges of neighbours do not overlap, so the last rule makes keys ascend strictly across pages
 * too, with no state carried from page to page.
 */
import { ELEMENT_BYTES, HEADER_BYTES, PAGE_LEAF, readU64 } from './boltformat.js';
import { damaged } from './failure.js';
import type { BoltPage } from './pagefile.js';

/**
 * One key and its value. Both are views into the block they were read in, which nobody else writes
 * to: they stay valid, but keeping one keeps up to 256 KiB in memory. Copy what is kept for long.
 */
export interface BoltEntry {
  key: Buffer;
  value: Buffer;
}

/** The keys that a subtree may hold; undefined = no bound on that side. */
export interface NodeRange {
  from: Buffer | undefined;
  below: Buffer | undefined;
}

export interface Child extends NodeRange {
  page: number;
  from: Buffer;
}

export interface Leaf {
  kind: 'leaf';
  entries: BoltEntry[];
}

export interface Branch {
  kind: 'branch';
  /** In key order, at least one. */
  children: [Child, ...Child[]];
}

/**
 * Decodes a page.
 * @param elementFlags what a leaf's elements must be flagged as: values or buckets
 * @throws LockstepError BOLT_DAMAGED that names the page.
 */
export function decodeNode(page: BoltPage, range: NodeRange, elementFlags: number): Leaf | Branch {
  if (HEADER_BYTES + page.count * ELEMENT_BYTES > page.bytes.length) {
    throw damaged(page.id, `has no room for ${page.count} elements`);
  }
  return page.flags === PAGE_LEAF
    ? { kind: 'leaf', entries: decodeLeaf(page, range, elementFlags) }
    : { kind: 'branch', children: decodeBranch(page, range) };
}

function decodeLeaf(page: BoltPage, range: NodeRange, elementFlags: number): BoltEntry[] {
  const { bytes, count } = page;
  const entries: BoltEntry[] = [];
  let free = HEADER_BYTES + count * ELEMENT_BYTES;
  let previous: Buffer | undefined;
  for (let i = 0; i < count; i++) {
    const element = HEADER_BYTES + i * ELEMENT_BYTES;
    const flags = bytes.readUInt32LE(element);
    if (flags !== elementFlags) {
      throw damaged(page.id, `element ${i} has flags ${flags}, not ${elementFlags}`);
    }
    const keyAt = element + bytes.readUInt32LE(element + 4);
    const valueAt = keyAt + bytes.readUInt32LE(element + 8);
    const end = valueAt + bytes.readUInt32LE(element + 12);
    if (keyAt < free || end > bytes.length) throw misplaced(page, i);
    free = end;
    const key = bytes.subarray(keyAt, valueAt);
    checkAscending(page, i, previous, key);
    entries.push({ key, value: bytes.subarray(valueAt, end) });
    previous = key;
  }
  checkRange(page, range, entries[0]?.key, previous);
  return entries;
}

function decodeBranch(page: BoltPage, range: NodeRange): [Child, ...Child[]] {
  const { bytes, count } = page;
  const children: Child[] = [];
  let free = HEADER_BYTES + count * ELEMENT_BYTES;
  let previous: Child | undefined;
  for (let i = 0; i < count; i++) {
    const element = HEADER_BYTES + i * ELEMENT_BYTES;
    const keyAt = element + bytes.readUInt32LE(element);
    const end = keyAt + bytes.readUInt32LE(element + 4);
    if (keyAt < free || end > bytes.length) throw misplaced(page, i);
    free = end;
    const from = bytes.subarray(keyAt, end);
    checkAscending(page, i, previous?.from, from);
    if (previous) previous.below = from;
    previous = { page: readU64(bytes, element + 8), from, below: range.below };
    children.push(previous);
  }
  const [first, ...rest] = children;
  if (first === undefined) throw damaged(page.id, 'is a branch without children');
  checkRange(page, range, first.from, previous?.from);
  return [first, ...rest];
}

function checkAscending(
  page: BoltPage,
  i: number,
  previous: Buffer | undefined,
  key: Buffer,
): void {
  if (previous !== undefined && Buffer.compare(previous, key) >= 0) {
    throw damaged(page.id, `key of element ${i} is not above the one before it`);
  }
}

function checkRange(page: BoltPage, range: NodeRange, first?: Buffer, last?: Buffer): void {
  if (first && range.from && Buffer.compare(first, range.from) < 0) {
    throw damaged(page.id, 'its first key is below its separator in the branch above');
  }
  if (last && range.below && Buffer.compare(last, range.below) >= 0) {
    throw damaged(page.id, 'its last key reaches into its right neighbour');
  }
}

function misplaced(page: BoltPage, i: number): Error {
  return damaged(page.id, `element ${i} lies outside the page or over another element`);
}
