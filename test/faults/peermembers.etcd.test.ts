/** Proposals to a target of three members: through any of them, and whatever happens to that one or its leader. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { EtcdClient } from '../../src/wire/client.js';
import { haveVersion, versions, type Etcd, type EtcdVersion } from '../rig/etcd.js';
import { burst, byProposals } from './proposing.js';
import { Scene } from './scene.js';
import { report, together } from './together.js';

/** On every version; else on one. */
const SOAK = process.env['SOAK'] !== undefined;
const BUSY_MS = 30;
const BACKLOG = 3000;
/** Far above what was ever seen here; a member that waits for thousands of entries is far above this. */
const SLOWEST_READ_MS = 2000;

/** A new follower, by proposals through these members, none of which has this name in the list. */
async function followThrough(scene: Scene, ...members: Etcd[]): Promise<void> {
  const { target, follower } = scene;
  await follower.stop();
  const urls = members.map((member) => target.peerProxies[target.members.indexOf(member)]!.url);
  scene.launch({ flags: ['--dest-peers', urls.join(',')] });
  scene.writes.start();
  await byProposals(scene);
}

/** While it is written at full speed. */
async function inTheMiddle(scene: Scene, fault: () => Promise<unknown>): Promise<void> {
  const mark = scene.follower.mark();
  const writing = burst(scene, 600);
  await scene.follower.until('written', ({ lagRevisions }) => lagRevisions !== null, {
    since: mark,
  });
  await fault();
  await writing;
  await byProposals(scene);
}

/** The slowest of linearizable reads, one after the other, until the target has the backlog. */
async function slowestRead(scene: Scene, member: Etcd): Promise<number> {
  const client = new EtcdClient(member.endpoint, 'target');
  let slowest = 0;
  try {
    const goal = await scene.head('source');
    for (let head = 0; head < goal;) {
      const asked = performance.now();
      head = (await client.head()).revision;
      slowest = Math.max(slowest, performance.now() - asked);
      await sleep(2);
    }
  } finally {
    client.close();
  }
  return slowest;
}

async function live(scene: Scene, version: EtcdVersion): Promise<void> {
  const { cluster, members } = scene.target;
  const leader = () => cluster!.leader();
  const followers = () => cluster!.followers();

  await followThrough(scene, await leader());
  await burst(scene);
  await scene.exact();

  const [through] = await followers();
  await followThrough(scene, through!);
  await burst(scene);
  await inTheMiddle(scene, async () => cluster!.moveLeader((await followers())[0]!));
  await scene.exact();

  await followThrough(scene, ...members);
  const killed = await leader();
  await inTheMiddle(scene, () => killed.kill());
  await killed.restart();
  await scene.exact();

  scene.writes.start();
  const where = await byProposals(scene);
  const at = scene.target.peerProxies.findIndex(({ url }) => where.includes(url));
  await inTheMiddle(scene, () => cluster!.partition(members[at]!));
  while ((await byProposals(scene)) === where);
  await cluster!.heal(members[at]!);
  await scene.exact();

  await scene.follower.stop();
  await burst(scene, BACKLOG);
  scene.launch({ flags: ['--dest-peers', scene.target.peers] });
  const [slowest] = await Promise.all([
    slowestRead(scene, (await followers())[0]!),
    scene.inLockstep(),
  ]);
  report(`${version}: the slowest read of a member under full load took ${Math.round(slowest)} ms`);
  expect(slowest).to.be.below(SLOWEST_READ_MS);
  await scene.exact();
}

describe('proposals to three members', () => {
  const target = { members: 3, partitionable: true };
  const tests: Record<string, () => Promise<void>> = {};
  for (const version of SOAK ? versions() : ['3.5.16'].filter(haveVersion))
    tests[
      `through the leader, a follower, a new leader; one killed, one cut off (etcd ${version})`
    ] = () => Scene.with({ version, target, everyMs: BUSY_MS }, (scene) => live(scene, version));
  together(tests, 1);
});
