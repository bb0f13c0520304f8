/** Numbers as people read them. */
import { expect } from 'chai';
import fc from 'fast-check';
import { bytes } from '../src/text.js';

describe('text', () => {
  it('bytes: at most one digit behind the point, whatever a rate comes to', () => {
    expect([0, 343.3659, 1023, 1024, 6.5 * 2 ** 20, 12.4 * 2 ** 30].map(bytes)).to.deep.equal([
      '0 B',
      '343 B',
      '1023 B',
      '1.0 KiB',
      '6.5 MiB',
      '12 GiB',
    ]);
    fc.assert(
      fc.property(fc.double({ min: 0, max: 2 ** 50, noNaN: true }), (n) =>
        /^\d+(\.\d)? ([KMGT]i)?B$/.test(bytes(n)),
      ),
    );
  });
});
