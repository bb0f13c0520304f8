/** One etcd under two names is found out by what it says; two etcds with the same ids are two. */
import { expect } from 'chai';
import { join } from 'node:path';
import { areOne } from '../../src/source/sameetcd.js';
import { EtcdClient } from '../../src/wire/client.js';
import { errorOf, run, type Ended } from '../cli/run.js';
import { eventually, fingerprint, PODS, Stage } from '../cli/stage.js';
import { Child } from '../rig/child.js';
import { EtcdCluster } from '../rig/cluster.js';
import { binaries, freePorts } from '../rig/etcd.js';
import { FaultProxy } from '../rig/proxy.js';

/** What a single etcd without any flags has: its ids follow from these. */
const PEER = 'http://localhost:2380';
const DEFAULTS = [`--initial-cluster=rig=${PEER}`, `--initial-advertise-peer-urls=${PEER}`];

async function audit(source: string, target: string, ...more: string[]): Promise<Ended> {
  const ends = ['--endpoints', source, '--dest-endpoints', target];
  return run(['audit', ...ends, '-w', 'json', ...more]);
}

function same(ended: Ended): void {
  expect(ended.code, ended.stdout + ended.stderr).to.equal(2);
  expect(errorOf(ended).code).to.equal('SAME_ETCD');
  expect(ended.stdout).to.equal('');
}

describe('an audit of an etcd against itself', () => {
  let stage: Stage;
  let cluster: EtcdCluster;
  before(async () => {
    [stage, cluster] = await Promise.all([Stage.start(), EtcdCluster.start()]);
    await stage.put(`${PODS}a`);
    // It may have been a target itself.
    await stage.put('etcd-lockstep/x');
    await cluster.ctl('put', `${PODS}a`, 'v');
  });
  after(async () => {
    await Promise.all([stage.end(), cluster.remove()]);
  });

  it('by the same name, another name, a slash, a TCP proxy: SAME_ETCD, exit 2', async () => {
    const { endpoint, clientPort: port } = stage.source;
    const proxy = await FaultProxy.start({ host: '127.0.0.1', port });
    for (const name of [endpoint, `http://localhost:${port}`, `${endpoint}/`, proxy.endpoint])
      same(await audit(endpoint, name, '--prefix', PODS));
    await proxy.close();
  });

  it('while it is written all the time', async () => {
    const over = new AbortController();
    const writes = (async () => {
      while (!over.signal.aborted) await stage.put('/registry/events/e');
    })();
    try {
      same(await audit(stage.source.endpoint, `${stage.source.endpoint}/`, '--prefix', PODS));
    } finally {
      over.abort();
      await writes;
    }
  });

  it('through etcd grpc-proxy', async () => {
    const [port] = await freePorts(1);
    const at = `127.0.0.1:${port}`;
    const flags = [`--endpoints=${stage.source.endpoint}`, `--listen-addr=${at}`];
    const log = join(stage.dir, 'proxy.log');
    const proxy = new Child(binaries().etcd, ['grpc-proxy', 'start', ...flags], log);
    const client = new EtcdClient(`http://${at}`, 'target');
    try {
      await eventually(() => client.head().then(Boolean, () => false));
      same(await audit(stage.source.endpoint, `http://${at}`, '--prefix', PODS));
      same(await audit(`http://${at}`, stage.source.endpoint, '--prefix', PODS));
    } finally {
      client.close();
      await proxy.kill();
    }
  });

  it('through another member, written or not', async () => {
    const [one = '', ...others] = cluster.endpoints;
    for (const other of others) same(await audit(one, other, '--prefix', PODS));
    const client = new EtcdClient(one, 'source');
    const put = { requestPut: { key: Buffer.from('k'), value: Buffer.from('v') } };
    const over = new AbortController();
    const writes = (async () => {
      while (!over.signal.aborted) await client.txn({ success: [put] });
    })();
    try {
      for (const other of others) same(await audit(other, one, '--prefix', PODS));
    } finally {
      over.abort();
      await writes;
      client.close();
    }
  });

  it('of a mirror: only keys against themselves', async () => {
    const { endpoint } = stage.source;
    same(await audit(endpoint, `${endpoint}/`, '--values', '--prefix', PODS));
    const copied = ['--values', '--prefix', PODS, '--dest-prefix', '/copy/'];
    expect(errorOf(await audit(endpoint, `${endpoint}/`, ...copied)).code).to.equal(
      'TARGET_NOT_OURS',
    );
  });
});

