/**
 * What goes wrong on the way, on one cluster: stopped before anything has happened, given up behind the
 * fence, killed in every step of the way there, killed in every step of the way back.
 */
import { expect } from 'chai';
import type { Ended } from '../cli/run.js';
import { errorOf, whole } from '../cli/run.js';
import { describeKube } from './binaries.js';
import { clonePod } from './clones.js';
import { findings, NOTHING } from './findings.js';
import { known, type Known } from './informer.js';
import { PREFIX } from './lockstep.js';
import { listNow, Move, podRows, type Command } from './move.js';
import { cutoverReport, rollbackReport } from './reports.js';
import { Scene } from './scene.js';
import { PODS } from './workload.js';

const ALL_PODS = '/api/v1/pods';
const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';

describeKube('cutover: aborted, killed, and back', () => {
  let scene: Scene;
  let move: Move;
  /** Where the target was the source's copy last. */
  let exact: number;

  before(async () => {
    scene = await Scene.start();
    move = await Move.begin(scene);
  });
  after(async () => {
    await move.end();
    await scene.end();
  });
  beforeEach(async () => {
    await scene.workload.more(100);
  });
  afterEach(async () => {
    await scene.workload.stop();
    expect(await findings(scene)).to.deep.equal(NOTHING);
    scene.workload.resume();
  });

  async function pods(): Promise<Known> {
    return known((await scene.cluster.client.list(ALL_PODS)).items);
  }

  async function frozen(): Promise<boolean> {
    const { items } = await scene.cluster.client.list(WEBHOOKS);
    return items.some(({ metadata }) => metadata.name === 'etcd-lockstep-freeze');
  }

  /** Dies at each of these, one run after the other, and then comes to its end. */
  async function throughDeaths(
    command: Command,
    deaths: Readonly<Record<string, () => Promise<void>>>,
  ): Promise<Ended> {
    for (const [dies, then] of Object.entries(deaths)) {
      const { code, stdout, stderr } = await move.run(command, { dies });
      expect(code, `${dies}:\n${stdout}${stderr}`).to.equal(null);
      expect(await frozen(), dies).to.equal(!/audited|unfrozen/.test(dies));
      await then();
    }
    return move.run(command);
  }

  it('its terminal lost before the takeover, lets writes in again', async () => {
    const running = move.start('cutover', { flags: ['--yes'] });
    const at = (name: string) => {
      const steps = whole(running.stdout).map((line) => (line as { step: { name: string } }).step);
      return steps.some((step) => step.name === name);
    };
    await running.until(() => at('freeze'));
    await move.lockstep.follower.kill();
    await running.until(() => at('compare'));
    expect(await frozen()).to.equal(true);
    running.hangUp();
    expect((await running.ended).code).to.equal(130);
    expect(await frozen()).to.equal(false);
    await scene.workload.more(50);

    const late = await move.run('cutover', { flags: ['--max-freeze', '2'] });
    expect(errorOf(late).code).to.equal('NOT_DRAINED');
    expect(await frozen()).to.equal(false);

    await move.lockstep.follow();
    expect(move.hook.asked).to.deep.equal([]);
  });

  it('given up behind the fence for a late write, goes back, and the write stays', async () => {
    const { etcd, client } = scene.cluster;
    const dead = await move.run('cutover', { dies: 'cutover.fenced' });
    expect(dead.code).to.equal(null);
    await listNow(scene, 'behind the fence');
    await clonePod(etcd, 'still-0', ['late-00']);
    const refused = await move.run('cutover');
    expect(errorOf(refused).code, refused.stderr).to.equal('LATE_WRITE');
    expect(errorOf(refused).message).to.include(`${PREFIX}default/late-00`);

    const before = await pods();
    const ended = await move.run('rollback', { dies: 'cutover.rollback.switched' });
    expect(ended.code).to.equal(null);
    expect(await pods()).to.deep.equal(before);
    const again = await move.run('rollback');
    expect(again.code, again.stderr).to.equal(0);
    expect(rollbackReport(again).alarms).to.deep.equal([]);
    expect(move.hook.asked).to.deep.equal([]);
    expect(await etcd.ctl('get', 'etcd-lockstep/', '--prefix')).to.equal('');
    await client.get(`${PODS}/late-00`);

    await move.end();
    move = await Move.begin(scene);
  });

  it('killed in every step, goes on', async () => {
    const nothing = () => Promise.resolve();
    const list = () => listNow(scene, 'between two runs');
    const ended = await throughDeaths('cutover', {
      'cutover.audited': nothing,
      'cutover.frozen': list,
      'cutover.drained': nothing,
      'cutover.takeover.send': nothing,
      'cutover.takeover.answer': list,
      'cutover.fenced': nothing,
      'cutover.moved': list,
      // The second apiserver: the first has moved already.
      'cutover.moved:1': nothing,
      'cutover.switched': list,
      'cutover.unfrozen': nothing,
    });
    expect(ended.code, ended.stderr).to.equal(0);
    const report = cutoverReport(ended);
    expect(report.alarms).to.deep.equal([]);
    expect(move.hook.asked.map(({ apiserver }) => apiserver)).to.deep.equal(report.apiservers);
    ({ exact } = report);
    const { source, target } = move.lockstep;
    expect(await podRows(target, exact)).to.deep.equal(await podRows(source));
  });

  it('rolled back, and killed in every step of it', async () => {
    const { source } = move.lockstep;
    let before: Known = new Map();
    let after: Known = new Map();
    const list = () => listNow(scene, 'on the way back');
    const ended = await throughDeaths('rollback', {
      'cutover.rollback.frozen': async () => {
        before = await pods();
        await list();
      },
      'cutover.rollback.raised': list,
      'cutover.bring.send:3': list,
      'cutover.rollback.brought': list,
      'cutover.rollback.switched': async () => {
        after = await pods();
        await list();
      },
      'cutover.rollback.unfrozen': () => scene.workload.more(20),
    });
    expect(ended.code, ended.stderr).to.equal(0);
    const report = rollbackReport(ended);
    expect(report.alarms).to.deep.equal([]);
    expect(report.lateWrites).to.deep.equal([]);

    expect([...after.keys()]).to.have.members([...before.keys()]);
    let changed = 0;
    for (const [name, was] of before) {
      const [uid, revision] = was.split('@') as [string, string];
      const [sameUid, now] = after.get(name)!.split('@') as [string, string];
      expect(sameUid, name).to.equal(uid);
      if (Number(revision) <= exact) expect(now, name).to.equal(revision);
      else expect(Number(now), name).to.be.above(Number(revision));
      if (Number(revision) > exact) changed++;
    }
    expect(changed).to.be.above(0).and.below(before.size);
    expect(await source.ctl('get', 'etcd-lockstep/', '--prefix')).to.equal('');
    expect(await source.ctl('get', PREFIX, '--prefix', '--keys-only')).not.to.equal('');
    for (const { overrides } of move.hook.asked.slice(-2)) expect(overrides).to.equal('');

    const again = await move.run('cutover');
    expect(errorOf(again).code).to.equal('TARGET_CUT_OVER');
  });
});
