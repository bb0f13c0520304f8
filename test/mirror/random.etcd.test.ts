/**
 * Everything at once, at random: the source is written and compacted, connections break on both sides,
 * mirrors end in the middle and others go on. In the end both sides are equal, with every deletion.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { LockstepError } from '../../src/errors.js';
import { KeyMap } from '../../src/mirror/keymap.js';
import { Random, SOAK } from '../crash/random.js';
import { FaultProxy } from '../rig/proxy.js';
import { del, Pair, put, type Running } from './pair.js';

const KEYS = 2000;
const LASTS_MS = 3500 * SOAK;
const MAP = new KeyMap('/s/', '/t/');

async function write(pair: Pair, random: Random, until: number): Promise<void> {
  const name = () => `/s/${String(random.between(0, KEYS - 1)).padStart(6, '0')}`;
  for (let n = 0; Date.now() < until; n++) {
    const names = new Set(Array.from({ length: random.between(1, 8) }, name));
    const ops = [...names].map((k) => (random.between(0, 3) === 0 ? del(k) : put(k, `${n}`)));
    await pair.write(...ops);
    if (random.between(0, 19) === 0) await pair.loseHistory();
    if (random.between(0, 2) === 0) await sleep(random.between(0, 15));
  }
}

async function disturb(proxy: FaultProxy, random: Random): Promise<void> {
  const how = random.pick(['cut', 'dropAnswers', 'refuse', 'stall'] as const);
  if (how === 'cut') {
    proxy.cut();
    return;
  }
  proxy[how](true);
  if (how === 'refuse') proxy.cut();
  await sleep(random.between(0, 250));
  proxy[how](false);
}

/** One that could not even begin is no fault. */
async function end(running: Running): Promise<void> {
  await running.stop().catch((error: unknown) => {
    if (!(error instanceof LockstepError && error.disposition === 'retry')) throw error;
  });
}

describe('mirrors come and go while everything breaks', () => {
  it('and both sides end equal', async function () {
    this.timeout(60_000 + 2 * LASTS_MS);
    await Random.alone(async (random) => {
      const pair = await Pair.start();
      const at = ({ clientPort: port }: Pair['source']) =>
        FaultProxy.start({ host: '127.0.0.1', port });
      const [source, target] = [await at(pair.source), await at(pair.target)];
      const ends = { source: source.endpoint, target: target.endpoint };
      try {
        await pair.fill('/s/', KEYS);
        const until = Date.now() + LASTS_MS;
        const writing = write(pair, random, until);
        while (Date.now() < until) {
          const running = pair.running(MAP, ends);
          for (let i = random.between(0, 4); i > 0; i--) {
            await sleep(random.between(0, 200));
            await disturb(random.pick([source, target]), random);
          }
          await end(running);
        }
        await writing;
        await pair.sync(MAP);
        await pair.expectEqual(MAP);
      } finally {
        await Promise.all([source.close(), target.close()]);
        await pair.end();
      }
    });
  });
});
