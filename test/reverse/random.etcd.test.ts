/**
 * Everything at once, at random: the target is written and compacted, connections break on both sides, a
 * reverse ends in the middle and another one goes on, or dies with its process. In the end both sides are
 * equal, and whatever was changed lies on the source above its revision on the target.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { LockstepError } from '../../src/errors.js';
import { reverse as contract } from '../cli/contract.js';
import { whole } from '../cli/run.js';
import { Random, SOAK } from '../crash/random.js';
import { Pool } from '../crash/mortal.js';
import { del, put, PREFIX, ReversePair, type RunningReverse } from './pair.js';

const KEYS = 30;
const LASTS_MS = 3000 * SOAK;

async function write(pair: ReversePair, random: Random, until: number): Promise<void> {
  const name = () => `k${random.between(0, KEYS - 1)}`;
  for (let n = 0; Date.now() < until; n++) {
    const names = new Set(Array.from({ length: random.between(1, 3) }, name));
    await pair.write(
      'target',
      ...[...names].map((key) => (random.between(0, 3) === 0 ? del(key) : put(key, `${n}`))),
    );
    if (random.between(0, 29) === 0) await pair.loseHistory('target');
    if (random.between(0, 4) === 0) await pair.foreign('source');
    if (random.between(0, 2) === 0) await sleep(random.between(0, 15));
  }
}

/** One that could not even begin is no fault. */
async function end(running: RunningReverse): Promise<void> {
  await running.stop().catch((error: unknown) => {
    if (!(error instanceof LockstepError && error.disposition === 'retry')) throw error;
  });
  expect(running.alarms).to.deep.equal([]);
}

describe('reverses come and go while everything breaks', () => {
  it('and the source ends as the target, above it', async function () {
    this.timeout(120_000 + 2 * LASTS_MS);
    await Random.alone(async (random) => {
      const pair = await ReversePair.start(KEYS);
      try {
        await pair.cutOver();
        const until = Date.now() + LASTS_MS;
        const writing = write(pair, random, until);
        while (Date.now() < until) {
          const running = pair.running();
          for (let i = random.between(0, 3); i > 0; i--) {
            await sleep(random.between(0, 300));
            const proxy = pair.proxies[random.pick(['source', 'target'] as const)];
            const how = random.pick(['cut', 'dropAnswers', 'stall'] as const);
            if (how === 'cut') proxy.cut();
            else {
              proxy[how](true);
              await sleep(random.between(0, 200));
              proxy[how](false);
            }
          }
          await end(running);
        }
        await writing;
        const last = pair.running();
        await last.caughtUp();
        await end(last);
        await pair.expectBrought();
      } finally {
        await pair.end();
      }
    });
  });
});

describe("a reverse's process dies", () => {
  it('before, while and after it has sent: the next one goes on, and nothing is written twice', async () => {
    const pool = new Pool(1);
    const pair = await ReversePair.start(3);
    try {
      await pair.cutOver();
      for (let i = 0; i < 12; i++) await pair.write('target', put(`k${i % 3}`, `again ${i}`));
      await pair.write('target', put('new', 'new'), del('k0'));
      const args = [
        ...['follow', '--reverse', '--yes', '-w', 'json'],
        ...['--endpoints', pair.etcds.source.endpoint],
        ...['--dest-endpoints', pair.etcds.target.endpoint],
      ];
      for (const spell of ['mirror.copy.claimed', 'mirror.copy.answer:4', 'mirror.copy.send:5:1']) {
        const { signal, stdout, stderr } = await pool.run(args, { LOCKSTEP_FAILPOINT: spell });
        expect(signal, `${spell}: ${stderr}`).to.equal('SIGKILL');
        for (const line of whole(stdout)) contract.parse(line);
      }
      const running = pair.running();
      await running.caughtUp();
      await running.stop();
      expect(running.alarms).to.deep.equal([]);
      await pair.expectBrought();
      const [there, here] = [await pair.held('source'), await pair.held('target')];
      for (const [key, { version }] of here) expect(there.get(key)?.version, key).to.equal(version);
      expect(there.has(`${PREFIX}k0`)).to.equal(false);
    } finally {
      await pair.end();
      await pool.end();
    }
  });
});
