/** A cutover that restarts one apiserver after the other, and then what was moved is retired. */
import { expect } from 'chai';
import { describeKube } from './binaries.js';
import { findings, NOTHING } from './findings.js';
import { PREFIX } from './lockstep.js';
import { Move, podRows } from './move.js';
import { cutoverReport, freezeText } from './reports.js';
import { Scene } from './scene.js';
import { until } from './until.js';

const STEPS = [
  ...['preflight', 'audit', 'freeze', 'drain', 'compare', 'takeover', 'fence', 'switch'],
  ...['unfreeze', 'watch'],
];

describeKube('cutover: one apiserver after the other', () => {
  let scene: Scene;
  let move: Move;

  before(async () => {
    scene = await Scene.start();
    move = await Move.begin(scene);
  });
  after(async () => {
    await move.end();
    await scene.end();
  });

  it('moves the pods, and nobody notices but the freeze', async () => {
    const { source, target, follower } = move.lockstep;
    await until('writes', () => scene.workload.pods.count('accepted') > 200);
    const ended = await move.run('cutover');
    const report = cutoverReport(ended);
    console.log(`      ${freezeText(report)}`);

    expect(ended.code, ended.stderr).to.equal(0);
    expect(report.steps.map(({ step }) => step)).to.deep.equal(STEPS);
    expect(report.prefixes).to.deep.equal([PREFIX]);
    expect(report.apiservers).to.deep.equal(scene.cluster.apiservers.map(({ url }) => url));
    expect(report.alarms).to.deep.equal([]);
    expect(report.lateWrites.count).to.equal(0);
    expect(report.heads!.target).to.be.above(report.heads!.source);
    expect(report.frozenSeconds).to.be.above(report.ownSeconds);

    const { error } = await follower.stopped();
    expect(error.code).to.equal('TARGET_CUT_OVER');
    const rows = await podRows(source, report.exact);
    expect(rows).to.have.length(report.keys);
    expect(await podRows(target, report.exact)).to.deep.equal(rows);
    expect(await podRows(source), 'written since').to.deep.equal(rows);

    const accepted = scene.workload.pods.count('accepted');
    await until('writes', () => scene.workload.pods.count('accepted') > accepted + 100);
    await scene.workload.stop();
    expect(await findings(scene)).to.deep.equal(NOTHING);
    expect(scene.workload.pods.count('refused')).to.be.above(0);
  });
});
