/** Etcds of one member that are killed and come back on their data. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { Scene } from './scene.js';
import { together } from './together.js';

describe('an etcd that is killed and comes back', () => {
  together({
    'the target, in the middle of gaps of fillers': () =>
      Scene.with({}, async (scene) => {
        const { follower, target } = scene;
        const mark = follower.mark();
        for (let time = 0; time < 4; time++) {
          const burst = Promise.all(
            Array.from({ length: 8 }, async (_, i) => {
              for (let n = 0; n < 60; n++) await scene.put(`/registry/events/${i}`);
            }),
          );
          const before = follower.statuses().at(-1)!.position!;
          while ((await scene.head('target')) < before + 20 + time * 40) await sleep(1);
          await target.etcd.kill();
          await burst;
          await scene.put('/registry/pods/a', `${time}`);
          await target.etcd.restart();
        }
        await scene.exact();
        expect(follower.notes(mark)).to.include('the target answers again');
      }),

    'the source, while it is written': () =>
      Scene.with({ everyMs: 30 }, async (scene) => {
        const mark = scene.follower.mark();
        for (let time = 0; time < 3; time++) {
          await scene.source.etcd.kill();
          await sleep(time * 400);
          await scene.source.etcd.restart();
          await scene.goesOn(20_000);
        }
        await scene.exact();
        expect(scene.follower.notes(mark)).to.include('the watch on the source goes on');
      }),

    'both at the same time': () =>
      Scene.with({ everyMs: 30 }, async (scene) => {
        const both = [scene.source.etcd, scene.target.etcd];
        await Promise.all(both.map((etcd) => etcd.kill()));
        await Promise.all(both.map((etcd) => etcd.restart()));
        await scene.goesOn(20_000);
        await scene.exact();
      }),
  });
});
