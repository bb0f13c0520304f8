/** What is known by name of late writes, whatever order the watch and the answers to our own writes come in. */
import { expect } from 'chai';
import { LateKeys } from '../../src/reverse/latekeys.js';

describe('late keys', () => {
  const key = '/registry/pods/k';

  it('an answer that comes behind a later write of somebody else does not close that', () => {
    const alarms: string[] = [];
    const late = new LateKeys((alarm) => alarms.push(alarm));
    late.found({ key, revision: 70, deleted: false }, false);
    late.overwritten(Buffer.from(key), 65);
    expect(late.state).to.deep.equal({
      ...{ count: 1, replaced: 0, all: true },
      open: [{ key, revision: 70 }],
    });
    expect(alarms).to.have.length(1);
    late.overwritten(Buffer.from(key), 71);
    expect(late.state).to.deep.equal({ count: 1, replaced: 1, open: [], all: true });
    expect(alarms[1]).to.contain('replaced');
  });
});
