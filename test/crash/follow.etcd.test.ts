/**
 * The follower dies, at every fail point and at any time, hundreds of times on the same pair of etcds,
 * while the source is written. In the end the target has the source's rows at the source's
 * revisions, as if nothing had happened.
 */
import { expect } from 'chai';
import type { Failpoint } from '../../src/failpoint.js';
import { haveVersion, type EtcdVersion } from '../rig/etcd.js';
import { atAnyTime, atPoint, FOLLOWERS } from './deaths.js';
import { Life } from './life.js';
import { Pool } from './mortal.js';
import { Random, SOAK } from './random.js';

/** Compared in the middle, too, after so many resumes. */
const COMPARED_EVERY = 40;
const COMPACTED_EVERY = 7;

interface Lot {
  version: EtcdVersion;
  /** How often each fail point has its turn; `make soak`: twelve times as often. */
  turns: number;
  /** How often it dies at any time. */
  anyTime: number;
}

const LOTS: Lot[] = [
  { version: '3.5.16', turns: 1, anyTime: 8 },
  { version: '3.5.16', turns: 1, anyTime: 6 },
  { version: '3.4.23', turns: 1, anyTime: 8 },
];

describe('the follower dies', () => {
  let pool: Pool;
  before(() => {
    pool = new Pool(3);
  });
  after(() => pool.end());

  let resumes = 0;

  async function liveAndDie(lot: Lot, random: Random, hits: Map<Failpoint, number>) {
    const turns = FOLLOWERS.flatMap((name) => Array.from({ length: lot.turns * SOAK }, () => name));
    const anyTime = Array.from({ length: lot.anyTime * SOAK }, () => undefined);
    const life = await Life.begin(pool, random, lot.version);
    try {
      for (const [i, name] of random.shuffled([...turns, ...anyTime]).entries()) {
        const doom = name ? atPoint(name, random) : atAnyTime(random);
        const hit = await life.resume(doom);
        if (name && hit) hits.set(name, (hits.get(name) ?? 0) + 1);
        resumes++;
        if (i % COMPACTED_EVERY === 0) await life.compact();
        if (i % COMPARED_EVERY === COMPARED_EVERY - 1) await life.endExact();
      }
      await life.endExact();
    } finally {
      await life.end();
    }
  }

  it('at every fail point and at any time, and the target ends as its source', async function () {
    const lots = LOTS.filter(({ version }) => haveVersion(version));
    if (lots.length === 0) this.skip();
    this.timeout(SOAK * 600_000);
    const hits = new Map<Failpoint, number>();
    await Random.together(lots.map((lot) => (random) => liveAndDie(lot, random, hits)));
    const killed = [...hits.values()].reduce((sum, n) => sum + n, 0);
    console.log(`      ${resumes} followers died, ${killed} of them at a fail point`);
    const missed = FOLLOWERS.filter((name) => !hits.has(name));
    expect(missed, 'fail points that were never met').to.deep.equal([]);
  });
});
