/** A cutover that restarts one apiserver after the other, and then what was moved is retired. */
import { expect } from 'chai';
import { rowsOf } from '../oracle/rows.js';
import type { Etcd } from '../rig/etcd.js';
import { describeKube } from './binaries.js';
import { clonePod } from './clones.js';
import { findings, NOTHING } from './findings.js';
import { PREFIX } from './lockstep.js';
import { Move, podRows } from './move.js';
import { cutoverReport, freezeText, retireReport, type CutoverReport } from './reports.js';
import { Scene } from './scene.js';
import { until } from './until.js';

const STEPS = [
  ...['preflight', 'audit', 'freeze', 'drain', 'compare', 'takeover', 'fence', 'switch'],
  ...['unfreeze', 'watch'],
];

describeKube('cutover: one apiserver after the other', () => {
  let scene: Scene;
  let move: Move;
  let report: CutoverReport;

  before(async () => {
    scene = await Scene.start();
    // More than retire removes at once.
    const clones = Array.from({ length: 120 }, (_, i) => `pod-${String(i).padStart(3, '0')}`);
    await clonePod(scene.cluster.etcd, 'still-0', clones);
    move = await Move.begin(scene);
  });
  after(async () => {
    await move.end();
    await scene.end();
  });

  it('moves the pods, and nobody notices but the freeze', async () => {
    const { source, target, follower } = move.lockstep;
    await scene.workload.more(200);
    const ended = await move.run('cutover');
    report = cutoverReport(ended);
    console.log(`      ${freezeText(report)}`);

    expect(ended.code, ended.stderr).to.equal(0);
    expect(report.steps.map(({ step }) => step)).to.deep.equal(STEPS);
    expect(report.prefixes).to.deep.equal([PREFIX]);
    expect(report.apiservers).to.deep.equal(scene.cluster.apiservers.map(({ url }) => url));
    expect(report.alarms).to.deep.equal([]);
    expect(report.lateWrites.count).to.equal(0);
    expect(report.heads!.target).to.be.above(report.heads!.source);
    expect(report.frozenSeconds).to.be.above(report.ownSeconds);

    expect((await follower.takenOver()).cutover!.exact).to.equal(report.exact);
    const rows = await podRows(source, report.exact);
    expect(rows).to.have.length(report.keys);
    expect(await podRows(target, report.exact)).to.deep.equal(rows);
    expect(await podRows(source), 'written since').to.deep.equal(rows);

    await scene.workload.more(100);
    await scene.workload.stop();
    expect(await findings(scene)).to.deep.equal(NOTHING);
    expect(scene.workload.pods.count('refused')).to.be.above(0);
  });

  it('retires what was moved, killed in between, and nothing else', async () => {
    const { source, target } = move.lockstep;
    const cutOver = { keys: report.keys, checksum: report.checksum };
    const before = await podRows(source);
    const { head } = await rowsOf(source, []);
    scene.workload.resume();

    const dry = await move.start('retire').ended;
    expect(dry.code, dry.stderr).to.equal(0);
    expect(retireReport(dry)).to.include({ removed: false, ...cutOver, left: report.keys });
    expect(await podRows(source)).to.deep.equal(before);

    const verified = await move.run('retire', { dies: 'cutover.retire.verified' });
    expect(verified.code, verified.stderr).to.equal(null);
    expect(await podRows(source)).to.deep.equal(before);

    const slow = move.start('retire', { flags: ['--yes', '--rate', '20'] });
    await until('a page less', async () => (await keysLeft(source)) < report.keys);
    slow.signal('SIGKILL');
    await slow.ended;
    expect(await keysLeft(source)).to.be.above(0);

    const last = await move.run('retire', { dies: 'cutover.retire.removed' });
    expect(last.code, last.stderr).to.equal(null);
    expect(await keysLeft(source)).to.equal(0);
    const ended = await move.run('retire');
    expect(ended.code, ended.stderr).to.equal(0);
    expect(retireReport(ended)).to.deep.include({ removed: true, keys: 0, left: 0, cutOver });

    await onlyPodsRemoved(source, head, report.keys);
    // Of ours only what says that it is over.
    const own = await target.ctl('get', 'etcd-lockstep/', '--prefix');
    expect(own).to.match(/^etcd-lockstep\/cutover\n.*"phase":"retired"/);
    expect(own.split('etcd-lockstep/')).to.have.length(2);
    await scene.workload.more(100);
    await scene.workload.stop();
    expect(await findings(scene)).to.deep.equal(NOTHING);
  });
});

async function keysLeft(etcd: Etcd): Promise<number> {
  const keys = await etcd.ctl('get', PREFIX, '--prefix', '--keys-only');
  return keys.split('\n').filter((line) => line !== '').length;
}

/** By the etcd's own file: the revisions that removed pods have nothing else in them. */
async function onlyPodsRemoved(etcd: Etcd, after: number, keys: number): Promise<void> {
  const { rows } = await rowsOf(etcd, [''], { above: after });
  const isPod = ({ key }: { key: Buffer }) => key.toString().startsWith(PREFIX);
  const removed = rows.filter((row) => row.tombstone && isPod(row));
  expect(removed).to.have.length(keys);
  const revisions = new Set(removed.map(({ main }) => main));
  expect(rows.filter((row) => revisions.has(row.main) && !isPod(row))).to.deep.equal([]);
}
