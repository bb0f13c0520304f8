/** A source that is not, or no longer, what the journal and the target come from; and a source left alone. */
import { expect } from 'chai';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../cli/run.js';
import { eventually, fingerprint, PODS, Stage } from '../cli/stage.js';
import { Etcd, haveVersion } from '../rig/etcd.js';
import { freePorts } from '../rig/ports.js';
import { refused, reseed } from './refused.js';

/** Its watch drops a deletion at the compact revision. */
const OLD = '3.4.23';

describe('follow refuses a source without the history that is needed', () => {
  let stage: Stage;
  afterEach(() => stage.end());

  it('compacted past the journal, or a journal seeded after the target', async () => {
    stage = await Stage.start();
    await stage.put(`${PODS}a`);
    const old = await stage.seed();
    const target = await stage.etcd(old.base);
    for (const value of ['1', '2', '3']) await stage.put(`${PODS}a`, value);
    const compacted = await stage.head();
    await stage.put(`${PODS}a`, '4');
    await stage.client.compact(compacted);

    const gap = await refused(stage, old.journal, target, reseed('HISTORY_GAP'));
    expect(gap.revision).to.equal(compacted);
    expect(gap.hint).to.match(/seed again/i);

    const { journal } = await stage.seed();
    const behind = await refused(stage, journal, target, reseed('TARGET_BEHIND_JOURNAL'));
    expect(behind.hint).to.match(/base/);
  });

  it('compacted at a deletion right behind the journal, which an old server loses', async function () {
    if (!haveVersion(OLD)) this.skip();
    stage = await Stage.start({ version: OLD });
    await stage.put(`${PODS}a`);
    const { journal, base } = await stage.seed();
    const target = await stage.etcd(base, { version: OLD });
    await stage.source.ctl('del', `${PODS}a`);
    const deleted = await stage.head();
    await stage.put('/registry/leases/x', '1');
    await stage.client.compact(deleted);
    const gap = await refused(stage, journal, target, reseed('HISTORY_GAP'));
    expect(gap.revision).to.equal(deleted);
  });

  it('another cluster at the same address', async () => {
    stage = await Stage.start();
    await stage.put(`${PODS}a`);
    const { journal, base } = await stage.seed();
    const target = await stage.etcd(base);
    const { clientPort } = stage.source;
    await stage.source.stop();
    const other = await stage.etcd(undefined, { clientPort });
    await other.ctl('put', `${PODS}a`, 'v');
    await refused(stage, journal, target, { code: 'JOURNAL_OTHER', exit: 2 });
  });

  it('restored from an older backup: same cluster id, but it went back', async () => {
    const [clientPort = 0, peerPort = 0] = await freePorts(2);
    stage = await Stage.start({ clientPort, peerPort });
    await stage.put(`${PODS}a`);
    const backup = join(stage.dir, 'backup.db');
    await stage.source.ctl('snapshot', 'save', backup);
    const { journal, base } = await stage.seed();
    const older = join(stage.dir, 'older-journal');
    cpSync(journal, older, { recursive: true });
    await stage.put(`${PODS}a`, '2');
    const target = await stage.etcd(base);
    expect((await stage.follow(journal, target, '--until-synced')).code).to.equal(0);

    await stage.source.stop();
    await stage.etcd(backup, { clientPort, peerPort });
    await refused(stage, journal, target, reseed('SOURCE_CHANGED'));
    await refused(stage, older, target, reseed('TARGET_AHEAD'));
  });
});

describe('the source', () => {
  it('is never written: no revision, no key, not one raft entry', async () => {
    const stage = await Stage.start();
    try {
      for (const name of ['a', 'b']) await stage.put(`${PODS}${name}`);
      await stage.client.leaseGrant(7n, 600);
      await stage.source.ctl('put', `${PODS}leased`, 'v', '--lease=7');
      await eventually(() => settled(stage.source));
      const before = { ...(await fingerprint(stage.source)), raft: await raftIndex(stage.source) };

      const ends = ['--endpoints', stage.source.endpoint];
      for (const from of ['range', 'snapshot']) {
        const files = ['--journal', join(stage.dir, from), '--out', join(stage.dir, `${from}.db`)];
        const args = ['seed', ...ends, '--prefix', '/registry/pod', ...files, '--from', from];
        expect((await run(args)).code).to.equal(0);
      }
      const target = await stage.etcd(join(stage.dir, 'range.db'));
      const followed = await stage.follow(join(stage.dir, 'range'), target, '--until-synced');
      expect(followed.code).to.equal(0);
      expect((await stage.audit(target, '--history')).code).to.equal(0);
      const status = ['status', ...ends, '--dest-endpoints', target.endpoint];
      expect((await run(status)).code).to.equal(0);

      const plan = ['plan', ...ends, '--dest-endpoints', target.endpoint, '--sample', '0.1'];
      expect((await run(plan)).code).to.be.oneOf([0, 1]);

      const after = { ...(await fingerprint(stage.source)), raft: await raftIndex(stage.source) };
      expect(after).to.deep.equal(before);
    } finally {
      await stage.end();
    }
  });
});

/** A fresh etcd writes its cluster version through raft some time after its start. */
async function settled(etcd: Etcd): Promise<boolean> {
  const response = await fetch(`${etcd.endpoint}/version`);
  const { etcdcluster } = (await response.json()) as { etcdcluster: string };
  return etcd.version.startsWith(etcdcluster.replace(/\.0$/, '.'));
}

async function raftIndex(etcd: Etcd): Promise<number> {
  const [member] = JSON.parse(await etcd.ctl('endpoint', 'status', '-w', 'json')) as [
    { Status: { raftIndex: number } },
  ];
  return member.Status.raftIndex;
}
