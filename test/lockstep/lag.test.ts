/** How far behind, and how long silent: whatever is done to the machine's clock meanwhile. */
import { install } from '@sinonjs/fake-timers';
import { expect } from 'chai';
import { LagClock } from '../../src/lockstep/lag.js';

const HOUR_MS = 3_600_000;

describe('lag', () => {
  for (const [what, ms] of [
    ['set back', -HOUR_MS],
    ['set forward', HOUR_MS],
  ] as const)
    it(`is the same when the clock is ${what}, and so is silence`, () => {
      const time = install({ toFake: ['Date', 'performance'] });
      try {
        const lag = new LagClock();
        lag.saw(100);
        time.tick(1000);
        lag.saw(200);
        time.tick(300_000);
        lag.saw(200);
        time.setSystemTime(Date.now() + ms);
        expect(lag.behind(100)).to.deep.equal({ revisions: 100, seconds: 300 });
        expect(lag.caughtUp(100)).to.equal(false);
        time.tick(5000);
        expect(lag.silence()).to.equal(5);
        expect(lag.caughtUp(200)).to.equal(true);
      } finally {
        time.uninstall();
      }
    });
});
