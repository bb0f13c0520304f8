/**
 * A night whose way back stays open: rehearsed, there, kept open by a reverse that dies again and again, back
 * by the short way and killed in every step of it; and another one that ends by retire.
 */
import { expect } from 'chai';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rehearsalReport } from '../../src/report/rehearsalfacts.js';
import { Running, whole } from '../cli/run.js';
import { removeAtExit } from '../rig/child.js';
import type { ApiServer } from './apiserver.js';
import { describeKube } from './binaries.js';
import { findings, NOTHING } from './findings.js';
import { known, type Known } from './informer.js';
import { PREFIX } from './lockstep.js';
import { listNow, Move, podRows, reportOf } from './move.js';
import { frozen, phaseOf } from './night.js';
import { cutoverReport, freezeText, retireReport, rollbackReport } from './reports.js';
import { Scene } from './scene.js';

const ALL_PODS = '/api/v1/pods';
/** Behind the claim: nothing is frozen before, nor when it is over. */
const NOT_FROZEN = ['cutover.rollback.caught', 'cutover.rollback.unfrozen'];

/** Has an apiserver write what it is asked to change into its own log. */
function auditing(): string[] {
  const dir = mkdtempSync(join(tmpdir(), 'kube-audit-'));
  removeAtExit(dir);
  const policy = join(dir, 'policy.json');
  const rules = [{ level: 'Metadata', verbs: ['create', 'update', 'patch', 'delete'] }];
  // JSON is YAML
  writeFileSync(policy, JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules }));
  return [`--audit-policy-file=${policy}`, '--audit-log-path=-', '--audit-log-mode=blocking'];
}

/** What we have asked it to change, or to try: verb, and what it was about. */
function askedByUs({ logFile }: ApiServer): string[] {
  const lines = readFileSync(logFile, 'utf8').split('\n');
  return lines
    .filter((line) => line.startsWith('{"kind":"Event"'))
    .map((line) => JSON.parse(line) as { userAgent?: string; verb: string; requestURI: string })
    .filter(({ userAgent }) => userAgent === 'etcd-lockstep')
    .map(({ verb, requestURI }) => `${verb} ${requestURI}`);
}

