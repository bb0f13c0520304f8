/** Whether something lasts: what comes and goes for moments is never told, what comes and goes all night once. */
import { expect } from 'chai';
import fc from 'fast-check';
import { Steady } from '../../src/hooks/steady.js';

const LASTS_MS = 1000;

/** Looks every 100 ms; `#` where it holds. */
function told(pattern: string): string[] {
  const steady = new Steady(LASTS_MS);
  return Array.from(pattern, (one, i) => steady.look(one === '#', 5000 + i * 100) ?? []).flat();
}

describe('whether something lasts', () => {
  it('told when it has, once, and over when that has', () => {
    expect(told('.'.repeat(50))).to.deep.equal([]);
    expect(told('#'.repeat(9))).to.deep.equal([]);
    expect(told('#'.repeat(50))).to.deep.equal(['begun']);
    expect(told(`${'#'.repeat(50)}.........`)).to.deep.equal(['begun']);
    expect(told(`${'#'.repeat(50)}${'.'.repeat(50)}`)).to.deep.equal(['begun', 'over']);
  });

  it('what holds for less than half of the time is never told, for more once', () => {
    expect(told('##...'.repeat(200))).to.deep.equal([]);
    expect(told('###..'.repeat(200))).to.deep.equal(['begun']);
  });

  it('what was not looked at for long has not lasted for long', () => {
    const steady = new Steady(10_000);
    steady.look(false, 0);
    for (const minute of [1, 2, 3, 4])
      expect(steady.look(true, minute * 60_000)).to.equal(undefined);
    expect(steady.look(true, 5 * 60_000)).to.equal('begun');
  });

  it('always in turns, and each at least so long after the one before', () => {
    const looks = fc.array(
      fc.record({ holds: fc.boolean(), ms: fc.integer({ min: 0, max: 700 }) }),
    );
    fc.assert(
      fc.property(looks, (all) => {
        const steady = new Steady(LASTS_MS);
        let nowMs = 0;
        let lastMs = 0;
        let expected: 'begun' | 'over' = 'begun';
        for (const { holds, ms } of all) {
          nowMs += ms;
          const what = steady.look(holds, nowMs);
          if (what === undefined) continue;
          expect(what).to.equal(expected);
          expect(nowMs - lastMs).to.be.at.least(LASTS_MS);
          expected = what === 'begun' ? 'over' : 'begun';
          lastMs = nowMs;
        }
      }),
    );
  });
});
