/** What a plan sees of a source: everything a real cluster holds, what is written, what is odd. */
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { parseKeyValue } from '../../src/mvcc/keyvalue.js';
import { EtcdClient } from '../../src/wire/client.js';
import { tempDir } from '../base/sources.js';
import * as contract from '../cli/contract.js';
import { run, whole } from '../cli/run.js';
import { fingerprint, Stage } from '../cli/stage.js';
import { EtcdCluster } from '../rig/cluster.js';
import { Etcd, haveVersion, startFromSnapshot } from '../rig/etcd.js';
import { checkOf, expectCheck, planOf, PODS, unpackCluster } from './make.js';

describe('plan: a real cluster', () => {
  const dir = tempDir();
  let source: Etcd;
  before(async () => {
    const file = join(dir, 'k8s.db');
    await unpackCluster(file);
    source = await startFromSnapshot(file);
  });
  after(() => source.remove());

  it('-w json: every resource with its keys, the flag, the steps; nothing was changed', async () => {
    const before = await fingerprint(source);
    const args = ['plan', '--endpoints', source.endpoint, '--sample', '0.1', '-w', 'json'];
    const { code, stdout, stderr } = await run(args);
    expect(code, stderr).to.equal(0);
    const [line, ...more] = whole(stdout);
    expect(more).to.deep.equal([]);
    const plan = contract.plan.parse(line);
    const keys = Object.fromEntries(plan.folders.map((f) => [f.folder, f.keys]));
    expect(keys).to.include({
      '/registry/pods/': 213,
      '/registry/events/': 775,
      '/registry/apiregistration.k8s.io/apiservices/': 35,
      '/registry/services/specs/': 21,
      '/registry/services/endpoints/': 20,
      '/registry/minions/': 20,
    });
    expect(Object.values(keys).reduce((a, b) => a + b)).to.equal(1378);
    expect(plan.root).to.equal('/registry/');
    expect(plan.contents).to.deep.include({ keys: 213, encrypted: [] });
    expect(plan.overrides).to.match(
      /^\/pods#https:[^,]+,\/events#[^,]+,coordination.k8s.io\/leases#[^,]+$/,
    );
    expect(plan.steps.map(({ step }) => step)).to.deep.equal(
      'events leases seed follow restore audit freeze cutover retire'.split(' '),
    );
    expect(plan.checks.filter(({ verdict }) => verdict === 'warn' || verdict === 'stop')).to.be
      .empty;
    expect(await fingerprint(source)).to.deep.equal(before);
  });

  it('sizes that are guessed come near to those that are read', async () => {
    const plan = await planOf({ source: source.endpoint });
    const client = new EtcdClient(source.endpoint, 'source');
    for (const { folder, bytes, exact, keys } of plan.folders) {
      const [key, end] = [Buffer.from(folder), Buffer.from(folder.replace(/\/$/, '0'))];
      const { rows } = await client.range({ key, rangeEnd: end });
      const size = rows.reduce((sum, row) => sum + row.length, 0);
      expect(rows.length).to.equal(keys);
      if (exact) expect(bytes, folder).to.equal(size);
      else expect(bytes, folder).to.be.within(size * 0.7, size * 1.4);
      if (folder === PODS) {
        const largest = rows.reduce((a, b) => (b.length > a.length ? b : a));
        expect(plan.contents.largest).to.deep.equal({
          ...{ key: parseKeyValue(largest).key.toString(), bytes: largest.length },
        });
      }
    }
    client.close();
    expect(plan.folders.filter((f) => !f.exact).map((f) => f.folder)).to.include(
      '/registry/events/',
    );
  });

  it('--split: what each part holds, one flag, the order with reasons, and one file for all', async () => {
    const file = join(dir, 'split.yaml');
    const ask = (...more: string[]) =>
      run(['plan', '--endpoints', source.endpoint, '--sample', '0.1', ...more]);
    const split = ['--split', 'pods,leases,events'];
    const { code, stdout, stderr } = await ask(...split, '--write-config', file, '-w', 'json');
    expect(code, stderr).to.equal(0);
    const plan = contract.plan.parse(whole(stdout)[0]);
    expect(
      plan.parts?.map(({ name, way, folder, keys }) => [name, way, folder, keys]),
    ).to.deep.equal([
      ['events', 'configuration', '/registry/events/', 775],
      ['leases', 'mirror', '/registry/leases/', keysOf(plan, '/registry/leases/')],
      ['pods', 'lockstep', PODS, 213],
    ]);
    expect(plan.overrides).to.equal(
      '/events#https://EVENTS-ETCD:2379,coordination.k8s.io/leases#https://LEASES-ETCD:2379,/pods#https://PODS-ETCD:2379',
    );
    expect(plan.prefixes).to.deep.equal([PODS]);
    expect(plan.steps.map(({ step }) => step)).to.deep.equal([
      ...['events', 'pods: seed and follow', 'pods: audit', 'leases: mirror'],
      ...['the night: pods and leases', 'pods: retire', 'leases: remove'],
    ]);
    const night = plan.steps.find(({ step }) => step.startsWith('the night'));
    expect(night?.what).to.match(/One freeze\. .*15 s.*40 s/);
    expect(night?.commands).to.deep.equal([
      `'--etcd-servers-overrides=${plan.overrides}'`,
      `etcd-lockstep cutover -f ${file} --migration pods`,
      `etcd-lockstep mirror -f ${file} --migration leases --until-synced`,
    ]);
    // What is known is in the file; where each etcd is, is a comment.
    const check = await run(['config', 'check', '-f', file, '-w', 'json']);
    const checked = whole(check.stdout).map((line) => contract.configCheck.parse(line).config);
    expect(checked.map(({ migration }) => migration)).to.deep.equal(['leases', 'pods']);
    const lacks = (i: number, name: string) =>
      checked[i]?.commands.find(({ command }) => command === name)?.missing.map(({ flag }) => flag);
    expect(lacks(1, 'seed')).to.deep.equal([]);
    expect(lacks(1, 'follow')).to.deep.equal(['--dest-endpoints']);
    expect(lacks(0, 'mirror')).to.deep.equal(['--dest-endpoints']);

    const text = await ask('--split', 'secrets,leases,pods');
    expect(text.stdout).to.match(/part +way +keys +size +rev\/s +of all +its etcd takes +seed\n/);
    expect(text.stdout)
      .to.contain('the night: secrets and leases')
      .and.contain('a night of its own');
    for (const [more, says] of [
      [['--split', 'things.example.io'], 'no resource that apiservers can have'],
      [['--split', 'pods,pods'], 'names pods twice'],
      [[...split, '--prefix', PODS], '--split and --prefix exclude each other'],
    ] as const) {
      const refused = await ask(...more);
      expect(refused.code, refused.stderr).to.equal(2);
      expect(refused.stderr).to.contain(says);
    }
  });

  it('a prefix that nothing begins with', async () => {
    const plan = await planOf({ source: source.endpoint, prefixes: ['/registry/jobs/'] });
    expectCheck(plan, 'resources', 'stop', /No key begins with/);
  });

  it('the text names verdicts and the commands with the endpoints', async () => {
    const { code, stdout } = await run(['plan', '--endpoints', source.endpoint, '--sample', '0.1']);
    expect(code).to.equal(0);
    expect(stdout).to.contain(`etcd-lockstep seed --endpoints ${source.endpoint} --prefix ${PODS}`);
    expect(stdout).to.match(/Nothing stands in the way\. The target was not asked/);
    expect(stdout).to.match(/^ {2}- +credentials +No target was given\.$/m);
    expect(stdout).not.to.contain('--dest-peers members');
  });

  it('its commands write by proposals where it was asked about them', async () => {
    const asked = ['--endpoints', source.endpoint, '--sample', '0.1', '--dest-peers', 'members'];
    const { code, stdout } = await run(['plan', ...asked]);
    expect(code).to.equal(0);
    const lines = stdout.split('\n').filter((line) => line.includes('--dest-peers members'));
    expect(lines.map((line) => /etcd-lockstep (\w+) /.exec(line)?.[1])).to.deep.equal([
      ...['follow', 'cutover'],
    ]);
  });
});

