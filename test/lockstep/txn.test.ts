import { expect } from 'chai';
import fc from 'fast-check';
import { encodeKeyValue, toBigInt } from '../../src/mvcc/keyvalue.js';
import type { Record } from '../../src/mvcc/record.js';
import { GUARD_BYTES } from '../../src/plan/data.js';
import { CURSOR_KEY } from '../../src/target/cursor.js';
import { CHAIN_KEY } from '../../src/target/chain.js';
import { SLOTS, slotKey, type Guard } from '../../src/target/guard.js';
import { guardedTxn } from '../../src/target/txn.js';
import { etcdserverpb as pb } from '../../src/wire/gen/etcd.js';
import { MAX_TXN_OPS, refusal } from './txnrules.js';

const RUNS = 300;
const RUNS_LARGE = 20;
const MOST_RECORDS = 20_000;
const CURSOR = Buffer.from('{}');
const LINK = { term: 'a', revision: 7 };

/** One key's part in a revision; a put-delete is two records of one key. */
type Kind = 'put' | 'delete' | 'put-delete';

/** As in a source, a key's put comes before its deletion; other keys' records may lie between. */
function toRecords(kinds: readonly Kind[], distance: number): Record[] {
  const places: { at: number; key: Buffer; tombstone: boolean }[] = [];
  for (const [i, kind] of kinds.entries()) {
    const key = Buffer.from(`/pods/${i}`);
    if (kind !== 'delete') places.push({ at: i, key, tombstone: false });
    if (kind !== 'put') places.push({ at: i + distance, key, tombstone: true });
  }
  places.sort((a, b) => a.at - b.at);
  return places.map(({ key, tombstone }, sub) => {
    const value = Buffer.from(`value ${sub}`);
    const bytes = encodeKeyValue(
      tombstone ? { key } : { key, modRevision: 7, version: 1, value, lease: BigInt(sub % 3) },
    );
    return { main: 7, sub, tombstone, key, bytes };
  });
}

/** Any kind, but often long stretches of one: they make the narrowest and the widest trees. */
function kinds(maxLength: number): fc.Arbitrary<Kind[]> {
  const stretch = fc.tuple(
    fc.constantFrom<Kind>('put', 'delete', 'put-delete'),
    fc.integer({ min: 1, max: maxLength }),
  );
  return fc
    .array(stretch, { minLength: 1, maxLength: 8 })
    .map((stretches) => stretches.flatMap(([kind, n]) => new Array<Kind>(n).fill(kind)))
    .map((all) => all.slice(0, maxLength));
}

function guardOf(slots: number): Guard {
  const all = Array.from({ length: slots }, (_, slot) => ({ slot, mod: slot }));
  return { chainMod: 2, cursorMod: 6, cursor: undefined, slots: all, landed: [] };
}

const guard = fc.constantFrom(0, 1, SLOTS).map(guardOf);
const distance = fc.constantFrom(0, 1, 100);

/** Depth first, as etcd executes it. */
function* executed(ops: readonly pb.RequestOp.$Properties[]): Generator<string> {
  for (const { requestPut, requestDeleteRange, requestTxn } of ops) {
    if (requestTxn) {
      expect(requestTxn.compare ?? []).to.be.empty;
      yield* executed(requestTxn.success ?? []);
    } else if (requestPut) {
      const [key, value] = [text(requestPut.key), text(requestPut.value)];
      yield `put ${key} = ${value}, lease ${toBigInt(requestPut.lease ?? 0)}`;
    } else yield `delete ${text(requestDeleteRange?.key)}`;
  }
}

function text(bytes: Uint8Array | null | undefined): string {
  return Buffer.from(bytes ?? []).toString();
}

function wanted({ key, tombstone, sub }: Record): string {
  return tombstone ? `delete ${text(key)}` : `put ${text(key)} = value ${sub}, lease ${sub % 3}`;
}

function check(records: readonly Record[], by: Guard): void {
  const link = by.slots.length > 1 ? LINK : undefined;
  const txn = guardedTxn(by, { kind: 'cursor', records, cursor: CURSOR, link });
  expect(refusal(txn)).to.equal(undefined);
  const last = `put ${CURSOR_KEY.toString()} = {}, lease 0`;
  // One string, because comparing arrays of 20,000 is chai's slowest way.
  const order = [...executed(txn.success ?? [])].join('\n');
  const own = link ? [last, `put ${CHAIN_KEY.toString()} = a 7, lease 0`] : [last];
  expect(order === [...records.map(wanted), ...own].join('\n'), 'in the order of the records').to.be
    .true;
  expect(txn.compare).to.have.lengthOf(2 + by.slots.length);
}

