/**
 * What a key of the source is called on the target: its prefix is exchanged, the rest stays.
 *
 * So the order of keys is the same on both sides, and two ranges can be walked side by side. Our own
 * keys (`etcd-lockstep/…`) take no part on either side: a source that is itself a target, or a mirror
 * of the whole store, must not carry a cursor along that speaks of another etcd.
 */
import { badArgument } from '../errors.js';
import { OWN_PREFIX, prefixRange, PrefixSet, type KeyRange } from '../mvcc/prefix.js';
import type { Record } from '../mvcc/record.js';

const OWN = Buffer.from(OWN_PREFIX);

export class KeyMap {
  readonly sourceRange: KeyRange;
  readonly targetRange: KeyRange;
  /** What the source is watched for. */
  readonly prefixes: PrefixSet;
  readonly #from: Buffer;
  readonly #to: Buffer;
  readonly #same: boolean;

  /**
   * @param prefix keys of the source that begin so; all of them where it is empty
   * @param destPrefix what stands on the target in its place
   * @throws LockstepError BAD_ARGUMENT for prefixes over our own keys
   */
  constructor(
    readonly prefix: string,
    readonly destPrefix = prefix,
  ) {
    if (isOver(destPrefix))
      throw badArgument(
        `--dest-prefix ${destPrefix}`,
        `Keys under ${OWN_PREFIX} are etcd-lockstep's own.`,
      );
    this.prefixes = prefix === '' ? PrefixSet.everything() : PrefixSet.of([prefix]);
    this.sourceRange = prefixRange(prefix);
    this.targetRange = prefixRange(destPrefix);
    this.#from = Buffer.from(prefix);
    this.#to = Buffer.from(destPrefix);
    this.#same = prefix === destPrefix;
  }

  /** A source's key as it is called on the target; undefined for one that takes no part. */
  toTarget(key: Buffer): Buffer | undefined {
    if (isOwn(key)) return undefined;
    if (this.#same) return key;
    const name = this.bound(key);
    // A key that is the prefix itself has no name left where that is taken away.
    return name.length === 0 || isOwn(name) ? undefined : name;
  }

  /** A place in the source's range as a place in the target's, whether there is a key or not. */
  bound(key: Buffer): Buffer {
    return Buffer.concat([this.#to, key.subarray(this.#from.length)]);
  }

  /** The same for a record: only its name changes, value and lease are read from its bytes. */
  record(record: Record): Record | undefined {
    const key = this.toTarget(record.key);
    return key && (key === record.key ? record : { ...record, key });
  }

  /** Whether a key of the target lies where the mirror writes. */
  isTargets(key: Buffer): boolean {
    return key.subarray(0, this.#to.length).equals(this.#to) && !isOwn(key);
  }

  /** The source's key for a key of the target. */
  toSource(key: Buffer): Buffer {
    return Buffer.concat([this.#from, key.subarray(this.#to.length)]);
  }

  /** Whether keys of one side are keys of the other, if both are the same etcd. */
  get overlaps(): boolean {
    return this.prefix.startsWith(this.destPrefix) || this.destPrefix.startsWith(this.prefix);
  }

  toString(): string {
    const name = (prefix: string) => (prefix === '' ? 'all keys' : prefix);
    if (this.#same) return name(this.prefix);
    return `${name(this.prefix)} as ${this.destPrefix === '' ? 'keys without a prefix' : this.destPrefix}`;
  }
}

function isOwn(key: Buffer): boolean {
  return key.length >= OWN.length && key.compare(OWN, 0, OWN.length, 0, OWN.length) === 0;
}

function isOver(prefix: string): boolean {
  return prefix !== '' && (OWN_PREFIX.startsWith(prefix) || prefix.startsWith(OWN_PREFIX));
}
