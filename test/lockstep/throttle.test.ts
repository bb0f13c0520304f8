/** How fast the target is written, at most; by a clock of its own. */
import { expect } from 'chai';
import fc from 'fast-check';
import { Throttle } from '../../src/lockstep/throttle.js';
import { ownClock } from './clock.js';

describe('the throttle', () => {
  const clock = ownClock();

  it('never grants more than the rate in any time, and what a tenth of a second is worth', () => {
    const steps = fc.array(
      fc.record({
        restMs: fc.integer({ min: 0, max: 3000 }),
        asks: fc.integer({ min: 0, max: 400 }),
      }),
      { minLength: 1, maxLength: 60 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), steps, (rate, steps) => {
        const throttle = new Throttle(() => rate);
        const granted = steps.map(({ restMs, asks }) => {
          clock.nowMs += restMs;
          return { atMs: clock.nowMs, count: throttle.take(asks) };
        });
        const burst = Math.max(1, rate * 0.1);
        for (const [i, from] of granted.entries()) {
          let sum = 0;
          for (const { atMs, count } of granted.slice(i)) {
            sum += count;
            const most = ((atMs - from.atMs) / 1000) * rate + burst;
            if (sum > most + 1e-6) return false;
          }
        }
        return true;
      }),
    );
  });

  it('never starves: who asks again when he was told to reaches the rate', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2000 }),
        fc.integer({ min: 1, max: 64 }),
        (rate, most) => {
          const throttle = new Throttle(() => rate);
          const [from, seconds] = [clock.nowMs, 20];
          let sum = 0;
          while (clock.nowMs < from + seconds * 1000) {
            for (let granted = most; granted === most;) sum += granted = throttle.take(most);
            // Never in the past, nor so late that a change would not be noticed.
            expect(throttle.waitMs).to.be.within(10, 100);
            clock.nowMs += throttle.waitMs;
          }
          return sum >= Math.floor(rate * seconds * 0.95) - 1;
        },
      ),
    );
  });

  it('heeds a change at once, and what was there before a bound came is no more than a burst', () => {
    let rate: number | null = null;
    const throttle = new Throttle(() => rate);
    expect(throttle.take(1_000_000)).to.equal(1_000_000);
    clock.nowMs += 60_000;
    rate = 100;
    expect(throttle.take(500)).to.equal(10);
    rate = 1000;
    clock.nowMs += 50;
    expect(throttle.take(500)).to.equal(50);
    rate = null;
    expect(throttle.take(500)).to.equal(500);
  });

  it('says what bounds it, and that it holds writes back only while it does', () => {
    let rate: number | null = null;
    const throttle = new Throttle(() => rate);
    const none = { maxRate: null, nowRate: null, because: null, holds: false };
    expect(throttle.status).to.deep.equal(none);
    rate = 100;
    clock.nowMs += 1000;
    const bound = { maxRate: 100, nowRate: 100, because: 'max rate' };
    throttle.take(10);
    expect(throttle.status).to.deep.equal({ ...bound, holds: false });
    throttle.take(1);
    expect(throttle.status).to.deep.equal({ ...bound, holds: true });
    clock.nowMs += 3000;
    expect(throttle.status).to.deep.equal({ ...bound, holds: false });
  });
});
