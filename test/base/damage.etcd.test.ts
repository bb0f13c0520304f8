/** A byte of a base that has changed, or an end that is missing, is found: by us and by etcd's own restore. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { SnapshotFile } from '../../src/base/snapshot.js';
import { hasCode } from '../../src/errors.js';
import { PODS, Stage } from '../cli/stage.js';
import { cleanEnv } from '../rig/binaries.js';
import { binaries } from '../rig/etcd.js';

const FLIPS = 300;
const RESTORES = 4;

describe('a damaged base', () => {
  let stage: Stage;
  let whole: Buffer;
  let damaged: string;

  before(async () => {
    stage = await Stage.start();
    for (let i = 0; i < 40; i++) await stage.put(`${PODS}${i % 9}`, 'x'.repeat(700 + i));
    whole = readFileSync((await stage.seed()).base);
    damaged = join(stage.dir, 'damaged.db');
  });
  after(() => stage.end());

  const flip = fc.record({ at: fc.nat(), bit: fc.nat(7) });

  function damage({ at, bit }: { at: number; bit: number }): void {
    const copy = Buffer.from(whole);
    copy[at % copy.length]! ^= 1 << bit;
    writeFileSync(damaged, copy);
  }

  it('is never taken for whole, whichever bit was flipped', async () => {
    await fc.assert(
      fc.asyncProperty(flip, async (place) => {
        damage(place);
        await refused();
      }),
      { numRuns: FLIPS },
    );
  });

  it('is never taken for whole, wherever it was cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), async (length) => {
        writeFileSync(damaged, whole.subarray(0, length));
        await refused();
      }),
      { numRuns: FLIPS },
    );
  });

  it('is not restored by etcd', () => {
    for (const [i, place] of fc.sample(flip, RESTORES).entries()) {
      damage(place);
      const data = join(stage.dir, `restored-${i}`);
      const { etcdutl, etcdctl } = binaries();
      const args = ['snapshot', 'restore', damaged, '--data-dir', data];
      expect(() =>
        execFileSync(etcdutl ?? etcdctl, args, { env: cleanEnv(), stdio: 'ignore' }),
      ).to.throw();
      expect(existsSync(join(data, 'member', 'wal'))).to.equal(false);
    }
  });

  async function refused(): Promise<void> {
    try {
      (await SnapshotFile.open(damaged)).close();
    } catch (error) {
      if (hasCode(error, 'SNAPSHOT_DAMAGED', 'SNAPSHOT_NO_CHECKSUM', 'NO_SNAPSHOT')) return;
      throw error;
    }
    throw new Error('it was taken for whole');
  }
});
