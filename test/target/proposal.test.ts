/** An entry of raft's log that cannot be read panics every member, for good: so every one that is made is read here. */
import { expect } from 'chai';
import fc from 'fast-check';
import { encodeKeyValue, parseKeyValue } from '../../src/mvcc/keyvalue.js';
import type { Record } from '../../src/mvcc/record.js';
import { newTerm } from '../../src/target/chain.js';
import { encodeProposal, MAX_ENTRY_BYTES, proposerId } from '../../src/target/proposal.js';
import { etcdserverpb as pb } from '../../src/wire/gen/etcd.js';
import { drawnRecords } from './drawn.js';
import { readRequest, type ReadOp, type ReadTxn } from './raft.js';

const RUNS = 200;
const CHAIN = 'etcd-lockstep/chain';
const CURSOR = 'etcd-lockstep/cursor';
const [EQUAL, MOD, VALUE] = [0, 2, 3];

const uint64 = fc.oneof(
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.constantFrom(1n, 2n ** 63n, 2n ** 64n - 1n),
);
const int64 = fc.oneof(
  { weight: 3, arbitrary: fc.constant(0n) },
  { weight: 1, arbitrary: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n) },
);
const revision = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.maxSafeNat().filter((n) => n > 0),
);
const proposer = fc.record({
  id: uint64.filter((id) => id > 0n),
  username: fc.string({ unit: 'grapheme' }),
  authRevision: uint64,
});
const data = fc.record({
  records: fc.oneof(
    { weight: 9, arbitrary: drawnRecords(int64) },
    { weight: 1, arbitrary: drawnRecords(int64, { maxLength: 400 }) },
  ),
  cursor: fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
});

/** As etcd executes it: depth first. */
function* executed({ success = [], failure = [] }: ReadTxn): Generator<string> {
  expect(failure).to.deep.equal([]);
  for (const op of success) {
    if (op.txn) {
      expect(op.txn.compare ?? []).to.deep.equal([]);
      yield* executed(op.txn);
    } else yield text(op);
  }
}

function text({ put, deletion }: ReadOp): string {
  if (put) return told(put.key, put.value, put.lease);
  expect(deletion?.range_end).to.equal(undefined);
  return `delete ${deletion?.key.toString('hex')}`;
}

function told(key: Buffer, value: Buffer = Buffer.alloc(0), lease = '0'): string {
  return `put ${key.toString('hex')} = ${value.toString('hex')}, lease ${lease}`;
}

function meant({ key, tombstone, bytes }: Record): string {
  if (tombstone) return `delete ${key.toString('hex')}`;
  const { value, lease } = parseKeyValue(bytes);
  return told(key, value, String(lease));
}

describe("an entry of raft's log", function () {
  this.timeout(60_000);

  it('says just what was meant, whatever that is', () => {
    const property = fc.property(
      fc.option(data, { nil: undefined }),
      revision,
      proposer,
      (drawn, at, by) => {
        const link = { term: newTerm(), revision: at };
        const bytes = encodeProposal({ link, data: drawn }, by);
        const { header, txn, ...rest } = readRequest(bytes);
        expect(rest, 'anything else').to.deep.equal({});
        const { ID, username = '', auth_revision = '0' } = header ?? {};
        expect([ID, username, auth_revision]).to.deep.equal([
          String(by.id),
          by.username,
          String(by.authRevision),
        ]);
        const [mod, value, ...more] = txn?.compare ?? [];
        expect(more).to.deep.equal([]);
        const plain = ({ result = EQUAL, target = 0, key }: NonNullable<typeof mod>) => {
          return [result, target, key.toString()];
        };
        expect(mod && [...plain(mod), mod.mod ?? '0']).to.deep.equal([
          EQUAL,
          MOD,
          CHAIN,
          String(at - 1),
        ]);
        expect(value && [...plain(value), value.value?.toString()]).to.deep.equal([
          ...[EQUAL, VALUE, CHAIN],
          `${link.term} ${at - 1}`,
        ]);
        const chain = told(Buffer.from(CHAIN), Buffer.from(`${link.term} ${at}`));
        const wanted = drawn
          ? [...drawn.records.map(meant), told(Buffer.from(CURSOR), drawn.cursor), chain]
          : [chain];
        expect([...executed(txn ?? {})].join('\n') === wanted.join('\n'), 'in this order').to.equal(
          true,
        );
        // The generated reader sees the same as the one by reflection.
        const again = pb.InternalRaftRequest.encode(pb.InternalRaftRequest.decode(bytes)).finish();
        expect(Buffer.compare(again, bytes)).to.equal(0);
      },
    );
    fc.assert(property, { numRuns: RUNS });
  });

  it('is refused where it is larger than any revision of a source', () => {
    const put = (size: number): Record => {
      const key = Buffer.from('/registry/pods/a');
      const bytes = encodeKeyValue({ key, value: Buffer.alloc(size), modRevision: 7, version: 1 });
      return { main: 7, sub: 0, tombstone: false, key, bytes };
    };
    const encode = (size: number) =>
      encodeProposal(
        {
          link: { term: newTerm(), revision: 7 },
          data: { records: [put(size)], cursor: Buffer.from('{}') },
        },
        { id: 1n, username: '', authRevision: 0n },
      );
    expect(encode(MAX_ENTRY_BYTES - 1000).length).to.be.at.most(MAX_ENTRY_BYTES);
    expect(() => encode(MAX_ENTRY_BYTES))
      .to.throw()
      .with.include({ code: 'REQUEST_TOO_LARGE', revision: 7 });
  });

  it('comes under an id that is none of a member, now or later', () => {
    const near = fc.integer({ min: -3, max: 3 }).map((by) => 0x6c73n + BigInt(by));
    const members = fc.array(fc.oneof(uint64, near), { maxLength: 9 });
    const property = fc.property(members, (ids) => {
      const id = proposerId(ids);
      expect(id > 0n && id < 2n ** 64n).to.equal(true);
      for (const member of ids) expect(id >> 48n).not.to.equal(member & 0xffffn);
    });
    fc.assert(property);
  });
});
