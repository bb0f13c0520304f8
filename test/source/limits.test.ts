import { expect } from 'chai';
import { watchLimits } from '../../src/source/limits.js';

const PROOF: Record<string, boolean> = {
  '3.3.27': false,
  '3.4.0': false,
  '3.4.23': false,
  '3.4.33': false,
  '3.4.34': true,
  '3.4.100': true,
  '3.5.0': false,
  '3.5.15': false,
  '3.5.16': true,
  '3.5.30': true,
  '3.5.16-rc.1': true,
  '3.6.0': true,
  '3.6.0-alpha.0': true,
  '3.10.1': true,
  '4.0.0': true,
  '2.3.8': false,
  '': false,
  'not a version': false,
};

describe('watchLimits', () => {
  for (const [version, proof] of Object.entries(PROOF))
    it(`${version || '(none)'}: progress is ${proof ? 'proof' : 'none'}`, () => {
      expect(watchLimits(version)).to.deep.equal({ version, progressIsProof: proof });
    });
});
