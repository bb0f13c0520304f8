/** A journal that was behind the target when that was looked at, and then comes there over a gap. */
import { expect } from 'chai';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../../src/errors.js';
import { Journal } from '../../src/journal/journal.js';
import { Follower } from '../../src/lockstep/follow.js';
import { EtcdClient } from '../../src/wire/client.js';
import { fingerprint, PODS, Stage } from '../cli/stage.js';
import { FaultProxy } from '../rig/proxy.js';

describe('a journal behind the target', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await Stage.start();
  });
  afterEach(() => stage.end());

  it('that comes there over a gap: what it made up is not written behind what is there', async () => {
    await stage.put(`${PODS}a`);
    const seeded = await stage.seed();
    const target = await stage.etcd(seeded.base);
    const behind = join(stage.dir, 'behind');
    cpSync(seeded.journal, behind, { recursive: true });
    for (let i = 0; i < 8; i++) await stage.put(`${PODS}a`, `${i}`);
    const { code } = await stage.follow(seeded.journal, target, '--until-synced');
    expect(code).to.equal(0);
    const before = await fingerprint(target);

    const proxy = await FaultProxy.start({ host: '127.0.0.1', port: stage.source.clientPort });
    proxy.refuse(true);
    const journal = await Journal.open(behind);
    const sourceWatch = new EtcdClient({ endpoints: [proxy.endpoint] }, 'source');
    const source = new EtcdClient(stage.source.endpoint, 'source');
    const client = new EtcdClient(target.endpoint, 'target');
    const follower = new Follower({
      ...{ journal, sourceWatch, source, target: client, repair: true },
      until: { kind: 'synced' },
      onNote: () => undefined,
      signal: new AbortController().signal,
    });
    try {
      const ended = follower.run().catch((error: unknown) => error);
      while (follower.status.position === null) await sleep(10);
      for (let i = 0; i < 8; i++) await stage.put(`${PODS}b`, `${i}`);
      await stage.client.compact(await stage.put(`${PODS}a`, 'last'));
      proxy.refuse(false);
      const error = await ended;
      expect(await fingerprint(target)).to.deep.equal(before);
      expect(hasCode(error, 'TARGET_OTHER_GAP'), String(error)).to.equal(true);
    } finally {
      for (const one of [sourceWatch, source, client]) one.close();
      await journal.close();
      await proxy.close();
    }
  });
});
