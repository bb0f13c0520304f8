/** What may be changed while a command runs, and what needs another start. */
import { expect } from 'chai';
import { changesOf } from '../../src/config/changes.js';

describe('options that are read again', () => {
  const before = {
    ...{ endpoints: ['http://a:2379'], journal: 'pods.journal', logLevel: 'info' as const },
    ...{ auditRate: 4_194_304, maxRate: 500 },
  };

  it('the same are no change, however they are made', () => {
    const now = structuredClone(before);
    expect(changesOf(before, now)).to.deep.equal({ live: {}, needRestart: [] });
  });

  it('what may be changed is told with its new value, also where it is given no more', () => {
    const { maxRate: _, ...rest } = before;
    const now = { ...rest, auditEvery: 3600, logLevel: 'warn' as const };
    expect(changesOf(before, now)).to.deep.equal({
      live: { auditEvery: 3600, logLevel: 'warn', maxRate: undefined },
      needRestart: [],
    });
  });

  it('all else needs a restart, and is named, without its value', () => {
    const now = { ...before, endpoints: ['http://b:2379'], password: 'secret', maxRate: 200 };
    expect(changesOf(before, now)).to.deep.equal({
      live: { maxRate: 200 },
      needRestart: ['endpoints', 'password'],
    });
  });
});
