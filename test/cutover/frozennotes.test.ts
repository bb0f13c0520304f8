/** What says that writes are frozen, or may be, is a warning: it is told with --log-level warn, too. */
import { expect } from 'chai';
import { tellOwnFreeze } from '../../src/cutover/freezeover.js';
import { leaseWarnings } from '../../src/cutover/preflight.js';
import { ApiServer } from '../../src/kube/api.js';
import { movedBy } from '../../src/proof/movedresources.js';
import { thisRun } from '../../src/target/nightowner.js';
import { freePorts } from '../rig/ports.js';

describe('who has lost the night', () => {
  it('warns that writes may be frozen where no apiserver answers', async () => {
    const [port] = await freePorts(1);
    const api = new ApiServer(`http://127.0.0.1:${port}`, () =>
      Promise.resolve({ tls: {}, headers: {} }),
    );
    const told: unknown[][] = [];
    const onNote = (note: string, warn = false) => told.push([note, warn]);
    await tellOwnFreeze({ self: thisRun('cutover'), apis: [api], onNote });
    api.close();
    expect(told).to.have.length(1);
    expect(told[0]?.[0]).to.match(/^writes may be frozen by this run \(no apiserver answers/);
    expect(told[0]?.[1]).to.be.true;
  });
});

describe('who moves leases', () => {
  it('is warned before go where apiservers restart inside the freeze', () => {
    const moved = movedBy(['/registry/pods/', '/registry/leases/'], undefined);
    expect(leaseWarnings(moved, true)).to.deep.equal([]);
    expect(leaseWarnings(moved.slice(0, 1), false)).to.deep.equal([]);
    expect(leaseWarnings(moved, false).join()).to.match(/10 s.*40 s.*--old-apiservers/);
  });
});
