/**
 * A split in four: events on an evening before, then in one night pods by lockstep and leases by a mirror,
 * each into an etcd of its own, by one flip to pre-warmed apiservers. And pods and leases together in one
 * other etcd, both by lockstep, in one freeze.
 *
 * Leaders and nodes are watched through all of it: a second scheduler and second controllers stand by, and
 * would lead if a lease were lost.
 */
import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, Running } from '../cli/run.js';
import * as contract from '../cli/contract.js';
import { liveAt, rowsOf } from '../oracle/rows.js';
import { Etcd } from '../rig/etcd.js';
import { overridesFlag, type ApiServer } from './apiserver.js';
import { describeKube } from './binaries.js';
import type { Component } from './component.js';
import { findings, NOTHING } from './findings.js';
import { Hook } from './hook.js';
import { PREFIX } from './lockstep.js';
import { listNow, Move, podRows } from './move.js';
import { prewarm, flipTo } from './prewarm.js';
import { cutoverReport, freezeText } from './reports.js';
import { Scene } from './scene.js';
import { Watchers } from './watchers.js';

const EVENTS = '/registry/events/';
const LEASES = '/registry/leases/';
/** Above any head of a source, as plan prints it. */
const BUMP = 1_000_000_000;
const NODES = 3;
/** Leaders count by the clock, and the machine is busy: there is no need for many pods here. */
const FEW = { workload: { still: 8, replicas: 3, writers: 1, pauseMs: 100 } };
/** The flip runs a command of ours, on a machine that is busy; leaders give up after ten. */
const SOON_SECONDS = 10;

/** An etcd for what is not in lockstep: empty, and its revisions begin above the source's. */
async function emptyAbove(dir: string): Promise<Etcd> {
  const empty = await Etcd.start();
  const file = join(dir, 'empty.db');
  try {
    await empty.ctl('snapshot', 'save', file);
  } finally {
    await empty.remove();
  }
  const restoreArgs = ['--bump-revision', String(BUMP), '--mark-compacted'];
  return Etcd.startFromSnapshot(file, { restoreArgs });
}

async function keysOf(etcd: Etcd, prefix: string): Promise<string[]> {
  const keys = await etcd.ctl('get', prefix, '--prefix', '--keys-only');
  return keys.split('\n').filter((line) => line !== '');
}

async function rows(etcd: Etcd, prefix: string, revision = Infinity): Promise<string[]> {
  const { rows } = await rowsOf(etcd, [prefix]);
  return liveAt(rows, revision).map(({ bytes }) => bytes.toString('latin1'));
}

