/**
 * The end of the journal's log is lost, as after a power cut: it was never fsynced. What the target has
 * does not depend on it. The follower reads the lost part from the source again; where the source
 * has compacted that away it says so and leaves the target as it is, and --repair goes on.
 */
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { fingerprint } from '../cli/stage.js';
import { haveVersion, type EtcdVersion } from '../rig/etcd.js';
import { atAnyTime, atPoint } from './deaths.js';
import { Life } from './life.js';
import { Pool } from './mortal.js';
import { Random, SOAK } from './random.js';

const CUTS = 5 * SOAK;
/** The target is ahead of a journal that is cut there. */
const ENDS = [
  'target.data.answer',
  'target.filler.answer',
  'journal.append.done',
  'lockstep.compactions.done',
] as const;

describe('the end of the journal is lost', function () {
  this.timeout(SOAK * 400_000);
  let pool: Pool;
  before(() => {
    pool = new Pool(2);
  });
  after(() => pool.end());

  /** @returns whether the source could not give it back */
  async function cutAndGoOn(life: Life, random: Random): Promise<boolean> {
    const log = newestLog(life.journal);
    truncateSync(log, random.between(0, 2) === 0 ? 0 : random.between(0, statSync(log).size));
    if (random.between(0, 2) === 0) await life.compact(100);
    // Else the target stands where the source does, and the journal is asked for nothing.
    await life.writer.apply({ kind: 'put', key: 0, size: 'small', lease: false });
    const before = await fingerprint(life.target);
    const { code, ...said } = await life.sync();
    if (code !== 0) {
      if (!said.stderr.includes('"HISTORY_GAP"'))
        throw new Error(`not the error that it should be: ${said.stderr}`);
      expect(await fingerprint(life.target)).to.deep.equal(before);
      const repaired = await life.sync(['--repair']);
      expect(repaired.code, repaired.stderr).to.equal(0);
    }
    await life.endExact();
    return code !== 0;
  }

  async function loseAndLive(version: EtcdVersion, random: Random): Promise<void> {
    const life = await Life.begin(pool, random, version);
    let gone = 0;
    try {
      // The base was fsynced. When the journal is opened again it goes into a table.
      await life.endExact();
      for (let cut = 0; cut < CUTS; cut++) {
        await life.resume(
          random.between(0, 3) ? atPoint(random.pick(ENDS), random) : atAnyTime(random),
        );
        if (await cutAndGoOn(life, random)) gone++;
      }
      expect(gone, 'cuts of which some can be mended').to.be.below(CUTS);
    } finally {
      await life.end();
    }
  }

  it('and the follower goes on exactly, or changes nothing', async function () {
    const versions = (['3.5.16', '3.4.23'] as const).filter(haveVersion);
    if (versions.length === 0) this.skip();
    await Random.together(versions.map((version) => (random) => loseAndLive(version, random)));
  });
});

/** What was written since the journal was opened is in this file alone. */
function newestLog(journal: string): string {
  const logs = readdirSync(journal).filter((name) => /^\d+\.log$/.test(name));
  return join(journal, logs.sort((a, b) => parseInt(a) - parseInt(b)).at(-1)!);
}
