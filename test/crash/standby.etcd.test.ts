/**
 * Two followers that stand by for each other, and what can happen to the one that writes, in turns, while the
 * source is written: killed, stopped for a while, cut off from one of the two etcds. After each turn one of
 * them writes and the other one stands by; in the end the target has the source's rows at the source's
 * revisions, whoever has written them.
 */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { Duo, type Partner } from '../faults/duo.js';
import type { By } from '../oracle/lockstep.js';
import { Random } from './random.js';

const BUSY_MS = 20;
const TURNS = process.env['SOAK'] === undefined ? 3 : 100;
const COMPARED_EVERY = 20;

type Turn = (duo: Duo, active: Partner, random: Random) => Promise<void>;

/** Waits until the other one writes, does what ends its trouble, and waits until it has seen that. */
async function relieved(duo: Duo, active: Partner, mend: () => void): Promise<void> {
  await duo.other(active).until('active', ({ standby }) => standby?.active === true);
  await duo.goesOn();
  mend();
  await active.until('standby', ({ state }) => state === 'standby');
}

const TURNS_OF: Record<string, Turn> = {
  'the active one is killed': async (duo, active) => {
    await active.kill();
    await duo.other(active).until('active', ({ standby }) => standby?.active === true);
    await duo.goesOn();
    active.launch();
  },
  'the active one is stopped, and goes on': async (duo, active) => {
    active.signal('SIGSTOP');
    await relieved(duo, active, () => {
      active.signal('SIGCONT');
    });
  },
  'the active one is cut off from the target': async (duo, active) => {
    active.cut('target');
    await relieved(duo, active, () => {
      active.mend();
    });
  },
  'the active one is cut off from the source': async (duo, active) => {
    active.cut('source');
    await relieved(duo, active, () => {
      active.mend();
    });
  },
  'what the target answers the active one is lost': async (duo, active) => {
    active.target.dropAnswers(true);
    await relieved(duo, active, () => {
      active.mend();
    });
  },
  'the active one is killed when the other one has just been': async (duo, active, random) => {
    await duo.other(active).kill();
    duo.other(active).launch();
    await sleep(random.between(0, 1500));
    await active.kill();
    active.launch();
  },
};
const NAMES = Object.keys(TURNS_OF);

/** Each of them before any comes twice. */
function drawn(random: Random): string[] {
  const rounds = Math.ceil(TURNS / NAMES.length);
  return Array.from({ length: rounds }, () => random.shuffled(NAMES))
    .flat()
    .slice(0, TURNS);
}

async function liveThrough(by: By, random: Random): Promise<void> {
  await Duo.with({ by, everyMs: BUSY_MS }, async (duo) => {
    for (const one of duo.both) one.launch();
    for (const [i, name] of drawn(random).entries()) {
      const active = await duo.settled();
      await TURNS_OF[name]?.(duo, active, random).catch((cause: unknown) => {
        throw new Error(`by ${by}, turn ${i + 1}, ${name}:\n${String(cause)}`, { cause });
      });
      await duo.settled();
      await duo.goesOn();
      await duo.compact();
      if (i % COMPARED_EVERY !== COMPARED_EVERY - 1) continue;
      await duo.exact();
      duo.writes.start();
    }
    await duo.exact();
    expect(duo.both.map(({ running }) => running.running())).to.deep.equal([true, true]);
  });
}

describe('two followers that stand by for each other', () => {
  it(`${TURNS} turns by each way: whatever happens to them, the target ends as its source`, async function () {
    this.timeout(240_000 + TURNS * 60_000);
    const ways: By[] = ['transactions', 'proposals'];
    await Random.together(ways.map((by) => (random) => liveThrough(by, random)));
  });
});
