/**
 * How far the range of the next page reaches, so that no page costs more than its rows.
 *
 * etcd counts all keys from a page's first one to the end of its range, however few it returns, and
 * writes wait meanwhile (`treeIndex.Revisions` in server/storage/mvcc/index.go; 3.4 even collects them).
 * Measured: 0.25 µs a key. Of 500,000 pods each page held up the source for 60 ms on average, and
 * reading all of them took three times as long as it takes with short ranges.
 *
 * The algorithm. A stack of spans, each inside the one below it, all beginning at the next key. A span
 * holds the keys that begin with the same `depth` bits as the next one.
 *   - Where more than MANY pages are left to the end of the innermost, one is laid into it. Its depth is
 *     searched by halves: the one around is too long; the bits that all keys of the page have in common
 *     make one that is too short, or hardly long enough; it gets the depth half way.
 *   - Where a span has been read to its end, what is left of the one around it is known by subtraction.
 *     If that is still long, the next one in it is as deep; or half way to the one around, if this one
 *     held less than FEW pages.
 * To find out that a span is too long costs a page of it, which is then on the stack and not tried again.
 *
 * The invariant: the next key moves on by what was read, to the end of a span of which etcd has said
 * that nothing is left, or to where who reads wants to go on. Counts only decide on lengths, so it does
 * no harm that they are estimates where the store changes between two pages.
 *
 * With names as Kubernetes has them, 100,000 and 500,000: 6 to 33 per cent more pages than full ones would
 * be, and each key is counted 8 to 13 times instead of 50 and 250 times.
 *
 * Tried and dropped: larger pages, which cost memory in three places; a depth in bytes, which has steps
 * of 36 in names, so that one is too long and the next too short; going up by one bit after a short span,
 * and by eight, sixteen and so on after an empty one, which at the end of a namespace asks a hundred times
 * for nothing.
 */
import {
  endOfPrefix,
  endsBefore,
  keyAfter,
  sharedBits,
  TO_THE_END,
  type KeyRange,
} from '../mvcc/prefix.js';

/** In pages: the longest that costs little, and the shortest that has mostly full pages. */
const MANY = 16;
const FEW = 4;

/** What a page has brought. */
interface SpanPage {
  first: Buffer | undefined;
  last: Buffer | undefined;
  rows: number;
  /** Keys from its first one to the end of the range that it was asked for. */
  count: number;
  /** Whether some of them did not fit. */
  more: boolean;
  /** Keys that were asked for at most. */
  limit: number;
}

interface Span {
  /** Bits that its keys begin with alike. */
  depth: number;
  end: Buffer;
  /** Keys in it when it was asked first. */
  begun: number | undefined;
  /** Keys still to be read. */
  left: number;
}

export class Spans {
  readonly #stack: Span[];
  #next: Buffer;

  constructor({ key, rangeEnd }: KeyRange, from: Buffer = key) {
    const depth = rangeEnd.equals(TO_THE_END) ? 0 : sharedBits(key, rangeEnd);
    this.#stack = [{ depth, end: rangeEnd, begun: undefined, left: 0 }];
    this.#next = from;
  }

  /** To ask the next page of; undefined where all is read. */
  get range(): KeyRange | undefined {
    const innermost = this.#stack.at(-1);
    return innermost && { key: this.#next, rangeEnd: innermost.end };
  }

  /** Keys still to come in the whole range. */
  get left(): number {
    return Math.max(0, this.#stack[0]?.left ?? 0);
  }

  /** To be told of every page. */
  took({ first, last, rows, count, more, limit }: SpanPage): void {
    const span = this.#stack.at(-1);
    if (!span) throw new Error('all is read');
    for (const around of this.#stack) around.left -= rows;
    span.begun ??= count;
    span.left = count - rows;
    if (more && first && last) {
      this.#next = keyAfter(last);
      this.#layInto(span, limit, halfWay(span.depth, sharedBits(first, last)));
    } else this.#leave(span, limit);
  }

  /** Goes on at a later key: nobody wants to read what lies before it. */
  skipTo(key: Buffer): void {
    if (key.compare(this.#next) <= 0) return;
    this.#next = key;
    for (let top = this.#stack.at(-1); top && !endsBefore(key, top.end); top = this.#stack.at(-1))
      this.#stack.pop();
  }

  #leave({ end, depth, begun = 0 }: Span, limit: number): void {
    this.#next = end;
    while (this.#stack.at(-1)?.end.equals(end)) this.#stack.pop();
    const around = this.#stack.at(-1);
    if (!around) return;
    this.#layInto(around, limit, begun < FEW * limit ? halfWay(around.depth, depth) : depth);
  }

  #layInto(around: Span, limit: number, depth: number): void {
    if (around.left <= MANY * limit) return;
    const end = endOfPrefix(this.#next, depth);
    if (endsBefore(end, around.end)) this.#stack.push({ depth, end, begun: undefined, left: 0 });
  }
}

/** Between two depths, and deeper than the first. */
function halfWay(outer: number, inner: number): number {
  return Math.max(outer + 1, Math.ceil((outer + inner) / 2));
}
