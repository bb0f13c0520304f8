/**
 * A follower with --repair dies at each of its fail points, in the middle of a bridge over a gap and of
 * making its journal anew; the next one goes on, over another gap, and the target ends exact.
 */
import { expect } from 'chai';
import { rmSync } from 'node:fs';
import type { Failpoint } from '../../src/failpoint.js';
import type { Op } from '../oracle/history.js';
import { haveVersion, type EtcdVersion } from '../rig/etcd.js';
import { Life } from './life.js';
import { Pool } from './mortal.js';
import { Random, SOAK } from './random.js';

const BRIDGE: Failpoint[] = ['base.bridge.planned', 'base.bridge.declared', 'base.bridge.appended'];
const ADOPT: Failpoint[] = ['base.adopt.begin', 'base.adopt.removed', 'base.adopt.renamed'];
const ROUNDS = SOAK;
/** So many that a bridge is appended in more than one batch. */
const MANY: Op[] = Array.from({ length: 7 }, (_, key) => ({
  kind: 'put',
  key,
  size: 'megabyte',
  lease: false,
}));
const CHANGES: Op[] = [
  { kind: 'lease', keys: 6 },
  { kind: 'delete', key: 1 },
  { kind: 'put', key: 1, size: 'small', lease: false },
  { kind: 'foreign', count: 4 },
];

describe('a repair dies', function () {
  this.timeout(SOAK * 400_000);
  let pool: Pool;
  before(() => {
    pool = new Pool(2);
  });
  after(() => pool.end());

  async function dieAt(life: Life, name: Failpoint, passings: number): Promise<void> {
    const env = { LOCKSTEP_FAILPOINT: `${name}:${passings}` };
    const death = await life.sync(['--repair'], env);
    expect(death.signal, `${name}:${passings} was not met: ${death.stderr}`).to.equal('SIGKILL');
    await life.check();
  }

  async function dieAllAlong(version: EtcdVersion, random: Random): Promise<void> {
    const life = await Life.begin(pool, random, version);
    try {
      for (const name of random.shuffled([...BRIDGE, ...ADOPT])) {
        await life.writer.all([...CHANGES, ...MANY]);
        // A gap: nobody holds the source's compactions back.
        await life.compactAtHead();
        await life.writer.all(CHANGES);
        if (ADOPT.includes(name)) rmSync(life.journal, { recursive: true, force: true });
        await dieAt(life, name, 1);
        if (random.between(0, 1) === 0) {
          await life.writer.all(CHANGES);
          await life.compactAtHead();
        }
        const { code, stderr } = await life.sync(['--repair']);
        expect(code, stderr).to.equal(0);
        await life.endExact();
      }
    } finally {
      await life.end();
    }
  }

  it('at every fail point, and the target ends as its source', async function () {
    const versions = (['3.5.16', '3.4.23'] as const).filter(haveVersion);
    if (versions.length === 0) this.skip();
    for (let round = 0; round < ROUNDS; round++)
      await Random.together(versions.map((version) => (random) => dieAllAlong(version, random)));
  });
});