function keysOf(
  { folders }: { folders: readonly { folder: string; keys: number }[] },
  folder: string,
): number | undefined {
  return folders.find((one) => one.folder === folder)?.keys;
}

describe('plan: what is written and what is odd', () => {
  let stage: Stage;
  before(async () => {
    stage = await Stage.start();
  });
  after(() => stage.end());

  it('revisions and events by resource, and those of the prefixes', async () => {
    const planned = planOf({ source: stage.source.endpoint, prefixes: [PODS], seconds: 1.5 });
    const stopped = { yes: false };
    const writing = (async () => {
      const two = ['a', 'b'].map((name) => ({
        requestPut: { key: Buffer.from(PODS + name), value: Buffer.from('x') },
      }));
      for (let i = 0; !stopped.yes; i++) {
        await stage.client.txn({ success: two });
        for (let n = 0; n < 3; n++) await stage.put('/registry/events/default/e');
      }
    })();
    const plan = await planned;
    stopped.yes = true;
    await writing;
    const { moved, revisions, largestRevision, everything } = plan.rates;
    expect(everything).to.equal(true);
    expect(largestRevision).to.equal(2);
    expect(moved.revisions).to.be.greaterThan(10);
    expect(moved.events).to.equal(2 * moved.revisions);
    expect(moved.revisions / revisions).to.be.closeTo(0.25, 0.05);
    const of = (folder: string) => plan.folders.find((f) => f.folder === folder)!;
    expect(of('/registry/events/').activity!.revisions).to.be.closeTo(3 * moved.revisions, 10);
    expect(of(PODS).activity).to.deep.equal(moved);
  });

  it('how often Kubernetes compacts, by its own key', async () => {
    await stage.put('compact_rev_key', '0');
    const first = await stage.head();
    await stage.foreign(20);
    await stage.put('compact_rev_key', String(first));
    await stage.client.compact(first);
    const plan = await planOf({ source: stage.source.endpoint, prefixes: [PODS] });
    expect(plan.window).to.deep.include({
      ...{ compactRevision: first, historyRevisions: 21, intervalRevisions: 21 },
    });
    expectCheck(plan, 'compaction', 'ok', /history above/);
  });

  it('leases of etcd, encrypted values and values that are too large', async () => {
    const put = async (name: string, value: Buffer, lease?: bigint) => {
      if (lease) await stage.client.leaseGrant(lease, Number(lease));
      await stage.client.txn({
        success: [
          {
            requestPut: {
              ...{ key: Buffer.from(`/registry/secrets/${name}`), value },
              ...(lease ? { lease: Number(lease) } : {}),
            },
          },
        ],
      });
    };
    const secrets = async () =>
      planOf({ source: stage.source.endpoint, prefixes: ['/registry/secrets/'] });
    await put('plain', Buffer.from('SECRET'));
    let plan = await secrets();
    for (const name of ['leases', 'largest value', 'encryption at rest'] as const)
      expectCheck(plan, name, 'ok');

    await put('long', Buffer.from('x'), 3600n);
    expectCheck(await secrets(), 'leases', 'ok', /lease: 1, .*1h00m/);
    await put('short', Buffer.from('x'), 60n);
    await put('enc', Buffer.concat([Buffer.from('k8s:enc:aescbc:v1:key1:'), randomBytes(64)]));
    await put('kms', Buffer.concat([Buffer.from('k8s:enc:kms:v2:my-kms:'), randomBytes(64)]));
    // Just below what a put may have.
    await put('large', Buffer.alloc(1.5 * 1024 * 1024 - 120));
    plan = await secrets();
    expectCheck(plan, 'leases', 'warn', /shortest of 1m00s/);
    expectCheck(plan, 'largest value', 'warn', /secrets\/large.*--max-request-bytes=10485760/);
    expectCheck(plan, 'encryption at rest', 'ok', /aescbc:v1:key1 \(1\), kms:v2:my-kms \(1\)/);
    expect(plan.contents.leases).to.deep.equal({ keys: 2, leases: 2, shortestTtl: 60, asked: 2 });
    expect(JSON.stringify(plan)).not.to.contain('SECRET');
  });

  it('another --etcd-prefix, keys without a folder, and many keys: one read for each folder', async () => {
    const other = await Etcd.start();
    const client = new EtcdClient(other.endpoint, 'source');
    const put = async (names: string[]) =>
      client.txn({
        success: names.map((name) => ({
          requestPut: { key: Buffer.from(name), value: Buffer.from('x'.repeat(300)) },
        })),
      });
    for (let from = 0; from < 1000; from += 100)
      await put(Array.from({ length: 100 }, (_, i) => `/k8s/pods/ns${from % 7}/p${from + i}`));
    await put(['/k8s/example.io/things/a/b', '/k8s/namespaces/a', 'alone', '/elsewhere/x']);
    const plan = await planOf({ source: other.endpoint });
    client.close();
    await other.remove();
    expect(plan.root).to.equal('/k8s/');
    expect(plan.prefixes).to.deep.equal(['/k8s/pods/']);
    expect(plan.overrides).to.match(/^\/pods#/);
    expect(plan.folders.map(({ folder, keys, way }) => [folder, keys, way])).to.have.deep.members([
      ['/k8s/pods/', 1000, 'lockstep'],
      ['/k8s/example.io/things/', 1, 'stays'],
      ['/k8s/namespaces/', 1, 'stays'],
      ['alone', 1, 'stays'],
      ['/elsewhere/', 1, 'stays'],
    ]);
  });
});

describe('plan: members', () => {
  it('a member that was left out, one that is down', async () => {
    const cluster = await EtcdCluster.start();
    const [one, two, three] = cluster.endpoints as [string, string, string];
    const client = new EtcdClient(one, 'source');
    await client.txn({
      success: [{ requestPut: { key: Buffer.from(`${PODS}a`), value: Buffer.from('x') } }],
    });
    client.close();
    const leader = (await cluster.leader()).endpoint;
    const others = cluster.endpoints.filter((one) => one !== leader);
    const leaderFirst = await planOf({ source: [leader, ...others].join() });
    expectCheck(leaderFirst, 'source health', 'ok', /All 3.* is the leader/);
    const leaderLast = await planOf({ source: [...others, leader].join() });
    expectCheck(leaderLast, 'source health', 'ok', /All 3 members answer and have a leader; no/);
    const some = await planOf({ source: `${one},${two}` });
    expectCheck(some, 'source health', 'warn', /1 of the cluster's members were not given.*m3/);
    await cluster.members[2]!.kill();
    const down = await planOf({ source: cluster.endpoint });
    await cluster.remove();
    expectCheck(down, 'source health', 'warn', new RegExp(`${three} does not answer`));
    expect(down.source.members.map((m) => m.error?.code)).to.deep.equal([
      undefined,
      undefined,
      'UNAVAILABLE',
    ]);
  });

  it('an alarm, and a database that is nearly full', async () => {
    const full = await Stage.start({ args: ['--quota-backend-bytes=4000000'] });
    await full.put(`${PODS}a`);
    expectCheck(await planOf({ source: full.source.endpoint }), 'source space', 'ok', /3\.8 MiB/);
    let error: unknown;
    for (let i = 0; i < 60 && !error; i++)
      await full.put(`${PODS}${i}`, 'x'.repeat(2e5)).catch((e: unknown) => (error = e));
    const plan = await planOf({ source: full.source.endpoint });
    await full.end();
    expectCheck(plan, 'source space', 'warn', /the quota is 3\.8 MiB/);
    expectCheck(plan, 'source health', 'stop', /alarm NOSPACE/);
  });

  it('an old version', async function () {
    if (!haveVersion('3.4.23')) this.skip();
    const old = await Stage.start({ version: '3.4.23' });
    await old.put(`${PODS}a`);
    const plan = await planOf({ source: old.source.endpoint });
    await old.end();
    expectCheck(plan, 'source versions', 'warn', /3\.4\.23.*whole key space/);
    expect(plan.source.members[0]!.quotaBytes).to.be.greaterThan(1e9);
    expect(Math.abs(plan.source.members[0]!.clockSeconds!)).to.be.lessThan(2);
    expectCheck(plan, 'clocks', 'ok');
    expect(checkOf(plan, 'source health').verdict).to.equal('ok');
  });
});