describe('one revision as one transaction', function () {
  this.timeout(60_000);

  it('keeps the order, and etcd takes it', () => {
    const property = fc.property(kinds(600), distance, guard, (drawn, apart, by) => {
      check(toRecords(drawn, apart), by);
    });
    fc.assert(property, { numRuns: RUNS });
  });

  it(`does so for up to ${MOST_RECORDS} records`, () => {
    const property = fc.property(kinds(MOST_RECORDS), distance, guard, (drawn, apart, by) => {
      check(toRecords(drawn, apart).slice(0, MOST_RECORDS), by);
    });
    fc.assert(property, { numRuns: RUNS_LARGE });
  });

  it('does so wherever another level begins', () => {
    for (const by of [0, SLOTS].map(guardOf))
      for (const edge of [1, 31 * 31, 42 * 42, 47 * 47, 63 * 63, 95, MAX_TXN_OPS, 42 ** 3 / 4])
        for (const n of [edge - 1, edge, edge + 1])
          check(toRecords(new Array<Kind>(n).fill('put'), 0), by);
  });

  it('is flat where that is enough', () => {
    const records = toRecords(new Array<Kind>(MAX_TXN_OPS - 1).fill('put'), 0);
    const { success } = guardedTxn(guardOf(0), {
      kind: 'cursor',
      records,
      cursor: CURSOR,
    });
    expect(success?.every((op) => op.requestPut)).to.be.true;
    expect(success).to.have.lengthOf(MAX_TXN_OPS);
  });

  it('is not larger than plan reckons with, even where every slot is compared', () => {
    const far = Number.MAX_SAFE_INTEGER;
    const slots = Array.from({ length: SLOTS }, (_, slot) => ({ slot, mod: far }));
    const by = { chainMod: far, cursorMod: far, cursor: undefined, slots, landed: [] };
    const cursor = Buffer.alloc(600); // of one prefix it has 400
    const effect = { kind: 'cursor', records: [], cursor, link: LINK } as const;
    const { length } = pb.TxnRequest.encode(guardedTxn(by, effect)).finish();
    expect(length).to.be.lessThan(GUARD_BYTES);
  });

  it('guards by mod_revision and what the cursor says, whatever the write', () => {
    const by: Guard = {
      chainMod: 2,
      cursorMod: 6,
      cursor: CURSOR,
      slots: [{ slot: 3, mod: 5 }],
      landed: [{ slot: 4, above: 5, below: 9 }],
    };
    const filler = guardedTxn(by, { kind: 'filler', slot: 3 });
    const cursor = guardedTxn(by, { kind: 'cursor', records: [], cursor: CURSOR, link: LINK });
    expect(filler.compare).to.deep.equal(cursor.compare);
    const { EQUAL, GREATER, LESS } = pb.Compare.CompareResult;
    const { VALUE, MOD } = pb.Compare.CompareTarget;
    expect(
      filler.compare?.map((c) => [text(c.key), c.target, c.result, c.modRevision ?? c.value]),
    ).to.deep.equal([
      [CHAIN_KEY.toString(), MOD, EQUAL, 2],
      [CURSOR_KEY.toString(), MOD, EQUAL, 6],
      [CURSOR_KEY.toString(), VALUE, EQUAL, CURSOR],
      [slotKey(3).toString(), MOD, EQUAL, 5],
      [slotKey(4).toString(), MOD, GREATER, 5],
      [slotKey(4).toString(), MOD, LESS, 9],
    ]);
    expect([...executed(filler.success ?? [])]).to.deep.equal([
      `put ${slotKey(3).toString()} = , lease 0`,
    ]);
  });

  /** The checks themselves: they would be worth nothing if they took everything. */
  it('is held against rules that refuse what etcd refuses', () => {
    const put = (key: string) => ({ requestPut: { key: Buffer.from(key) } });
    const del = (key: string) => ({ requestDeleteRange: { key: Buffer.from(key) } });
    const txn = (...success: pb.RequestOp.$Properties[]) => ({ requestTxn: { success } });
    const many = (n: number) => Array.from({ length: n }, (_, i) => put(`k${i}`));
    expect(refusal({ success: many(128) })).to.equal(undefined);
    expect(refusal({ success: many(129) })).to.contain('too many');
    expect(refusal({ success: [txn(...many(127))] })).to.equal(undefined);
    expect(refusal({ success: [txn(...many(128))] })).to.contain('too many');
    expect(refusal({ success: [put('a'), put('a')] })).to.contain('duplicate');
    expect(refusal({ success: [put('a'), del('a')] })).to.contain('duplicate');
    expect(refusal({ success: [txn(put('a')), del('a')] })).to.contain('duplicate');
    expect(refusal({ success: [txn(del('a')), txn(put('a'))] })).to.contain('duplicate');
    expect(refusal({ success: [txn(put('a')), txn(del('a'))] })).to.equal(undefined);
  });
});
