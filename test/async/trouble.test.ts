/** Trouble and retries as a status tells them. */
import { install } from '@sinonjs/fake-timers';
import { expect } from 'chai';
import { Retries } from '../../src/async/retries.js';
import { TroubleClock } from '../../src/async/trouble.js';
import { LockstepError } from '../../src/errors.js';

const away = (side: 'source' | 'target') => new LockstepError('UNAVAILABLE', 'away', { side });

describe('trouble', () => {
  it('is one as long as its code is the same, whatever its words; then it begins anew', () => {
    const time = install({ toFake: ['Date'] });
    try {
      const clock = new TroubleClock();
      expect(clock.told(undefined)).to.equal(null);
      const since = new Date().toISOString();
      clock.told(away('source'));
      time.tick(5000);
      expect(clock.told(away('source').as({ message: 'still away' }))).to.deep.equal({
        ...{ code: 'UNAVAILABLE', message: 'still away', hint: null, since },
      });
      expect(clock.told(new LockstepError('NO_SPACE', 'full'))?.since).not.to.equal(since);
      clock.told(undefined);
      time.tick(5000);
      expect(clock.told(away('source'))?.since).to.equal(new Date().toISOString());
    } finally {
      time.uninstall();
    }
  });
});

describe('retries', () => {
  it('are counted by code and side, most often first, and told on', () => {
    const heard: string[] = [];
    const retries = new Retries();
    const attempts = retries.of({
      failed: ({ code }) => heard.push(code),
      answered: () => heard.push('answered'),
    });
    attempts.failed(away('source'));
    attempts.answered();
    for (let n = 0; n < 3; n++) retries.count(away('target'));
    retries.count(new LockstepError('FUTURE_REVISION', 'not yet'));
    expect(heard).to.deep.equal(['UNAVAILABLE', 'answered']);
    expect(retries.list).to.deep.equal([
      { code: 'UNAVAILABLE', side: 'target', count: 3 },
      { code: 'UNAVAILABLE', side: 'source', count: 1 },
      { code: 'FUTURE_REVISION', side: null, count: 1 },
    ]);
  });
});
