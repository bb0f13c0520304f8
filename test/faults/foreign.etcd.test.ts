/** Somebody else writes to the target; test/refusals/live.etcd.test.ts has the plain case. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { fingerprint } from '../cli/stage.js';
import { Scene } from './scene.js';
import { report, together } from './together.js';

const NOTICED_WITHIN_MS = 10_000;

async function stops(scene: Scene): Promise<void> {
  const { exit, error, ms } = await scene.follower.stopped(NOTICED_WITHIN_MS);
  report(`noticed after ${ms} ms: ${error.code}`);
  expect(exit).to.equal('exit code 5');
  expect(error.code).to.be.oneOf(['TARGET_FOREIGN_WRITE', 'TARGET_HEAD_OFF']);
  expect(error.hint).to.contain('new seed');
}

describe('somebody else writes to the target', () => {
  together({
    'while nobody writes to the source: noticed, and nothing more is changed': () =>
      Scene.with({}, async (scene) => {
        await scene.target.etcd.ctl('put', 'compact_rev_key', '1');
        const before = await fingerprint(scene.target.etcd);
        await stops(scene);
        expect(await fingerprint(scene.target.etcd)).to.deep.equal(before);
      }),

    'in the middle of a gap of fillers': () =>
      Scene.with({}, async (scene) => {
        const over = new AbortController();
        const foreign = (async () => {
          while (!over.signal.aborted)
            await Promise.all([1, 2, 3, 4].map(() => scene.put('/registry/events/e')));
        })();
        await scene.follower.until('filling', ({ fillers }) => fillers > 50);
        await scene.target.etcd.ctl('put', '/registry/pods/theirs', 'v');
        try {
          await stops(scene);
          const before = await fingerprint(scene.target.etcd);
          await sleep(500);
          expect(await fingerprint(scene.target.etcd)).to.deep.equal(before);
        } finally {
          over.abort();
          await foreign;
        }
      }),

    'to a slot, as if it were a filler, where the source has a record: the next follower sees it':
      () =>
        Scene.with({}, async (scene) => {
          await scene.exact();
          await scene.follower.stop();
          const left = await scene.put('/registry/pods/left-out');
          await scene.target.etcd.ctl('put', 'etcd-lockstep/slot/07', '');
          expect(await scene.head('target')).to.equal(left);
          scene.launch();
          await stops(scene);
        }),

    'and deletes what was written: each write counts': () =>
      Scene.with({ everyMs: 50 }, async (scene) => {
        await scene.target.etcd.ctl('put', 'theirs', 'v');
        await scene.target.etcd.ctl('del', 'theirs');
        await stops(scene);
      }),
  });
});
