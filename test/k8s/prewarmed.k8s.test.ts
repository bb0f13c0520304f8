/** A cutover to apiservers that serve from the target already: the freeze ends with the balancer's flip. */
import { expect } from 'chai';
import type { ApiServer } from './apiserver.js';
import { describeKube } from './binaries.js';
import { findings, NOTHING } from './findings.js';
import { Hook } from './hook.js';
import { listNow, Move, podRows } from './move.js';
import { flipTo, prewarm } from './prewarm.js';
import { cutoverReport, freezeText } from './reports.js';
import { Scene } from './scene.js';

/** Without what it takes to start an apiserver; about one second here, on two busy cores. */
const SOON_SECONDS = 10;
/** As who wants it short would have it. */
const PROPOSALS = ['--dest-peers', 'members'];

describeKube('cutover: pre-warmed apiservers', () => {
  let scene: Scene;
  let move: Move;
  let warm: ApiServer[] = [];
  let flip: Hook;

  before(async () => {
    scene = await Scene.start();
    move = await Move.begin(scene, PROPOSALS);
    warm = await prewarm(scene.cluster, `/pods#${move.lockstep.target.endpoint}`);
    flip = await Hook.on(async () => {
      await listNow(scene, 'before the flip');
      await flipTo(scene.cluster, warm);
    });
  });
  after(async () => {
    flip.close();
    await Promise.all(warm.map((one) => one.kill()));
    await move.end();
    await scene.end();
  });

  it('moves the pods in about the time of our own share', async () => {
    const { source, target, follower } = move.lockstep;
    await follower.until(
      'near, by proposals',
      ({ state, way }) => state === 'in lockstep' && way.by === 'proposals',
    );
    await scene.workload.more(200);
    const old = scene.cluster.apiservers.map(({ url }) => url).join(',');
    const flags = ['--old-apiservers', old, '--flip-hook', flip.command, ...PROPOSALS];
    const ended = await move.run('cutover', { flags, apiservers: warm });
    const report = cutoverReport(ended);
    console.log(`      ${freezeText(report)}`);

    expect(ended.code, ended.stderr).to.equal(0);
    expect(report.alarms).to.deep.equal([]);
    expect(report.frozenSeconds).to.be.below(SOON_SECONDS);
    expect(flip.asked).to.have.length(1);
    expect(move.hook.asked, 'they were there already').to.deep.equal([]);
    expect((await follower.takenOver()).cutover!.exact).to.equal(report.exact);
    expect(await podRows(target, report.exact)).to.deep.equal(await podRows(source));

    await scene.workload.more(100);
    await scene.workload.stop();
    expect(await findings(scene)).to.deep.equal(NOTHING);
    expect(scene.workload.pods.count('refused')).to.be.above(0);
  });
});
