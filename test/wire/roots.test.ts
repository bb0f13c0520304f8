/** Which CAs count where none is given. */
import { expect } from 'chai';
import { machineRoots } from '../../src/wire/machineroots.js';

const certificates = (system: string[], extra: string[]) => ({
  getCACertificates: (type: 'system' | 'extra') => (type === 'system' ? system : extra),
});

describe('CAs where none is given', () => {
  it("are the machine's, and those that Node was given besides", () => {
    expect(machineRoots(certificates(['A', 'B'], ['C']))?.toString()).to.equal('A\nB\nC');
  });

  it("are Node's own, where it cannot tell, or the machine has none", () => {
    expect(machineRoots({})).to.equal(undefined);
    expect(machineRoots(certificates([], ['C']))).to.equal(undefined);
  });
});
