/** How many of something there are of which size, in buckets that double: bounded, whatever comes. */
import { z } from 'zod';

const whole = z.number().int().nonnegative();

/** The schema of {@link Bucket}. */
export const bucket = z.strictObject({
  /** Both are part of it. */
  from: whole,
  to: whole,
  keys: whole,
});

/** Keys of which something is from `from` to `to`. */
export type Bucket = z.infer<typeof bucket>;

/** 0; 1; 2 to 3; 4 to 7; … */
export class Histogram {
  readonly #keys: number[] = [];

  /** @param n a safe integer, not negative */
  add(n: number): void {
    const bits = bitsOf(n);
    while (this.#keys.length <= bits) this.#keys.push(0);
    this.#keys[bits] = (this.#keys[bits] ?? 0) + 1;
  }

  /** From the first that has any to the last, those between that have none as well. */
  get buckets(): Bucket[] {
    const all = this.#keys.map((keys, bits) => {
      return { from: bits === 0 ? 0 : 2 ** (bits - 1), to: 2 ** bits - 1, keys };
    });
    const first = all.findIndex(({ keys }) => keys > 0);
    return first < 0 ? [] : all.slice(first);
  }
}

/** Of a number above 32 bits the upper half is looked at. */
function bitsOf(n: number): number {
  const upper = Math.floor(n / 2 ** 32);
  return upper > 0 ? 64 - Math.clz32(upper) : 32 - Math.clz32(n);
}
