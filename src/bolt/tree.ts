/**
 * Reads one B+tree of a bbolt file.
 *
 * A walk keeps a stack of the children still to be read, leftmost on top: pop one, read it, yield a
 * leaf or push a branch's children. So it holds the children of one path, never the tree.
 *
 * It ends on any file. A sound tree reads each of the file's pages at most once, so a walk has a
 * budget of as many pages as there are, overflow included, and every child on the stack stands for
 * one page of it. A tree with a cycle or a page with two parents runs out of it, or breaks the key
 * order (node.ts) or the depth limit before. A bitmap of visited pages was dropped: it costs
 * memory and catches nothing more.
 */
import { damaged } from './failure.js';
import {
  decodeNode,
  type BoltEntry,
  type Branch,
  type Child,
  type NodeRange,
  type Leaf,
} from './node.js';
import type { BoltPage, PageFile } from './pagefile.js';

/** bbolt's branches have two children or more in all but rare cases: 2^32 pages and beyond. */
const MAX_DEPTH = 32;

interface Todo extends NodeRange {
  page: number | BoltPage;
  depth: number;
}

export class Tree {
  readonly #file: PageFile;
  readonly #root: Todo;
  readonly #elementFlags: number;
  #bytesWalked = 0;

  /**
   * @param root page number, or the page itself where it is stored inline
   * @param elementFlags what all elements must be: values or buckets
   */
  constructor(file: PageFile, root: number | BoltPage, elementFlags: number) {
    this.#file = file;
    this.#root = { page: root, from: undefined, below: undefined, depth: 0 };
    this.#elementFlags = elementFlags;
  }

  /** All entries in key order, one array for each leaf, none empty. */
  *leaves(): Generator<BoltEntry[], void, undefined> {
    const todo: Todo[] = [this.#root];
    let budget = this.#file.meta.highWater;
    this.#bytesWalked = 0;
    for (let next = todo.pop(); next; next = todo.pop()) {
      const page = this.#page(next);
      this.#bytesWalked += page.bytes.length;
      budget -= Math.ceil(page.bytes.length / this.#file.meta.pageSize);
      const node = this.#node(page, next);
      if (node.kind === 'branch') {
        for (const child of node.children.toReversed()) todo.push(below(child, next));
      } else if (node.entries.length > 0) {
        yield node.entries;
      }
      if (todo.length > budget) throw damaged(page.id, 'the tree has more pages than the file');
    }
  }

  /** Bytes of the pages that the last walk through {@link leaves} has read. */
  get bytesWalked(): number {
    return this.#bytesWalked;
  }

  /** The leaf at the end of the way that `choose` takes through the branches. */
  leaf(choose: (children: Branch['children']) => Child): BoltEntry[] {
    let at = this.#root;
    for (;;) {
      const node = this.#node(this.#page(at), at);
      if (node.kind === 'leaf') return node.entries;
      at = below(choose(node.children), at);
    }
  }

  #page({ page }: Todo): BoltPage {
    return typeof page === 'number' ? this.#file.read(page) : page;
  }

  #node(page: BoltPage, place: Todo): Leaf | Branch {
    if (place.depth > MAX_DEPTH)
      throw damaged(page.id, `lies more than ${MAX_DEPTH} branches deep`);
    const node = decodeNode(page, place, this.#elementFlags);
    // Only a bucket without entries has an empty leaf; bbolt takes others out.
    if (node.kind === 'leaf' && node.entries.length === 0 && place.depth > 0) {
      throw damaged(page.id, 'is an empty leaf below a branch');
    }
    return node;
  }
}

function below(child: Child, parent: Todo): Todo {
  return { ...child, depth: parent.depth + 1 };
}