describeKube('a split in four', () => {
  let scene: Scene;
  let move: Move;
  let standbys: Component[] = [];
  let watchers: Watchers;
  let warm: ApiServer[] = [];
  let events: Etcd;
  let leases: Etcd;
  let config: string;

  before(async () => {
    scene = await Scene.start(FEW);
    standbys = scene.cluster.standbys();
    watchers = await Watchers.begin(scene.cluster, NODES);
    events = await emptyAbove(scene.cluster.pki.dir);
    leases = await emptyAbove(scene.cluster.pki.dir);
    config = join(scene.cluster.pki.dir, 'split.yaml');
  });
  after(async () => {
    await watchers.stop();
    await Promise.all([...warm, ...standbys].map((one) => one.kill()));
    await move.end();
    await scene.end();
    await events.remove();
    await leases.remove();
  });

  it('events: an empty etcd, one apiserver restarted after the other; both API groups go there', async () => {
    const { cluster } = scene;
    for (const one of cluster.apiservers)
      await cluster.restart(one, [overridesFlag(`/events#${events.endpoint}`)]);
    const before = await keysOf(cluster.etcd, EVENTS);
    const of = { kind: 'Pod', namespace: 'default', name: 'still-0' };
    await cluster.client.create('/api/v1/namespaces/default/events', {
      ...{ metadata: { name: 'old-group' }, involvedObject: of, reason: 'Rig', type: 'Normal' },
    });
    await cluster.client.create('/apis/events.k8s.io/v1/namespaces/default/events', {
      ...{ metadata: { name: 'new-group' }, regarding: of, reason: 'Rig', type: 'Normal' },
      ...{ eventTime: new Date().toISOString().replace('Z', '000Z'), action: 'Rig' },
      ...{ reportingController: 'rig.test/rig', reportingInstance: 'rig', note: 'rig' },
    });
    const there = await keysOf(events, EVENTS);
    expect(there).to.include.members([
      ...[`${EVENTS}default/old-group`, `${EVENTS}default/new-group`],
    ]);
    const after = await keysOf(cluster.etcd, EVENTS);
    expect(after.filter((key) => !before.includes(key))).to.deep.equal([]);
  });

  it('pods and leases move in one flip, no leader and no node is lost', async () => {
    const { cluster } = scene;
    move = await Move.begin(scene);
    const { source, target, follower } = move.lockstep;
    const old = cluster.apiservers.map(({ url }) => url);
    writeConfig(source, target);
    const mirror = new Running(
      ['mirror', '-f', config, '--migration', 'leases', '-w', 'json'],
      {},
      600_000,
    );
    await mirror.line(contract.mirror, ({ caughtUpAt }) => caughtUpAt !== null);
    warm = await prewarm(
      cluster,
      `/events#${events.endpoint}`,
      `coordination.k8s.io/leases#${leases.endpoint}`,
      `/pods#${target.endpoint}`,
    );
    let left: string[] = [];
    let flipped = 0;
    const flip = await Hook.on(async () => {
      await listNow(scene, 'before the flip');
      const began = Date.now();
      await Promise.all(cluster.apiservers.map((one) => one.kill()));
      left = await rows(source, LEASES);
      const synced = ['mirror', '-f', config, '--migration', 'leases', '--until-synced'];
      const { code, stderr } = await run(synced);
      if (code !== 0) throw new Error(stderr);
      await flipTo(cluster, warm);
      flipped = Date.now();
      console.log(`      no apiserver for ${((flipped - began) / 1000).toFixed(1)} s`);
    });
    const night = ['cutover', '-f', config, '--migration', 'pods', '--yes', '-w', 'json'];
    const hooks = ['--old-apiservers', old.join(','), '--flip-hook', flip.command, '--watch', '1'];
    const urls = warm.map(({ url }) => url).join(',');
    await scene.workload.more(30);
    const ended = await new Running([...night, ...hooks, '--apiservers', urls], {}, 240_000).ended;
    flip.close();
    expect(ended.code, ended.stderr).to.equal(0);
    const report = cutoverReport(ended);
    console.log(`      ${freezeText(report)}`);
    expect(report.alarms).to.deep.equal([]);
    expect(report.prefixes).to.deep.equal([PREFIX]);
    expect((await follower.takenOver()).cutover!.exact).to.equal(report.exact);
    expect(await podRows(target, report.exact)).to.deep.equal(await podRows(source));
    // The one that ran on has lost its place to the one that was waited for.
    expect((await mirror.ended).code).to.equal(5);

    await scene.workload.more(30);
    await watchers.untilTold(flipped);
    await scene.workload.stop();
    expect(watchers.wrong).to.deep.equal([]);
    expect(await rows(source, LEASES), 'renewed on the source').to.deep.equal(left);
    expect((await keysOf(leases, LEASES)).length).to.be.at.least(left.length);
    expect(await findings(scene)).to.deep.equal(NOTHING);
    expect(standbys.map((one) => one.ended())).to.deep.equal([undefined, undefined]);
  });

  /** As `plan --split` begins it. */
  function writeConfig(source: Etcd, target: Etcd): void {
    const common = {
      source: { endpoints: [source.endpoint] },
      kubernetes: { kubeconfig: scene.cluster.kubeconfig },
      migrations: {
        pods: { target: { endpoints: [target.endpoint] }, prefixes: [PREFIX] },
        leases: { target: { endpoints: [leases.endpoint] }, prefixes: [LEASES] },
      },
    };
    writeFileSync(config, JSON.stringify(common)); // JSON is YAML
  }
});

describeKube('pods and leases into one etcd, in one freeze', () => {
  let scene: Scene;
  let move: Move;
  let standbys: Component[] = [];
  let watchers: Watchers;
  let warm: ApiServer[] = [];
  let flip: Hook;
  let flipped = 0;

  before(async () => {
    scene = await Scene.start(FEW);
    const { cluster } = scene;
    standbys = cluster.standbys();
    watchers = await Watchers.begin(cluster, NODES);
    move = await Move.begin(scene, [], [PREFIX, LEASES]);
    const { endpoint } = move.lockstep.target;
    warm = await prewarm(cluster, `/pods#${endpoint}`, `coordination.k8s.io/leases#${endpoint}`);
    flip = await Hook.on(async () => {
      await flipTo(cluster, warm);
      flipped = Date.now();
    });
  });
  after(async () => {
    flip.close();
    await watchers.stop();
    await Promise.all([...warm, ...standbys].map((one) => one.kill()));
    await move.end();
    await scene.end();
  });

  it('moves both at their revisions, no leader and no node is lost', async () => {
    const { source, target } = move.lockstep;
    await scene.workload.more(30);
    const old = scene.cluster.apiservers.map(({ url }) => url).join(',');
    const flags = ['--old-apiservers', old, '--flip-hook', flip.command];
    const ended = await move.run('cutover', { flags, apiservers: warm });
    expect(ended.code, ended.stderr).to.equal(0);
    const report = cutoverReport(ended);
    console.log(`      ${freezeText(report)}`);
    expect(report.alarms).to.deep.equal([]);
    expect(report.resources).to.have.members(['pods', 'leases.coordination.k8s.io']);
    expect(report.frozenSeconds).to.be.below(SOON_SECONDS);
    for (const prefix of [PREFIX, LEASES])
      expect(await rows(target, prefix, report.exact), prefix).to.deep.equal(
        await rows(source, prefix),
      );

    await scene.workload.more(30);
    await watchers.untilTold(flipped);
    await scene.workload.stop();
    expect(watchers.wrong).to.deep.equal([]);
    expect(await findings(scene)).to.deep.equal(NOTHING);
    expect(standbys.map((one) => one.ended())).to.deep.equal([undefined, undefined]);
  });
});
