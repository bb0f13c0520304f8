/** An old server on both sides, whose watch is not to be believed, under the same faults. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { haveVersion } from '../rig/etcd.js';
import { Scene } from './scene.js';

const OLD = '3.4.23';

describe(`etcd ${OLD} on both sides`, () => {
  let scene: Scene;
  before(async function () {
    if (!haveVersion(OLD)) this.skip();
    scene = await Scene.start({ version: OLD, everyMs: 40 });
  });
  after(() => scene.remove());
  beforeEach(() => {
    scene.writes.start();
  });

  it('cuts of both sides, with compactions at what was captured', async () => {
    for (let time = 0; time < 24; time++) {
      const { proxy } = time % 3 === 0 ? scene.target : scene.source;
      proxy.cut();
      await sleep(150);
      // Its watch loses a deletion at the compact revision, so that is refused where it may matter.
      const captured = scene.follower.statuses().at(-1)!.journalPosition;
      if (time % 4 === 0) await scene.client.compact(captured - 1);
    }
    await scene.exact();
  });

  it('restarts of both sides', async () => {
    for (const which of ['source', 'target', 'source'] as const) {
      await scene[which].etcd.kill();
      await scene[which].etcd.restart();
      await scene.goesOn(20_000);
    }
    await scene.exact();
  });

  it('answers of both sides lost', async () => {
    for (let time = 0; time < 12; time++) {
      const { proxy } = time % 2 === 0 ? scene.target : scene.source;
      proxy.dropAnswers(true);
      await sleep(80);
      proxy.dropAnswers(false);
      await sleep(120);
    }
    await scene.exact();
  });

  it('it was said once that the whole key space is watched', () => {
    const told = scene.follower.notes().filter((note) => note.includes('whole key space'));
    expect(told).to.have.lengthOf(1);
  });
});
