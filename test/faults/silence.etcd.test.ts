/**
 * A network, or an etcd, that goes silent without closing anything. Nothing tells that from an idle
 * one but the time, so each side is noticed within a bound, whether it is busy or not.
 */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Mark, Status } from './follower.js';
import { Scene } from './scene.js';
import { report, together } from './together.js';

/** Nothing may be silent for longer without being told. */
const NOTICED_WITHIN_MS = 20_000;
/** And it goes on so soon after it is over. */
const OVER_WITHIN_MS = 20_000;
/** Long enough to be told again, if it were. */
const MORE_MS = 4000;
/** Between two operations of the writer: what piles up in a silence is made up for soon. */
const BUSY_MS = 50;

type Which = 'source' | 'target';

/** Expects that the silence is noticed, told once, and over when it is over. */
export async function silence(
  scene: Scene,
  which: Which,
  begin: () => void,
  end: () => void,
): Promise<void> {
  const { follower } = scene;
  const mark = follower.mark();
  begin();
  const noticed = await follower.until('noticed', waits(which), {
    since: mark,
    withinMs: NOTICED_WITHIN_MS,
  });
  const toldMs = await follower.untilNote(trying(which), mark);
  expect(toldMs).to.be.at.most(NOTICED_WITHIN_MS);
  await sleep(MORE_MS);
  const last = follower.statuses(mark).at(-1)!;
  expect(last.state, follower.tail()).to.equal(`waiting for the ${which}`);
  expect(last.trouble?.code).to.equal('UNAVAILABLE');
  expectToldOnce(scene, which, mark);
  if (which === 'target') {
    const first = follower.statuses(mark)[0]!;
    if (scene.writes.done > 0) expect(last.journalPosition).to.be.above(first.journalPosition);
  }
  const over = follower.mark();
  end();
  const { ms: overMs } = await follower.until(
    'over',
    ({ state, trouble }) => !state.startsWith('waiting') && trouble === null,
    { since: over, withinMs: OVER_WITHIN_MS },
  );
  report(`${which}: status ${noticed.ms} ms, note ${toldMs} ms, over ${overMs} ms`);
  await scene.exact();
}

function waits(which: Which): (status: Status) => boolean {
  return ({ state, trouble }) => state === `waiting for the ${which}` && trouble !== null;
}

function trying(which: Which): RegExp {
  return new RegExp(`^(the )?${which} .*trying again`);
}

function expectToldOnce({ follower }: Scene, which: Which, since: Mark): void {
  const told = follower.notes(since).filter((note) => trying(which).test(note));
  expect(told, told.join('\n')).to.have.lengthOf(1);
}

describe('a silence is noticed, told once, and costs nothing', () => {
  const tests: Record<string, () => Promise<void>> = {};
  for (const which of ['source', 'target'] as const) {
    for (const everyMs of [undefined, BUSY_MS]) {
      const kind = everyMs === undefined ? 'idle' : 'busy';
      tests[`of the network before the ${which}, the source being ${kind}`] = () =>
        Scene.with(everyMs === undefined ? {} : { everyMs }, async (scene) => {
          const { proxy } = scene[which];
          await silence(
            scene,
            which,
            () => {
              proxy.stall(true);
            },
            () => {
              proxy.stall(false);
            },
          );
        });
    }
    tests[`of the ${which}'s process, stopped and resumed`] = () =>
      Scene.with({ everyMs: BUSY_MS }, async (scene) => {
        const { etcd } = scene[which];
        await silence(
          scene,
          which,
          () => {
            etcd.pause();
          },
          () => {
            etcd.resume();
          },
        );
      });
  }
  together(tests, 6);
});
