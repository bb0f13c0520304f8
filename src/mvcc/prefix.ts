/** Prefixes of keys: etcd's ranges are half open, `[key, range end)`. */
import { badArgument } from '../errors.js';

export interface KeyRange {
  key: Buffer;
  /** Exclusive; a single zero byte stands for "to the end of the key space", as in etcd. */
  rangeEnd: Buffer;
}

/** Our own keys on the target; no slash in front, so that no Kubernetes prefix can cover them. */
export const OWN_PREFIX = 'etcd-lockstep/';
/** Where mirrors have their cursors, on targets that are in lockstep with nobody. */
export const MIRRORS_PREFIX = `${OWN_PREFIX}mirror/`;

export const TO_THE_END = Buffer.from([0]);
/** Every key there is. */
export const WHOLE_STORE: KeyRange = { key: Buffer.from([0]), rangeEnd: TO_THE_END };

/** The range of all keys that start with `prefix`; of all keys there are for the empty one. */
export function prefixRange(prefix: string): KeyRange {
  if (prefix === '') return WHOLE_STORE;
  const key = Buffer.from(prefix);
  return { key, rangeEnd: endOfPrefix(key) };
}

/** Where the keys end that begin with the same `bits` bits as `key`. */
export function endOfPrefix(key: Buffer, bits = key.length * 8): Buffer {
  const end = Buffer.alloc(Math.ceil(bits / 8));
  key.copy(end);
  // Of the last byte the lowest bits may not count: away with them, and one more in what is left.
  const unit = 2 ** (end.length * 8 - bits);
  for (let [i, more] = [end.length - 1, unit]; i >= 0; [i, more] = [i - 1, 1]) {
    const sum = (end[i] ?? 0) + more;
    end[i] = sum - (sum % more);
    if (sum <= 0xff) return end.subarray(0, i + 1);
  }
  return TO_THE_END;
}

/** The first key that may lie behind this one; as the end of a range, one that still holds it. */
export function keyAfter(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.from([0])]);
}

/** Whether a range that ends at `end` ends before one that ends at `other`. */
export function endsBefore(end: Buffer, other: Buffer): boolean {
  if (end.equals(TO_THE_END)) return false;
  return other.equals(TO_THE_END) || end.compare(other) < 0;
}

/** How many bits two keys begin with alike. */
export function sharedBits(a: Buffer, b: Buffer): number {
  const shortest = Math.min(a.length, b.length);
  let same = 0;
  while (same < shortest && a[same] === b[same]) same++;
  if (same === shortest) return same * 8;
  return same * 8 + Math.clz32((a[same] ?? 0) ^ (b[same] ?? 0)) - 24;
}

/** The smallest range that covers all prefixes: what one watch has to ask for. */
export function hull(prefixes: PrefixSet): KeyRange {
  const ranges = prefixes.list.map(prefixRange);
  const key = ranges.map((r) => r.key).sort((a, b) => a.compare(b))[0];
  const ends = ranges.map((r) => r.rangeEnd).sort((a, b) => a.compare(b));
  const rangeEnd = ends.find((end) => end.equals(TO_THE_END)) ?? ends.at(-1);
  if (!key || !rangeEnd) throw new Error('a prefix set is never empty');
  return { key, rangeEnd };
}

/** A key that whoever may read the prefixes may read, to ask about where any key will do. */
export function probeKey(prefixes: PrefixSet): Buffer {
  return hull(prefixes).key;
}

/** A checked set of prefixes: sorted, none inside another, none over our own keys. */
export class PrefixSet {
  readonly #bytes: readonly Buffer[];

  private constructor(readonly list: readonly string[]) {
    this.#bytes = list.map((p) => Buffer.from(p));
  }

  /** @throws LockstepError BAD_ARGUMENT */
  static of(prefixes: readonly string[]): PrefixSet {
    if (prefixes.length === 0)
      throw badArgument('no prefix given', 'Name at least one: --prefix /registry/pods/');
    const sorted = [...new Set(prefixes)].sort((a, b) =>
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
    );
    for (const [i, prefix] of sorted.entries()) {
      if (prefix === '')
        throw badArgument(
          'the empty prefix',
          'Name the keys to move, for example --prefix /registry/pods/',
        );
      if (OWN_PREFIX.startsWith(prefix) || prefix.startsWith(OWN_PREFIX))
        throw badArgument(`prefix ${prefix}`, `Keys under ${OWN_PREFIX} are etcd-lockstep's own.`);
      const outer = sorted.slice(0, i).find((other) => prefix.startsWith(other));
      if (outer !== undefined)
        throw badArgument(`prefix ${prefix} lies inside ${outer}`, `Leave out --prefix ${prefix}.`);
    }
    return new PrefixSet(sorted);
  }

  /** Every key there is, our own too: for who looks at them one by one. */
  static everything(): PrefixSet {
    return new PrefixSet(['']);
  }

  /** Whether these are the same ones, in the same order. */
  equals(other: readonly string[]): boolean {
    return this.list.length === other.length && this.list.every((p, i) => p === other[i]);
  }

  /** Whether a key lies under one of the prefixes. */
  covers(key: Buffer): boolean {
    return this.#bytes.some(
      (p) => key.length >= p.length && key.compare(p, 0, p.length, 0, p.length) === 0,
    );
  }
}
