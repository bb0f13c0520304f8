import { expect } from 'chai';
import fc from 'fast-check';
import { LockstepError } from '../../src/errors.js';
import { decodeRevision, encodeRevision, safeRevision } from '../../src/mvcc/revision.js';

const revision = fc.maxSafeNat();

describe('revisions as bytes', () => {
  it('are what etcd writes', () => {
    expect(encodeRevision(258, 3).toString('hex')).to.equal('00000000000001025f0000000000000003');
    expect(encodeRevision(258, 3, true).toString('hex')).to.equal(
      '00000000000001025f000000000000000374',
    );
  });

  it('come back as they were', () => {
    fc.assert(
      fc.property(revision, revision, fc.boolean(), (main, sub, tombstone) => {
        const bytes = encodeRevision(main, sub, tombstone);
        expect(decodeRevision(bytes)).to.deep.equal({ main, sub, tombstone });
      }),
    );
  });

  it('sort as the numbers do', () => {
    const row = fc.record({ main: revision, sub: revision });
    fc.assert(
      fc.property(row, row, (a, b) => {
        const bytes = encodeRevision(a.main, a.sub).compare(encodeRevision(b.main, b.sub));
        expect(bytes).to.equal(Math.sign(a.main - b.main || a.sub - b.sub));
      }),
    );
  });

  it('nothing else is one', () => {
    const good = encodeRevision(5, 6);
    const wrong: Record<string, Buffer> = {
      empty: Buffer.alloc(0),
      short: good.subarray(1),
      long: Buffer.concat([good, Buffer.from('tt')]),
      'another separator': Buffer.from(good.toString('hex').replace('5f', '2f'), 'hex'),
      'another mark': Buffer.concat([good, Buffer.from('x')]),
      'a main above 2^53': Buffer.from(good.toString('hex').replace(/^0000/, '0100'), 'hex'),
      'a sub above 2^53': Buffer.from(good.toString('hex').replace('5f0000', '5f8000'), 'hex'),
    };
    for (const [what, bytes] of Object.entries(wrong))
      expect(decodeRevision(bytes), what).to.equal(undefined);
  });
});

describe('safeRevision', () => {
  it('takes what fits, in every form', () => {
    expect(safeRevision(7)).to.equal(7);
    expect(safeRevision(7n)).to.equal(7);
    expect(safeRevision({ low: -1, high: 1 })).to.equal(2 ** 33 - 1);
    expect(safeRevision(BigInt(Number.MAX_SAFE_INTEGER))).to.equal(Number.MAX_SAFE_INTEGER);
  });

  it('refuses what would lose something', () => {
    for (const value of [-1, 1.5, NaN, Infinity, 2 ** 53, -1n, 2n ** 60n, { low: 0, high: -1 }])
      expect(() => safeRevision(value)).to.throw(LockstepError, 'outside');
  });
});
