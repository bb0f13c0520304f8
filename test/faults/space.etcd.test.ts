/** A target that is too small: for the data, or for one request. Nothing is lost while somebody mends it. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { fingerprint } from '../cli/stage.js';
import { Scene } from './scene.js';
import { together } from './together.js';

const SMALL = '--quota-backend-bytes=16777216';
const LARGE = '--quota-backend-bytes=268435456';
const LARGE_REQUESTS = '--max-request-bytes=10485760';
const POD = '/registry/pods/large';

/** Fills the target until it says that it is full; the source is idle then. */
async function fill(scene: Scene): Promise<void> {
  const { follower, writes } = scene;
  const mark = follower.mark();
  const { status } = await follower.until('full', ({ trouble }) => trouble?.code === 'NO_SPACE');
  expect(status.state).to.equal('waiting for the target');
  // The capture does not care.
  const goal = await writes.another();
  await follower.until('captured', ({ journalPosition }) => journalPosition >= goal);
  await writes.pause();
  await sleep(4000);
  const last = follower.statuses().at(-1)!;
  expect(last).to.deep.include({ state: 'waiting for the target' });
  expect(last.trouble?.code).to.equal('NO_SPACE');
  const told = follower.notes(mark).filter((note) => note.includes('database space exceeded'));
  expect(told, told.join('\n')).to.have.lengthOf(1);
  expect(told[0]).to.match(/alarm disarm.*--quota-backend-bytes/);
}

describe('a target that is too small', () => {
  together({
    'is full; the source is compacted, so the target is, then defragmented and disarmed': () =>
      Scene.with({ target: { args: [SMALL] }, everyMs: 10 }, async (scene) => {
        await fill(scene);
        const { follower, client, target } = scene;
        const { position } = follower.statuses().at(-1)!;
        const mark = follower.mark();
        await client.compact(position!);
        await follower.until('compacted', (s) => s.compactRevision === position);
        await target.etcd.ctl('defrag');
        await target.etcd.ctl('alarm', 'disarm');
        await follower.untilNote(/^the target takes writes again$/, mark);
        await scene.exact();
      }),

    'is full; started again with a larger quota and disarmed': () =>
      Scene.with({ target: { args: [SMALL] }, everyMs: 10 }, async (scene) => {
        await fill(scene);
        const mark = scene.follower.mark();
        await scene.target.restartWith(LARGE);
        await scene.target.etcd.ctl('alarm', 'disarm');
        await scene.follower.untilNote(/^the target (takes writes|answers) again$/, mark);
        scene.writes.start();
        await scene.writes.another();
        await scene.exact();
      }),

    'does not take a request: says which flag, and goes on when it is set': () =>
      Scene.with({ source: { args: [LARGE_REQUESTS] } }, async (scene) => {
        const { target } = scene;
        const before = await fingerprint(target.etcd);
        const put = await scene.put(POD, Buffer.alloc(3_000_000, 'x'));
        for (let time = 0; time < 2; time++) {
          const { exit, error } = await scene.follower.stopped();
          expect(exit).to.equal('exit code 5');
          expect(error.code).to.equal('REQUEST_TOO_LARGE');
          expect(error.hint).to.contain('--max-request-bytes');
          expect(await fingerprint(target.etcd)).to.deep.equal(before);
          expect(await scene.head('target')).to.equal(put - 1);
          if (time === 0) scene.launch();
        }
        await target.restartWith(LARGE_REQUESTS);
        await scene.follow();
        await scene.exact();
      }),
  });
});
