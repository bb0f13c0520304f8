/** Revisions as nobody would write them, all of which may be in a source. */
import fc from 'fast-check';
import { encodeKeyValue } from '../../src/mvcc/keyvalue.js';
import type { Record } from '../../src/mvcc/record.js';

/** What happens to one key in a revision; etcd lets a key be put and then deleted in one. */
interface Change {
  key: Buffer;
  value: Buffer;
  lease: bigint;
  kind: 'put' | 'delete' | 'put and delete';
}

const bytes = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength, size: 'max' }).map((drawn) => Buffer.from(drawn));

const oddKey = fc.oneof(
  { weight: 6, arbitrary: bytes(1, 24) },
  { weight: 1, arbitrary: bytes(1000, 2000) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom('\0', '\xff', '\xff\xff', '/', ' ', 'a', 'etcd-lockstep')
      .map((text) => Buffer.from(text, 'latin1')),
  },
);

const value = fc.oneof(
  { weight: 8, arbitrary: bytes(0, 40) },
  { weight: 1, arbitrary: fc.nat(300_000).map((size) => Buffer.alloc(size, 'x')) },
);

/** The records of one revision, in their order. */
export function drawnRecords(
  lease: fc.Arbitrary<bigint>,
  { prefix = '', maxLength = 12 } = {},
): fc.Arbitrary<Record[]> {
  const change = fc.record<Change>({
    key: oddKey.map((key) => Buffer.concat([Buffer.from(prefix), key])),
    value,
    lease,
    kind: fc.constantFrom('put', 'put', 'put', 'delete', 'put and delete'),
  });
  const selector = ({ key }: Change) => key.toString('latin1');
  return fc.uniqueArray(change, { minLength: 1, maxLength, selector, size: 'max' }).map(recordsOf);
}

function recordsOf(changes: readonly Change[]): Record[] {
  const puts = changes.filter(({ kind }) => kind !== 'delete');
  const deletions = changes.filter(({ kind }) => kind !== 'put');
  const rows = [
    ...puts.map(({ key, value, lease }) => {
      const kv = { key, value, lease, modRevision: 7, createRevision: 7, version: 1 };
      return { key, tombstone: false, bytes: encodeKeyValue(kv) };
    }),
    ...deletions.map(({ key }) => ({ key, tombstone: true, bytes: encodeKeyValue({ key }) })),
  ];
  return rows.map((row, sub) => ({ main: 7, sub, ...row }));
}
