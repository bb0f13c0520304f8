/**
 * What follow refuses: each with its own code, a hint, its exit code, and a target that is exactly
 * as it was.
 */
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { crop } from '../../src/base/crop.js';
import { toLong } from '../../src/mvcc/keyvalue.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { EtcdClient } from '../../src/wire/client.js';
import { run } from '../cli/run.js';
import { eventually, fingerprint, PODS, Stage, type Seeded } from '../cli/stage.js';
import { cleanEnv } from '../rig/binaries.js';
import { binaries, Etcd } from '../rig/etcd.js';
import { fatal, refusal, refused, reseed } from './refused.js';

const CURSOR = 'etcd-lockstep/cursor';

describe('follow refuses a target that is not ours', () => {
  let stage: Stage;
  let seeded: Seeded;

  before(async () => {
    stage = await Stage.start();
    // Twice, or a copy that is written in the order of keys may have the same revisions by chance.
    for (const name of ['b', 'c', 'a', 'a']) await stage.put(`${PODS}${name}`);
    await stage.put('/registry/leases/n');
    seeded = await stage.seed();
  });
  after(() => stage.end());

  it('no cursor', async () => {
    const empty = await stage.etcd();
    await empty.ctl('put', `${PODS}theirs`, 'v');
    await refused(stage, seeded.journal, empty, fatal('TARGET_NOT_OURS'));
  });

  it('no cursor: leases there are not refreshed either', async () => {
    const theirs = await stage.etcd();
    const client = new EtcdClient(theirs.endpoint, 'target');
    await client.leaseGrant(77n, 100);
    await theirs.ctl('put', 'held', 'v', '--lease=4d');
    const remaining = async () =>
      Number(/remaining\((\d+)s\)/.exec(await theirs.ctl('lease', 'timetolive', '4d'))?.[1]);
    await eventually(async () => (await remaining()) <= 97);
    await refused(stage, seeded.journal, theirs, fatal('TARGET_NOT_OURS'));
    expect(await remaining()).to.be.at.most(97);
    client.close();
  });

  it('restored with --bump-revision', async () => {
    const restoreArgs = ['--bump-revision=1000000000', '--mark-compacted'];
    const bumped = await Etcd.startFromSnapshot(seeded.base, { restoreArgs });
    try {
      const error = await refused(stage, seeded.journal, bumped, fatal('TARGET_HEAD_OFF'));
      expect(error.message).to.contain('was restored with --bump-revision');
      expect(error.hint).to.contain('again without --bump-revision');
    } finally {
      await bumped.remove();
    }
  });

  it('a cursor that is none', async () => {
    const target = await stage.etcd();
    await target.ctl('put', CURSOR, 'hello');
    await refused(stage, seeded.journal, target, fatal('TARGET_NOT_OURS'));
  });

  it('another source cluster', async () => {
    const target = await stage.etcd(seeded.base);
    const other = await stage.etcd();
    const client = new EtcdClient(other.endpoint, 'source');
    const { journal } = await stage.seed({ client });
    const { clusterId } = await client.head();
    client.close();
    const before = await fingerprint(target);
    const ended = await run(stage.followArgs(journal, target.endpoint, other.endpoint));
    expect(refusal(ended, fatal('TARGET_OTHER_SOURCE')).message).to.contain(clusterId);
    expect(await fingerprint(target)).to.deep.equal(before);
  });

  it('other prefixes', async () => {
    const target = await stage.etcd(seeded.base);
    const { journal } = await stage.seed({ prefixes: [PODS, '/registry/leases/'] });
    const error = await refused(stage, journal, target, fatal('TARGET_OTHER_PREFIXES'));
    expect(error.message).to.contain(PODS).and.to.contain('/registry/leases/');
  });

  it('one put by somebody else while no follower ran', async () => {
    const target = await stage.etcd(seeded.base);
    await target.ctl('put', 'compact_rev_key', '1');
    const error = await refused(stage, seeded.journal, target, fatal('TARGET_HEAD_OFF'));
    expect(error.revision).to.equal(seeded.sealed.head + 1);
  });

  it('a cursor that make-mirror has copied', async () => {
    const target = await stage.etcd(seeded.base);
    const copy = await stage.etcd();
    const mirror = spawn(
      binaries().etcdctl,
      [`--endpoints=${target.endpoint}`, 'make-mirror', copy.endpoint],
      { env: cleanEnv(), stdio: 'ignore' },
    );
    await eventually(async () => (await copy.ctl('get', '', '--prefix')).includes('/pods/c'));
    await eventually(async () => (await copy.ctl('get', CURSOR)) !== '');
    mirror.kill('SIGKILL');
    const error = await refused(stage, seeded.journal, copy, fatal('TARGET_HEAD_OFF'));
    expect(error.hint).to.contain('snapshot restore');
  });

  it('a stray key among our own', async () => {
    const target = await stage.etcd(seeded.base);
    await target.ctl('put', 'etcd-lockstep/stray', 'v');
    const error = await refused(stage, seeded.journal, target, fatal('TARGET_FOREIGN_WRITE'));
    expect(error.message).to.contain('etcd-lockstep/stray');
  });

  it("a plain mirror's target", async () => {
    const target = await stage.etcd();
    await target.ctl('put', 'etcd-lockstep/mirror/1:/a/:/a/', '{}');
    const error = await refused(stage, seeded.journal, target, fatal('TARGET_NOT_OURS'));
    expect(error.message).to.contain('mirror');
    expect(error.hint).to.contain('audit --values');
  });

  it("a mirror's key beside a cursor, where nothing was cut over", async () => {
    const target = await stage.etcd(seeded.base);
    await target.ctl('put', 'etcd-lockstep/mirror/1:/a/:/a/', '{}');
    const error = await refused(stage, seeded.journal, target, fatal('TARGET_FOREIGN_WRITE'));
    expect(error.message).to.contain('etcd-lockstep/mirror/');
  });

  it('a base that was cropped from a file', async () => {
    const snapshot = join(stage.dir, 'snapshot.db');
    await stage.source.ctl('snapshot', 'save', snapshot);
    const out = join(stage.dir, 'cropped.db');
    const prefixes = PrefixSet.of([PODS]);
    const { signal } = new AbortController();
    await crop({ snapshot, prefixes, out, signal, onBase: () => undefined });
    const target = await stage.etcd(out);
    const error = await refused(stage, seeded.journal, target, fatal('TARGET_NOT_OURS'));
    expect(error.message).to.contain('cropped');
  });

  it('a target that is ahead of the source', async () => {
    const target = await stage.etcd(seeded.base);
    // As if fillers had been written there: only the source can tell that they should not be.
    const ahead = 3 + (await stage.head()) - seeded.sealed.head;
    for (let i = 0; i < ahead; i++) await target.ctl('put', 'etcd-lockstep/slot/00', '');
    const error = await refused(stage, seeded.journal, target, reseed('TARGET_AHEAD'));
    expect(error.revision).to.equal(seeded.sealed.head + ahead);
  });

  it('a lease that expired there while no follower ran', async () => {
    await stage.client.leaseGrant(99n, 2);
    const key = Buffer.from(`${PODS}leased`);
    await stage.client.txn({
      success: [{ requestPut: { key, value: Buffer.from('v'), lease: toLong(99n) } }],
    });
    const keepAlive = setInterval(() => void stage.client.leaseKeepAlive([99n]), 300);
    try {
      const { journal, base } = await stage.seed();
      const target = await stage.etcd(base);
      await eventually(async () => (await target.ctl('get', key.toString())) === '');
      await refused(stage, journal, target, fatal('TARGET_HEAD_OFF'));
    } finally {
      clearInterval(keepAlive);
    }
  });
});
