/** A follower by proposals and everything else that can be done to a target: test/faults has it for transactions. */
import { expect } from 'chai';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { toLong } from '../../src/mvcc/keyvalue.js';
import { fingerprint } from '../cli/stage.js';
import { PREFIXES } from '../oracle/history.js';
import { compareRows, rowsOf } from '../oracle/rows.js';
import { Etcd } from '../rig/etcd.js';
import { entriesOf, HONEST, type Rule } from '../rig/peerproxy.js';
import type { FollowProcess } from './follower.js';
import { burst, burstsUntil, byProposals } from './proposing.js';
import { Scene } from './scene.js';
import { together } from './together.js';

const BUSY_MS = 20;
const NOTICED_WITHIN_MS = 20_000;
const SMALL = '--quota-backend-bytes=16777216';
const LARGE = '--quota-backend-bytes=268435456';
const LEASE = 0x7e57n;

/** Puts to the target, past us; returns the revision. */
async function putThere(scene: Scene, key: string): Promise<number> {
  const client = scene.target.client('target');
  try {
    const put = { requestPut: { key: Buffer.from(key), value: Buffer.from('theirs') } };
    return (await client.txn({ success: [put] })).revision;
  } finally {
    client.close();
  }
}

/** Up to there both are the same. */
async function equalBelow({ source, target }: Scene, revision: number): Promise<void> {
  const [there, here] = await Promise.all(
    [source.etcd, target.etcd].map((etcd) => rowsOf(etcd, PREFIXES)),
  );
  const below = (all: typeof there) => ({
    ...all!,
    head: revision - 1,
    rows: all!.rows.filter(({ main }) => main < revision),
  });
  expect(compareRows(below(there), below(here))).to.equal(undefined);
}

/** Somebody else writes between two messages. */
async function foreignBetween(key: string): Promise<void> {
  await Scene.with({ everyMs: BUSY_MS, peers: true }, async (scene) => {
    await byProposals(scene);
    let foreign: number | undefined;
    scene.target.peerProxy.rule = async (message, pass) => {
      if (entriesOf(message) > 1) foreign ??= await putThere(scene, key);
      await pass(message);
    };
    await burstsUntil(scene, () => foreign !== undefined);
    const { exit, error } = await scene.follower.stopped(NOTICED_WITHIN_MS);
    expect(exit).to.equal('exit code 5');
    expect(error.code).to.be.oneOf(['TARGET_FOREIGN_WRITE', 'TARGET_HEAD_OFF']);
    await equalBelow(scene, foreign!);
    const head = await scene.head('target');
    expect(head - foreign!, 'writes of ours behind it').to.be.at.most(1);
    const before = await fingerprint(scene.target.etcd);
    await sleep(500);
    expect(await fingerprint(scene.target.etcd)).to.deep.equal(before);
  });
}

/** A second follower begins, by another way and with a copy of the journal; it takes over. */
async function second(first: 'by proposals' | 'by transactions'): Promise<void> {
  await Scene.with({ everyMs: BUSY_MS }, async (scene) => {
    const flags = (proposals: boolean) => (proposals ? ['--dest-peers', scene.target.peers] : []);
    await scene.follower.stop();
    const journal = join(scene.dir, 'second');
    cpSync(scene.journal, journal, { recursive: true });
    await scene.follow({ flags: flags(first === 'by proposals') });
    const loser: FollowProcess = scene.follower;
    if (first === 'by proposals') await byProposals(scene);
    scene.launch({ flags: flags(first !== 'by proposals'), journal });
    const { exit, error } = await loser.stopped(NOTICED_WITHIN_MS);
    expect([exit, error.code]).to.deep.equal(['exit code 5', 'TARGET_TAKEN_OVER']);
    if (first !== 'by proposals') await byProposals(scene);
    await burst(scene);
    await scene.exact();
  });
}

