/**
 * A network that loses connections, answers and time, on either side, while large batches flow. Where
 * an answer is lost the write has happened all the same: the head would be off by one for good if it
 * were sent again.
 */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Mark } from './follower.js';
import { Scene } from './scene.js';
import { report, together } from './together.js';

type Which = 'source' | 'target';

const BUSY_MS = 30;
const NOTICED_WITHIN_MS = 20_000;
const GOES_ON_WITHIN_MS = 30_000;

/** So often, each time at another moment of what flows. */
async function often(times: number, once: (i: number) => Promise<void>): Promise<void> {
  for (let i = 0; i < times; i++) {
    await once(i);
    await sleep(70 + ((i * 53) % 170));
  }
}

/** Each trouble that began was told, and each that was told is over. */
function expectPaired({ follower }: Scene, since: Mark, begins: RegExp, ends: RegExp): void {
  const notes = follower.notes(since);
  const begun = notes.filter((note) => begins.test(note)).length;
  const ended = notes.filter((note) => ends.test(note)).length;
  expect(begun, notes.join('\n')).to.equal(ended).and.to.be.above(0);
}

const BEGINS: Record<Which, RegExp> = {
  source: /source .*trying again/,
  target: /target .*trying again/,
};
const ENDS: Record<Which, RegExp> = {
  source: /^the watch on the source goes on$/,
  target: /^the target (answers|takes writes) again$/,
};

async function cut(which: Which): Promise<void> {
  await Scene.with({}, async (scene) => {
    const cutNow = async () => {
      scene[which].proxy.cut();
      return Promise.resolve();
    };
    const mark = scene.follower.mark();
    // While nothing flows first; that the watch goes on is told with the next revision.
    await often(5, cutNow);
    await scene.exact();
    scene.writes.start();
    await often(50, cutNow);
    await scene.exact();
    expectPaired(scene, mark, BEGINS[which], ENDS[which]);
  });
}

async function dropped(which: Which): Promise<void> {
  await Scene.with({ everyMs: BUSY_MS }, async (scene) => {
    const { proxy } = scene[which];
    await often(25, async () => {
      proxy.dropAnswers(true);
      await sleep(60);
      proxy.dropAnswers(false);
    });
    await scene.exact();
  });
}

async function droppedForLong(which: Which): Promise<void> {
  await Scene.with({ everyMs: BUSY_MS }, async (scene) => {
    const { proxy } = scene[which];
    const mark = scene.follower.mark();
    proxy.dropAnswers(true);
    const { ms } = await scene.follower.until(
      'noticed',
      ({ state, trouble }) => state === `waiting for the ${which}` && trouble !== null,
      { since: mark, withinMs: NOTICED_WITHIN_MS },
    );
    await scene.follower.untilNote(BEGINS[which], mark);
    proxy.dropAnswers(false);
    report(`answers of the ${which} dropped: status after ${ms} ms`);
    await scene.exact();
    expectPaired(scene, mark, BEGINS[which], ENDS[which]);
  });
}

async function refused(which: Which): Promise<void> {
  await Scene.with({ everyMs: BUSY_MS }, async (scene) => {
    const { proxy } = scene[which];
    const { follower } = scene;
    const mark = follower.mark();
    proxy.refuse(true);
    proxy.cut();
    const { ms, status } = await follower.until(
      'noticed',
      ({ state }) => state === `waiting for the ${which}`,
      { since: mark, withinMs: NOTICED_WITHIN_MS },
    );
    expect(status.trouble?.code).to.equal('UNAVAILABLE');
    await sleep(4000);
    expect(follower.notes(mark).filter((note) => BEGINS[which].test(note))).to.have.lengthOf(1);
    proxy.refuse(false);
    report(`${which} refuses: status after ${ms} ms`);
    await scene.exact();
    expectPaired(scene, mark, BEGINS[which], ENDS[which]);
  });
}

async function delayed(which: Which): Promise<void> {
  await Scene.with({ everyMs: BUSY_MS }, async (scene) => {
    const mark = scene.follower.mark();
    for (const way of ['requests', 'answers'] as const) {
      scene[which].proxy.delay(300, way);
      await scene.goesOn(GOES_ON_WITHIN_MS);
      scene[which].proxy.delay(0);
    }
    await scene.exact();
    expect(scene.follower.notes(mark), 'slow is no trouble').to.deep.equal([]);
  });
}

describe('a network that does bad things', () => {
  const tests: Record<string, () => Promise<void>> = {};
  for (const which of ['source', 'target'] as const) {
    tests[`the ${which}'s connections cut 50 times, in mid message`] = () => cut(which);
    tests[`answers of the ${which} lost, 25 times`] = () => dropped(which);
    tests[`answers of the ${which} lost until it is noticed`] = () => droppedForLong(which);
    tests[`the ${which} refuses connections for a while`] = () => refused(which);
    tests[`requests, then answers of the ${which} come late`] = () => delayed(which);
  }
  together(tests, 4);
});