describeKube('a night whose way back stays open', () => {
  let scene: Scene;
  let move: Move;

  before(async () => {
    scene = await Scene.start({ args: auditing() });
    move = await Move.begin(scene);
  });
  after(async () => {
    await move.end();
    await scene.end();
  });
  afterEach(async () => {
    await scene.workload.stop();
    expect(await findings(scene)).to.deep.equal(NOTHING);
    scene.workload.resume();
  });

  async function pods(): Promise<Known> {
    return known((await scene.cluster.client.list(ALL_PODS)).items);
  }

  async function open(running: Running): Promise<void> {
    await running.until(({ stdout }) => stdout.includes('"the way back is open"'));
  }

  it('is rehearsed, which changes nothing', async () => {
    await scene.workload.more(50);
    await scene.workload.stop();
    const { source, target } = move.lockstep;
    await move.lockstep.follower.until('near', ({ state }) => state === 'in lockstep');
    const before = await Promise.all([pods(), podRows(source), podRows(target)]);
    const rehearsed = await move.run('cutover', { flags: ['--rehearse', '--sample', '2s'] });
    const { rehearsal } = reportOf(rehearsed) as { rehearsal: unknown };
    const { findings: found, outlook } = rehearsalReport.parse(rehearsal);
    // That the apiservers advertise addresses that nobody listens on is found, and is the rig's.
    const others = found.filter(({ about }) => about !== 'endpoints');
    expect(others, rehearsed.stderr).to.deep.equal([]);
    expect(rehearsed.code).to.equal(0);
    console.log(`      foretold: ${JSON.stringify(outlook)}`);
    const urls = scene.cluster.apiservers.map(({ url }) => url);
    expect(move.hook.asked.map(({ apiserver, rehearsal }) => [apiserver, rehearsal])).to.deep.equal(
      urls.map((url) => [url, true]),
    );
    move.hook.asked.length = 0;
    const after = await Promise.all([pods(), podRows(source), podRows(target)]);
    expect(after).to.deep.equal(before);
    expect(await frozen(scene.cluster)).to.equal(false);
    expect(await phaseOf(target)).to.equal(undefined);
    for (const apiserver of scene.cluster.apiservers) {
      const asked = askedByUs(apiserver);
      expect(asked.filter((line) => line.includes('dryRun=All'))).not.to.deep.equal([]);
      const tried = /dryRun=All|selfsubjectaccessreviews/;
      expect(asked.filter((line) => !tried.test(line))).to.deep.equal([]);
    }
  });

  it('there; and a reverse that dies again and again keeps the way back open', async () => {
    const ended = await move.run('cutover');
    expect(ended.code, ended.stderr).to.equal(0);
    console.log(`      ${freezeText(cutoverReport(ended))}`);
    for (const dies of ['mirror.copy.claimed', 'mirror.copy.answer:9', 'mirror.copy.send:5:1']) {
      await scene.workload.more(20);
      const { code, stderr } = await move.reverse({ dies }).ended;
      expect(code, `${dies}: ${stderr}`).to.equal(null);
    }
  });

  it('back by the short way, killed in every step of it', async () => {
    const reverse = move.reverse();
    await open(reverse);
    await scene.workload.more(50);
    let before: Known = new Map();
    const deaths: Record<string, () => Promise<void>> = {
      'cutover.rollback.caught': () => scene.workload.more(20),
      'cutover.rollback.frozen': async () => {
        before = await pods();
        await listNow(scene, 'in the freeze');
      },
      'cutover.rollback.drained': () => listNow(scene, 'drained'),
      'cutover.rollback.raised': () => listNow(scene, 'raised'),
      'cutover.rollback.switched': () => listNow(scene, 'switched back'),
      'cutover.rollback.unfrozen': () => scene.workload.more(20),
    };
    for (const [dies, then] of Object.entries(deaths)) {
      const { code, stdout, stderr } = await move.run('rollback', { dies });
      expect(code, `${dies}:\n${stdout}${stderr}`).to.equal(null);
      expect(await frozen(scene.cluster), dies).to.equal(!NOT_FROZEN.includes(dies));
      await then();
    }
    const ended = await move.run('rollback');
    expect(ended.code, ended.stderr).to.equal(0);
    const { alarms, lateWrites } = rollbackReport(ended);
    expect({ alarms, lateWrites }).to.deep.equal({ alarms: [], lateWrites: [] });
    expect((await reverse.ended).code).to.equal(0);
    const after = await pods();
    for (const [name, was] of scene.still) expect(after.get(name), name).to.equal(was);
    expect(before.size).to.be.above(0);
    const { source, target } = move.lockstep;
    expect(await source.ctl('get', 'etcd-lockstep/', '--prefix')).to.equal('');
    expect(await phaseOf(target)).to.equal('rolled back');
  });

  it('another one, in one go: there with its reverse, back by the short way', async () => {
    await move.end();
    move = await Move.begin(scene);
    const night = move.start('cutover', {
      ...{ flags: ['--yes', '--switch-hook', move.hook.command], reverse: true },
    });
    await open(night);
    await scene.workload.more(100);
    const back = await move.run('rollback');
    expect(back.code, back.stderr).to.equal(0);
    const report = rollbackReport(back);
    console.log(`      own share of the way back: ${report.ownSeconds.toFixed(2)} s`);
    expect(report.back).to.deep.equal({ way: 'short', why: null });
    expect([report.alarms, report.brought.keys]).to.deep.equal([[], 0]);
    const { code, stderr } = await night.ended;
    expect(code, stderr).to.equal(0);
  });

  it('and one that is not gone back from: retire ends the reverse, and clears the source', async () => {
    await move.end();
    move = await Move.begin(scene);
    expect((await move.run('cutover')).code).to.equal(0);
    const reverse = move.reverse();
    await open(reverse);
    await scene.workload.more(50);
    const killed = await move.run('retire', { dies: 'cutover.retire.verified' });
    expect(killed.code, killed.stderr).to.equal(null);
    const retired = await move.run('retire');
    expect(retired.code, retired.stderr).to.equal(0);
    expect(retireReport(retired)).to.deep.include({ removed: true, left: 0 });
    const { code, stdout, stderr } = await reverse.ended;
    expect(code, stderr).to.equal(0);
    expect(whole(stdout).at(-1)).to.have.property('endedBy').that.is.oneOf(['retiring', 'retired']);
    expect(await move.lockstep.source.ctl('get', PREFIX, '--prefix', '--keys-only')).to.equal('');
  });
});