describe('other commands with one etcd as both ends', () => {
  let stage: Stage;
  let other: string;
  before(async () => {
    stage = await Stage.start();
    await stage.put(`${PODS}a`);
    other = `http://localhost:${stage.source.clientPort}`;
  });
  after(() => stage.end());

  for (const [name, more] of [
    ['plan', ['--prefix', PODS, '--sample', '0.1']],
    ['status', []],
    ['mirror', ['--prefix', PODS, '--until-synced']],
  ] as const)
    it(`${name}, by another name: SAME_ETCD, and nothing is written`, async () => {
      const before = await fingerprint(stage.source);
      const ends = ['--endpoints', stage.source.endpoint, '--dest-endpoints', other];
      const ended = await run([name, ...ends, ...more, '-w', 'json']);
      expect([ended.code, errorOf(ended).code], ended.stdout).to.deep.equal([2, 'SAME_ETCD']);
      expect(await fingerprint(stage.source)).to.deep.equal(before);
    });

  it('follow onto its source, and onto its target as the source', async () => {
    const { journal, base } = await stage.seed();
    const args = stage.followArgs(journal, other);
    const before = await fingerprint(stage.source);
    const ended = await run([...args, '--until-synced']);
    expect([ended.code, errorOf(ended).code], ended.stdout).to.deep.equal([2, 'SAME_ETCD']);
    expect(await fingerprint(stage.source)).to.deep.equal(before);

    const target = await stage.etcd(base);
    const alias = `http://localhost:${target.clientPort}`;
    const ends = ['--endpoints', target.endpoint, '--dest-endpoints', alias];
    const night = [...ends, '--yes', '--once', '--quiet', '0', '-w', 'json'];
    const fence = await run(['fence', ...night]);
    expect([fence.code, errorOf(fence).code], fence.stdout).to.deep.equal([2, 'SAME_ETCD']);
    expect((await stage.audit(target)).code).to.equal(0);
  });
});

describe('two etcds with the same ids', () => {
  let stage: Stage;
  before(async () => {
    stage = await Stage.start({ args: DEFAULTS });
    await stage.put(`${PODS}a`);
  });
  after(() => stage.end());

  it('source and target are audited and followed as any others', async () => {
    const { base, journal } = await stage.seed();
    const target = await stage.etcd(base, { args: DEFAULTS, restoreArgs: DEFAULTS });
    const clients = [stage.source, target].map(
      ({ endpoint }) => new EtcdClient(endpoint, 'target'),
    );
    const [one, other] = await Promise.all(clients.map((client) => client.memberStatus()));
    for (const client of clients) client.close();
    expect(one).to.include({ clusterId: other?.clusterId, memberId: other?.memberId });
    expect((await stage.audit(target)).code).to.equal(0);
    await stage.put(`${PODS}b`);
    expect((await stage.follow(journal, target, '--until-synced')).code).to.equal(0);
    expect((await stage.audit(target, '--history')).code).to.equal(0);
  });

  it('a mirror onto the other one is no mirror onto itself', async () => {
    const target = await stage.etcd(undefined, { args: DEFAULTS });
    const before = await fingerprint(target);
    const ends = ['--endpoints', stage.source.endpoint, '--dest-endpoints', target.endpoint];
    const ended = await run(['mirror', ...ends, '--prefix', PODS, '--until-synced']);
    expect(ended.code, ended.stderr).to.equal(0);
    expect(await fingerprint(target)).not.to.deep.equal(before);
  });

  it('without a cursor, at the same head: told apart by their raft logs', async () => {
    const twins = [
      await stage.etcd(undefined, { args: DEFAULTS }),
      await stage.etcd(undefined, { args: DEFAULTS }),
    ];
    const clients = twins.map(({ endpoint }) => new EtcdClient(endpoint, 'target'));
    const [one, other] = clients as [EtcdClient, EtcdClient];
    const put = { requestPut: { key: Buffer.from('k'), value: Buffer.from('v') } };
    for (const client of clients) await client.txn({ success: [put] });
    const ends = await Promise.all(
      clients.map(async (client) => {
        const { clusterId, head } = await client.status();
        expect(head).to.equal(2);
        return { client, clusterId, key: Buffer.from('k') };
      }),
    );
    // Nothing differs at all: that they are two cannot be seen.
    expect(await areOne(ends[0]!, ends[1]!)).to.equal(true);
    // A failed transaction is an entry of the log, and no revision.
    const compare = [{ key: Buffer.from('k'), target: 1, result: 0, createRevision: 77 }];
    await other.txn({ compare, success: [put] });
    expect((await other.head()).revision).to.equal((await one.head()).revision);
    expect(await areOne(ends[0]!, ends[1]!)).to.equal(false);
    expect(await areOne(ends[1]!, ends[0]!)).to.equal(false);
    for (const client of clients) client.close();
  });
});
