/**
 * A leaf or branch page while it is being filled.
 *
 * The element table comes before the data in the file and its final length is known only at the
 * end, so the two grow side by side, and `pos` is put right when the page is taken out.
 */
import { ELEMENT_BYTES, HEADER_BYTES, PAGE_BRANCH, PAGE_LEAF, writeU64 } from './boltformat.js';
import type { PageWriter } from './pagewriter.js';

export class NodeBuffer {
  readonly #flags: number;
  readonly #limit: number;
  readonly #posAt: number;
  readonly #table: Buffer;
  #data: Buffer;
  #used = 0;
  #count = 0;
  #firstKeyBytes = 0;

  /**
   * @param flags PAGE_LEAF or PAGE_BRANCH
   * @param limit bytes of the page up to which `fits` says yes; so few that the 16 bits of a page's
   *   `count` are always enough
   */
  constructor(flags: typeof PAGE_LEAF | typeof PAGE_BRANCH, limit: number) {
    this.#flags = flags;
    this.#limit = limit;
    this.#posAt = flags === PAGE_LEAF ? 4 : 0;
    this.#table = Buffer.alloc(limit);
    this.#data = Buffer.allocUnsafeSlow(limit);
  }

  get count(): number {
    return this.#count;
  }

  /** The lowest key; a view that the next change makes invalid. */
  get firstKey(): Buffer {
    return this.#data.subarray(0, this.#firstKeyBytes);
  }

  /** Whether an element with `dataBytes` of key and value keeps the page within the limit. */
  fits(dataBytes: number): boolean {
    const table = (this.#count + 1) * ELEMENT_BYTES;
    return HEADER_BYTES + table + this.#used + dataBytes <= this.#limit;
  }

  addValue(key: Uint8Array, value: Uint8Array, elementFlags: number): void {
    const element = this.#element(key);
    this.#table.writeUInt32LE(elementFlags, element);
    this.#table.writeUInt32LE(key.length, element + 8);
    this.#table.writeUInt32LE(value.length, element + 12);
    this.#append(value);
  }

  addChild(key: Uint8Array, page: number): void {
    const element = this.#element(key);
    this.#table.writeUInt32LE(key.length, element + 4);
    writeU64(this.#table, page, element + 8);
  }

  /** Writes the page and starts a new one; `firstKey` stays until the next element is added. */
  writeTo(out: PageWriter): number {
    for (let i = 0; i < this.#count; i++) {
      const pos = i * ELEMENT_BYTES + this.#posAt;
      const restOfTable = (this.#count - i) * ELEMENT_BYTES;
      this.#table.writeUInt32LE(restOfTable + this.#table.readUInt32LE(pos), pos);
    }
    const table = this.#table.subarray(0, this.#count * ELEMENT_BYTES);
    const page = out.append(this.#flags, this.#count, table, this.#data.subarray(0, this.#used));
    this.#count = 0;
    this.#used = 0;
    return page;
  }

  /** Starts an element, with the key's place in the data for its `pos`; returns its offset. */
  #element(key: Uint8Array): number {
    const element = this.#count * ELEMENT_BYTES;
    this.#table.writeUInt32LE(this.#used, element + this.#posAt);
    if (this.#count === 0) this.#firstKeyBytes = key.length;
    this.#count++;
    this.#append(key);
    return element;
  }

  #append(bytes: Uint8Array): void {
    const end = this.#used + bytes.length;
    if (end > this.#data.length) {
      // A row larger than a page, or a branch of huge keys: rare, so the larger buffer is kept.
      const larger = Buffer.allocUnsafeSlow(end);
      this.#data.copy(larger, 0, 0, this.#used);
      this.#data = larger;
    }
    this.#data.set(bytes, this.#used);
    this.#used = end;
  }
}
