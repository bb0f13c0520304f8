/** A source whose history is cut short, or is another one than it was. */
import { expect } from 'chai';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fingerprint } from '../cli/stage.js';
import { Etcd } from '../rig/etcd.js';
import { freePorts } from '../rig/ports.js';
import { Scene } from './scene.js';
import { report, together } from './together.js';

const NOTICED_WITHIN_MS = 20_000;
const POD = '/registry/pods/a';

async function reseed(scene: Scene, code: string): Promise<void> {
  const { exit, error, ms } = await scene.follower.stopped(NOTICED_WITHIN_MS);
  report(`${error.code} after ${ms} ms: ${error.message}`);
  expect(exit).to.equal('exit code 4');
  expect(error.code).to.equal(code);
  expect(error.hint).to.match(/seed again/i);
}

/** While the follower cannot reach the source, something becomes of that. */
async function meanwhile(scene: Scene, happens: () => Promise<void>): Promise<void> {
  await scene.exact();
  scene.source.proxy.refuse(true);
  scene.source.proxy.cut();
  await happens();
  scene.source.proxy.refuse(false);
}

interface Restored {
  /** Whether the backup has everything that was captured. */
  whole?: boolean;
  /** Another port for peers makes another cluster id. */
  otherCluster?: boolean;
  /** Whether it is written until its head is above the one that was captured. */
  written?: boolean;
}

/** The source is restored from a backup under the follower, which notices and changes nothing. */
async function restored({ whole, otherCluster, written }: Restored): Promise<void> {
  const [clientPort = 0, peerPort = 0, otherPort = 0] = await freePorts(3);
  await Scene.with({ source: { clientPort, peerPort } }, async (scene) => {
    const file = join(scene.dir, 'backup.db');
    const backup = () => scene.source.etcd.ctl('snapshot', 'save', file);
    if (whole !== true) await backup();
    await scene.writes.once();
    const captured = await scene.put(POD, 'captured last');
    if (whole === true) await backup();
    await scene.exact();
    const before = await fingerprint(scene.target.etcd);
    await meanwhile(scene, async () => {
      await scene.source.etcd.stop();
      const ports = { clientPort, peerPort: otherCluster === true ? otherPort : peerPort };
      const etcd = await Etcd.startFromSnapshot(file, ports);
      scene.source.replace(etcd);
      if (written === true)
        for (let i = await head(etcd); i < captured + 5; i++) await etcd.ctl('put', POD, `${i}`);
    });
    await reseed(scene, 'SOURCE_CHANGED');
    expect(await fingerprint(scene.target.etcd)).to.deep.equal(before);
  });
}

describe('a source that is compacted', () => {
  together({
    'at the position of a follower that is away, and at a deletion right behind it: goes on': () =>
      Scene.with({}, async (scene) => {
        await scene.put(POD);
        await scene.exact();
        const captured = scene.follower.statuses().at(-1)!.journalPosition;
        await scene.follower.stop();
        await scene.source.etcd.ctl('del', POD);
        await scene.writes.once();
        await scene.client.compact(captured);
        await scene.client.compact(captured + 1);
        await scene.follow();
        await scene.exact();
      }),

    'beyond what a follower has that cannot reach it: stops, nothing is changed': () =>
      Scene.with({}, async (scene) => {
        await scene.exact();
        const before = await fingerprint(scene.target.etcd);
        await meanwhile(scene, async () => {
          await scene.writes.once();
          await scene.client.compact(await scene.head('source'));
        });
        await reseed(scene, 'HISTORY_GAP');
        expect(await fingerprint(scene.target.etcd)).to.deep.equal(before);
      }),

    'again and again at what was captured last, while connections break': () =>
      Scene.with({ everyMs: 30 }, async (scene) => {
        const mark = scene.follower.mark();
        for (let time = 0; time < 25; time++) {
          await scene.client.compact(scene.follower.statuses().at(-1)!.journalPosition);
          (time % 2 === 0 ? scene.source : scene.target).proxy.cut();
          await sleep(250);
        }
        await scene.follower.until('compacted', (s) => s.compactRevision > 0, { since: mark });
        await scene.exact();
      }),
  });
});

describe('a source that was restored from a backup under a follower', () => {
  together({
    'as another cluster, with everything that was captured': () =>
      restored({ whole: true, otherCluster: true }),

    'as the same cluster: its head went back': () => restored({}),

    'as the same cluster, and written since: its head is where it was, its content is not': () =>
      restored({ written: true }),
  });
});

async function head(etcd: Etcd): Promise<number> {
  const { header } = JSON.parse(await etcd.ctl('get', 'x', '-w', 'json')) as {
    header: { revision: number };
  };
  return header.revision;
}
