import { expect } from 'chai';
import fc from 'fast-check';
import { encodeKeyValue } from '../../src/mvcc/keyvalue.js';
import { digest, Tally } from '../../src/mvcc/tally.js';

const digests = fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 20 });

function tallyOf(all: readonly bigint[]): Tally {
  const tally = new Tally();
  for (const one of all) tally.add(one);
  return tally;
}

describe('Tally', () => {
  it('is the same in any order', () => {
    const shuffled = digests.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
    );
    fc.assert(
      fc.property(shuffled, ([all, other]) => {
        expect(tallyOf(other).equals(tallyOf(all))).to.equal(true);
        expect(tallyOf(other).hex).to.equal(tallyOf(all).hex);
      }),
    );
  });

  it('what is removed was never there', () => {
    fc.assert(
      fc.property(digests, digests, (stay, go) => {
        const tally = tallyOf([...stay, ...go]);
        for (const one of go) tally.remove(one);
        expect(tally).to.deep.equal(tallyOf(stay));
      }),
    );
  });

  it('has 16 hexadecimal digits, also below zero and above 2^64', () => {
    expect(new Tally().hex).to.equal('0'.repeat(16));
    expect(tallyOf([2n ** 64n - 1n, 3n]).hex).to.equal('0000000000000002');
    const below = new Tally();
    below.remove(1n);
    expect(below.hex).to.equal('f'.repeat(16));
  });

  it('a copy goes its own way', () => {
    const tally = tallyOf([5n]);
    tally.copy().add(6n);
    expect(tally).to.deep.equal(new Tally(1, 5n));
  });

  it('is xxh64', () => {
    expect(digest(Buffer.alloc(0)).toString(16)).to.equal('ef46db3751d8e999');
    expect(digest(Buffer.from('a')).toString(16)).to.equal('d24ec4f1a98c6e5b');
  });

  it('every field of a row changes its digest', () => {
    const row = {
      key: Buffer.from('k'),
      createRevision: 2,
      modRevision: 3,
      version: 2,
      value: Buffer.from('v'),
      lease: 7n,
    };
    const changed = [
      { ...row, key: Buffer.from('l') },
      { ...row, createRevision: 1 },
      { ...row, modRevision: 4 },
      { ...row, version: 3 },
      { ...row, value: Buffer.from('w') },
      { ...row, lease: -7n },
    ];
    const all = [row, ...changed].map((kv) => digest(encodeKeyValue(kv)));
    expect(new Set(all)).to.have.property('size', 7);
  });
});
