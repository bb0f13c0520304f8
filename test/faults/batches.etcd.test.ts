/**
 * What can become of a message of proposals: the sender is told 204, and it is lost, cut, swapped, late or
 * doubled, or its sender is dead. Each revision has its effect once all the same.
 */
import { expect } from 'chai';
import { versions, type EtcdVersion } from '../rig/etcd.js';
import { entriesOf, firstOf, HONEST, type Pass, type Rule } from '../rig/peerproxy.js';
import { burst, burstsUntil, byProposals } from './proposing.js';
import { Scene } from './scene.js';
import { together } from './together.js';

const BUSY_MS = 20;
/** Everything on every version; else what is done to messages on two, and all of it on one. */
const SOAK = process.env['SOAK'] !== undefined;
const ONE: EtcdVersion = '3.5.16';
/** Which takes proposals as the one before. */
const NEWEST: EtcdVersion = '3.5.30';

/** What is done to a message of several entries, or from it on. */
const HARMS: Record<string, () => Rule> = {
  lost: () => () => Promise.resolve(),
  'cut in the middle': () => (message, pass) => pass(firstOf(message, 0.5)),
  doubled: () => async (message, pass) => {
    await pass(message);
    await pass(message);
  },
  swapped: () => {
    let kept: Buffer | undefined;
    return async (message, pass) => {
      if (!kept) kept = message;
      else {
        await pass(message);
        await pass(kept);
      }
    };
  },
  'without an answer': () => async (message, pass) => {
    await pass(message);
    throw new Error('no answer');
  },
};
const SWAPPED_MESSAGES = 2;

/** The source is written until that has been done, and everything is right behind it. */
async function suffers(scene: Scene, harm: Rule): Promise<void> {
  const { peerProxy } = scene.target;
  scene.writes.start();
  await byProposals(scene);
  let harmed = 0;
  peerProxy.rule = async (message, pass) => {
    const spared = entriesOf(message) < 2 || harmed >= SWAPPED_MESSAGES;
    if (!spared) harmed++;
    await (spared ? pass(message) : harm(message, pass));
  };
  await burstsUntil(scene, () => harmed >= SWAPPED_MESSAGES);
  peerProxy.rule = HONEST;
  await scene.exact();
}

/** Kept back: the rule, and what gives it on. */
function keeper(): { rule: Rule; kept: () => boolean; giveOn: () => Promise<void> } {
  let late: { message: Buffer; pass: Pass } | undefined;
  return {
    rule: async (message, pass) => {
      if (late || entriesOf(message) < 2) return pass(message);
      late = { message, pass };
      // The sender is never told.
      return new Promise(() => undefined);
    },
    kept: () => late !== undefined,
    giveOn: async () => late?.pass(late.message),
  };
}

/** The follower dies while a message is on its way. @returns what gives the message on */
async function diesBehindAMessage(scene: Scene): Promise<() => Promise<void>> {
  await byProposals(scene);
  const { rule, kept, giveOn } = keeper();
  scene.target.peerProxy.rule = rule;
  await burstsUntil(scene, kept);
  await scene.follower.kill();
  await burst(scene);
  return giveOn;
}

function on(version: EtcdVersion): Record<string, () => Promise<void>> {
  const options = { version, everyMs: BUSY_MS, peers: true };
  const harmed = {
    [`is ${Object.keys(HARMS).join(', ')} (etcd ${version})`]: () =>
      Scene.with(options, async (scene) => {
        for (const harm of Object.values(HARMS)) await suffers(scene, harm());
      }),
  };
  if (!SOAK && version !== ONE) return harmed;
  return {
    ...harmed,
    [`comes when its sender is dead and the next one has begun: nothing happens (etcd ${version})`]:
      () =>
        Scene.with(options, async (scene) => {
          const giveOn = await diesBehindAMessage(scene);
          await scene.follow();
          await scene.exact();
          const before = await scene.head('target');
          await giveOn();
          expect(await scene.head('target')).to.equal(before);
          await scene.equal();
          scene.writes.start();
          await scene.exact();
        }),

    [`comes when its sender is dead and nobody has begun: it counts (etcd ${version})`]: () =>
      Scene.with(options, async (scene) => {
        const giveOn = await diesBehindAMessage(scene);
        const before = await scene.head('target');
        await giveOn();
        expect(await scene.head('target')).to.be.above(before);
        await scene.follow();
        await scene.exact();
      }),
  };
}

describe('a message of proposals', () => {
  const some = versions().filter((version) => SOAK || version !== NEWEST);
  const tests = some.map(on);
  together(Object.assign({}, ...tests) as Record<string, () => Promise<void>>, 5);
});