/** Another etcd on what the target began with, in its place. */
async function restored({ dir, target }: Scene): Promise<void> {
  const { clientPort, peerPort, version } = target.etcd;
  await target.etcd.kill();
  target.replace(
    await Etcd.startFromSnapshot(join(dir, 'base.db'), { clientPort, peerPort, version }),
  );
}

describe('a follower by proposals', () => {
  together(
    {
      'somebody else writes between two messages: at most one write of ours follows': () =>
        foreignBetween('compact_rev_key'),

      'somebody else writes the chain between two messages': () =>
        foreignBetween('etcd-lockstep/chain'),

      'a second follower begins by transactions: the first one ends': () => second('by proposals'),

      'a second follower begins by proposals: the first one ends': () => second('by transactions'),

      'answers of the client API are lost, 15 times': () =>
        Scene.with({ everyMs: BUSY_MS, peers: true }, async (scene) => {
          const { proxy } = scene.target;
          for (let time = 0; time < 15; time++) {
            proxy.dropAnswers(true);
            await Promise.all([burst(scene, 40), sleep(60)]);
            proxy.dropAnswers(false);
            await sleep((time * 53) % 170);
          }
          await scene.exact();
        }),

      'no space is left: waits, says so, and goes on when there is': () =>
        Scene.with({ target: { args: [SMALL] }, everyMs: 10, peers: true }, async (scene) => {
          await byProposals(scene);
          const { follower, target, writes } = scene;
          const full = await follower.until('full', (s) => s.trouble?.code === 'NO_SPACE');
          expect(full.status.state).to.equal('waiting for the target');
          await writes.pause();
          await target.restartWith(LARGE);
          await target.etcd.ctl('alarm', 'disarm');
          writes.start();
          await byProposals(scene);
          await scene.exact();
        }),

      'a lease goes on the target that the next record names': () =>
        Scene.with({ everyMs: BUSY_MS, peers: true }, async (scene) => {
          const key = Buffer.from('/registry/pods/held');
          const put = () => ({
            requestPut: { key, value: Buffer.from('v'), lease: toLong(LEASE) },
          });
          await scene.client.leaseGrant(LEASE, 600);
          await scene.client.txn({ success: [put()] });
          await scene.client.txn({ success: [{ requestDeleteRange: { key } }] });
          await byProposals(scene);
          await scene.exact();
          await scene.target.etcd.ctl('lease', 'revoke', LEASE.toString(16));
          scene.writes.start();
          await scene.client.txn({ success: [put()] });
          await burst(scene);
          await byProposals(scene);
          await scene.exact();
          const held = await scene.target.etcd.ctl('lease', 'timetolive', LEASE.toString(16));
          expect(held).to.match(/granted with TTL\(\d+s\)/);
        }),

      'the target is killed in the middle, three times': () =>
        Scene.with({ everyMs: BUSY_MS, peers: true }, async (scene) => {
          for (let time = 0; time < 3; time++) {
            await byProposals(scene);
            const writing = burst(scene, 400);
            const before = await scene.head('target');
            while ((await scene.head('target')) < before + 30 + time * 40) await sleep(1);
            await scene.target.etcd.kill();
            await writing;
            await scene.target.etcd.restart();
          }
          await scene.exact();
        }),

      'the target is restored from its base, with messages of before on their way': () =>
        Scene.with({ everyMs: BUSY_MS, peers: true }, async (scene) => {
          await byProposals(scene);
          const kept: (() => Promise<void>)[] = [];
          const keep: Rule = async (message, pass) => {
            kept.push(() => pass(message));
            await pass(message);
          };
          scene.target.peerProxy.rule = keep;
          await burst(scene);
          await restored(scene);
          scene.target.peerProxy.rule = HONEST;
          for (const giveOn of kept) await giveOn();
          // It looks at the target anew: by itself, or when it is started again.
          await sleep(3000);
          if (!scene.follower.running()) scene.launch();
          await byProposals(scene);
          for (const giveOn of kept) await giveOn();
          await burst(scene);
          await scene.exact();
        }),
    },
    4,
  );
});
