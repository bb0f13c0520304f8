/**
 * Random histories: what clients of the source do, as data, so that fast-check can shrink it and a
 * failing one can be kept as a fixed test.
 *
 * An operation never depends on the store's state to be valid, so any part of a history is one too.
 */
import fc from 'fast-check';

export type Size = 'empty' | 'small' | 'page' | 'megabyte';

/** One write inside a transaction. `key` is an index into {@link KEYS}. */
export interface Write {
  key: number;
  size: Size;
  delete: boolean;
}

export type Op =
  | { kind: 'put'; key: number; size: Size; lease: boolean }
  | { kind: 'delete'; key: number }
  /** `range` is an index into {@link RANGES}. */
  | { kind: 'delete range'; range: number }
  | { kind: 'txn'; writes: Write[] }
  /** Puts and then deletes the same key in one revision; `range` deletes more in the same go. */
  | { kind: 'put and delete'; writes: Write[]; key: number; range: number | null }
  /** Writes that touch none of the prefixes. */
  | { kind: 'foreign'; count: number }
  /** A new lease and keys that hold it, about half of them under the prefixes. */
  | { kind: 'lease'; keys: number }
  /** Revokes the lease granted last: all its keys go in one revision. */
  | { kind: 'revoke' }
  /** At this per cent of the way from the last compaction to the head. */
  | { kind: 'compact'; percent: number };

/** Two that stand on both sides of foreign keys, so that the watch's hull covers those. */
export const PREFIXES = ['/registry/leases/', '/registry/pods/'];

const latin1 = (text: string) => Buffer.from(text, 'latin1');

/** Under the prefixes, some of them only just. */
const OURS = [
  '/registry/pods/a',
  '/registry/pods/b',
  '/registry/pods/',
  '/registry/pods/ns/\xff\xfe\x00\x80',
  '/registry/pods/\x00',
  '/registry/pods/\xff\xff\xff',
  '/registry/leases/n',
  '/registry/leases/',
].map(latin1);

/** Just beside them, between them, and far off. */
export const FOREIGN = [
  '/registry/pods',
  '/registry/pods.',
  '/registry/pods0',
  '/registry/podtemplates/x',
  '/registry/leases',
  '/registry/minions/n',
  'compact_rev_key',
  '\xff\xff',
].map(latin1);

export const KEYS = [...OURS, ...FOREIGN];

/** Half open, as etcd has them; a zero byte is "to the end". */
export const RANGES = [
  ['/registry/pods/', '/registry/pods0'],
  ['/registry/pods/b', '/registry/pods/z'],
  ['/registry/pods', '/registry/pods/b'],
  ['/registry/leases/', '/registry/pods/b'],
  ['/registry/pods/a', '\0'],
].map(([key = '', end = '']) => ({ key: latin1(key), rangeEnd: latin1(end) }));

const size = fc.oneof(
  { arbitrary: fc.constant<Size>('small'), weight: 12 },
  { arbitrary: fc.constantFrom<Size>('empty', 'page'), weight: 6 },
  { arbitrary: fc.constant<Size>('megabyte'), weight: 1 },
);
const smallSize = fc.constantFrom<Size>('small', 'empty', 'page');
const anyKey = fc.nat(KEYS.length - 1);
/** Ours twice as often. */
const key = fc.oneof(fc.nat(OURS.length - 1), anyKey);
const range = fc.nat(RANGES.length - 1);
const writes = fc.uniqueArray(fc.record({ key, size: smallSize, delete: fc.boolean() }), {
  selector: (write) => write.key,
  minLength: 1,
});

/** Up to thousands of keys; the steps are where transactions need another level, or etcd a batch. */
const leaseKeys = fc.oneof(
  { arbitrary: fc.integer({ min: 1, max: 8 }), weight: 6 },
  { arbitrary: fc.constantFrom(127, 128, 129, 400), weight: 2 },
  { arbitrary: fc.constantFrom(1500, 4100), weight: 1 },
);

/** @param options `compact: false` leaves compactions out */
export function arbitraryOp({ compact = true } = {}): fc.Arbitrary<Op> {
  const put = fc.record({ kind: fc.constant('put' as const), key, size, lease: fc.boolean() });
  const weighted: fc.WeightedArbitrary<Op>[] = [
    { arbitrary: put, weight: 6 },
    { arbitrary: fc.record({ kind: fc.constant('delete' as const), key }), weight: 4 },
    { arbitrary: fc.record({ kind: fc.constant('delete range' as const), range }), weight: 2 },
    { arbitrary: fc.record({ kind: fc.constant('txn' as const), writes }), weight: 4 },
    {
      arbitrary: fc.record({
        kind: fc.constant('put and delete' as const),
        writes,
        key,
        range: fc.option(range, { nil: null }),
      }),
      weight: 3,
    },
    {
      arbitrary: fc.record({
        kind: fc.constant('foreign' as const),
        count: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.nat(300)),
      }),
      weight: 5,
    },
    { arbitrary: fc.record({ kind: fc.constant('lease' as const), keys: leaseKeys }), weight: 2 },
    { arbitrary: fc.constant<Op>({ kind: 'revoke' }), weight: 2 },
  ];
  if (compact)
    weighted.push({
      arbitrary: fc.record({
        kind: fc.constant('compact' as const),
        percent: fc.oneof(fc.nat(100), fc.constant(100)),
      }),
      weight: 3,
    });
  return fc.oneof(...weighted);
}
