/**
 * Leases that end on the source while somebody is away: their keys' deletions are replayed, and the
 * target's own copy of the lease must not be the one that deletes them.
 */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { toLong } from '../../src/mvcc/keyvalue.js';
import { Scene } from './scene.js';
import { together } from './together.js';

const LEASE = 0x7e57n;
const OPS = 100;

function key(i: number): string {
  return `/registry/pods/held-${String(i).padStart(5, '0')}`;
}

/** A lease with so many keys; returns the revision of the last one. */
async function grant({ client }: Scene, ttlSeconds: number, keys: number): Promise<void> {
  await client.leaseGrant(LEASE, ttlSeconds);
  for (let i = 0; i < keys; i += OPS) {
    const some = Array.from({ length: Math.min(OPS, keys - i) }, (_, j) => ({
      requestPut: { key: Buffer.from(key(i + j)), value: Buffer.from('v'), lease: toLong(LEASE) },
    }));
    await client.txn({ success: some });
  }
}

async function revoke({ source }: Scene): Promise<void> {
  await source.etcd.ctl('lease', 'revoke', LEASE.toString(16));
}

/** Waits until the lease has ended there by itself. */
async function expired({ client }: Scene): Promise<void> {
  while ((await client.range({ key: Buffer.from(key(0)) })).count > 0) await sleep(100);
}

/** What the target holds of them now. */
async function held(scene: Scene): Promise<number> {
  const answer = await scene.target.etcd.ctl(
    'get',
    '/registry/pods/held-',
    '--prefix',
    '-w',
    'json',
  );
  return (JSON.parse(answer) as { count?: number }).count ?? 0;
}

describe('leases that end on the source', () => {
  together(
    {
      'revoked while the target is down': () =>
        Scene.with({ everyMs: 60 }, async (scene) => {
          await grant(scene, 600, 50);
          await scene.exact();
          await scene.target.etcd.kill();
          await revoke(scene);
          await scene.target.etcd.restart();
          await scene.exact();
          expect(await held(scene)).to.equal(0);
        }),

      'expired while the target is down': () =>
        Scene.with({}, async (scene) => {
          await grant(scene, 10, 50);
          await scene.exact();
          await scene.target.etcd.kill();
          await expired(scene);
          // It comes back with the keys and a lease that is about to end; whoever is first must be us.
          await scene.target.etcd.restart();
          await scene.exact();
          expect(await held(scene)).to.equal(0);
        }),

      'revoked while the follower is away': () =>
        Scene.with({}, async (scene) => {
          await grant(scene, 600, 50);
          await scene.exact();
          await scene.follower.stop();
          await revoke(scene);
          await scene.writes.once();
          await scene.follow();
          await scene.exact();
          expect(await held(scene)).to.equal(0);
        }),

      "expired while the follower is away, for less than is left of the target's": () =>
        Scene.with({}, async (scene) => {
          const from = Date.now();
          await grant(scene, 24, 50);
          // It is refreshed on the target, and only there, each eight seconds.
          await scene.exact();
          await sleep(from + 17_500 - Date.now());
          await scene.follower.stop();
          await expired(scene);
          expect(await held(scene)).to.equal(50);
          await scene.follow();
          await scene.exact();
          expect(await held(scene)).to.equal(0);
        }),

      'expired with 3000 keys, all deleted in one revision': () =>
        Scene.with({}, async (scene) => {
          await grant(scene, 8, 3000);
          await expired(scene);
          await scene.exact();
          expect(await held(scene)).to.equal(0);
        }),
    },
    5,
  );
});
