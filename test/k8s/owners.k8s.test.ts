/**
 * Two operators, one night. Each scenario has a target of its own, and whatever happens, no accepted pod
 * is lost, no freeze is left and the source serves when it is over.
 */
import { expect } from 'chai';
import { errorOf, OnTerminal, run, whole, type Running } from '../cli/run.js';
import { describeKube } from './binaries.js';
import { findings, NOTHING } from './findings.js';
import { Hook, type Asked } from './hook.js';
import { Move, moveApiserver, type Command } from './move.js';
import { frozen, phaseOf, reached } from './night.js';
import { rollbackReport } from './reports.js';
import { Scene } from './scene.js';
import { until } from './until.js';

const FATAL = 5;

describeKube('two operators, one night', () => {
  let scene: Scene;
  let move: Move;
  const hooks: Hook[] = [];

  before(async () => {
    scene = await Scene.start();
  });
  after(async () => {
    await scene.end();
  });
  beforeEach(async () => {
    move = await Move.begin(scene);
    await scene.workload.more(50);
  });
  afterEach(async () => {
    for (const hook of hooks.splice(0)) hook.close();
    const served = await phaseOf(move.lockstep.target);
    if (served !== undefined && served !== 'rolled back') await rollBack();
    expect(await frozen(scene.cluster)).to.equal(false);
    await move.end();
    await scene.workload.stop();
    expect(await findings(scene)).to.deep.equal(NOTHING);
    scene.workload.resume();
  });

  /** The operator A, whose hook does this. */
  async function cutover(act: (asked: Asked) => Promise<void>, ...flags: string[]) {
    const hook = await Hook.on(act);
    hooks.push(hook);
    const command = ['--yes', '--switch-hook', hook.command];
    return { hook, running: move.start('cutover', { flags: [...command, ...flags] }) };
  }

  async function rollBack(): Promise<void> {
    const ended = await move.run('rollback');
    expect(ended.code, ended.stderr).to.equal(0);
    expect(await phaseOf(move.lockstep.target)).to.equal('rolled back');
  }

  /** A lost the night, said so, and wrote nothing afterwards. */
  async function lost(running: Running): Promise<void> {
    const ended = await running.ended;
    expect(errorOf(ended).code, ended.stderr).to.equal('OTHER_RUN');
    expect(errorOf(ended).message).to.include('rollback on ');
    expect(ended.code).to.equal(FATAL);
    expect(await phaseOf(move.lockstep.target)).to.equal('rolled back');
  }

  function asFlags(command: Command): string[] {
    const { source, target } = move.lockstep;
    const { kubeconfig, apiservers } = scene.cluster;
    return [
      ...[command, '--endpoints', source.endpoint, '--dest-endpoints', target.endpoint],
      ...['--kubeconfig', kubeconfig, '--apiservers', apiservers.map(({ url }) => url).join(',')],
      ...['--watch', '1'],
    ];
  }

  async function removeFreeze(...flags: string[]) {
    const { kubeconfig, apiservers } = scene.cluster;
    const urls = apiservers.map(({ url }) => url).join(',');
    const at = ['--kubeconfig', kubeconfig, '--apiservers', urls, '-w', 'json'];
    return run(['freeze', 'remove', ...at, ...flags]);
  }

  describe('rollback against a live cutover', () => {
    it('whose hook has moved nobody yet', async () => {
      let asked = false;
      const { hook, running } = await cutover(() => {
        asked = true;
        return new Promise(() => undefined);
      });
      await running.until(() => asked);
      await rollBack();
      await lost(running);
      expect(hook.asked).to.have.length(1);
      expect(move.hook.asked).to.deep.equal([]);
    });

    it('that has moved one apiserver, and hangs', async () => {
      let goOn: (() => void) | undefined;
      const { hook, running } = await cutover(async (asked) => {
        await moveApiserver(scene, asked);
        running.signal('SIGSTOP');
        await new Promise<void>((resolve) => (goOn = resolve));
      });
      await running.until(() => goOn !== undefined);
      await rollBack();
      expect(move.hook.asked.map(({ overrides }) => overrides)).to.deep.equal(['']);
      goOn!();
      running.signal('SIGCONT');
      await lost(running);
      expect(hook.asked).to.have.length(1);
    });
  });

  describe('two prompts', () => {
    it('a rollback that has waited while another one did it all changes nothing', async () => {
      const there = await move.run('cutover');
      expect(there.code, there.stderr).to.equal(0);
      await scene.workload.more(50);
      const waiting = new OnTerminal(asFlags('rollback'), move.lockstep.dir);
      await waiting.until('Type go');
      await rollBack();
      await scene.workload.more(50);
      const refused = scene.workload.pods.count('refused');
      const asked = move.hook.asked.length;
      waiting.type('go\n');
      expect(await waiting.code(), waiting.output).to.equal(0);
      expect(waiting.output).to.include('it is rolled back already');
      expect(scene.workload.pods.count('refused')).to.equal(refused);
      expect(move.hook.asked).to.have.length(asked);
    });

    it('a cutover that has waited while another one did it all ends, and goes on when it is run again', async () => {
      const waiting = new OnTerminal(asFlags('cutover'), move.lockstep.dir);
      await waiting.until('Type go');
      const there = await move.run('cutover');
      expect(there.code, there.stderr).to.equal(0);
      const refused = scene.workload.pods.count('refused');
      waiting.type('go\n');
      expect(await waiting.code(), waiting.output).to.equal(FATAL);
      expect(waiting.output).to.include('the night has been taken over by cutover on ');
      expect(await frozen(scene.cluster)).to.equal(false);

      const again = await move.run('cutover');
      expect(again.code, again.stderr).to.equal(0);
      expect(await frozen(scene.cluster)).to.equal(false);
      expect(scene.workload.pods.count('refused')).to.equal(refused);
      expect(await phaseOf(move.lockstep.target)).to.equal('done');
    });
  });

  describe('a foreign thaw', () => {
    it("is not done by another one's Ctrl-C, nor by his go", async () => {
      const leaving = new OnTerminal(asFlags('cutover'), move.lockstep.dir);
      const going = new OnTerminal(asFlags('cutover'), move.lockstep.dir);
      await leaving.until('Type go');
      await going.until('Type go');
      const { running } = await cutover((asked) => moveApiserver(scene, asked), '--quiet', '3s');
      await running.until(reached('drain'));
      leaving.type('\x03');
      going.type('go\n');
      expect(await leaving.code(), leaving.output).to.equal(130);
      expect(await going.code(), going.output).to.equal(FATAL);
      expect(going.output).to.include('writes have been frozen by cutover on ');
      expect(reached('compare')(running), 'too late to tell').to.equal(false);
      expect(await frozen(scene.cluster)).to.equal(true);
      const ended = await running.ended;
      expect(ended.code, ended.stderr).to.equal(0);
    });

    it('before the takeover is noticed by whom it was taken from', async () => {
      const { hook, running } = await cutover(() => Promise.resolve(), '--quiet', '1s');
      await running.until(reached('drain'));
      running.signal('SIGSTOP');
      const refused = await removeFreeze();
      expect(errorOf(refused).code).to.equal('FREEZE_TAKEN');
      expect(errorOf(refused).hint).to.include('--force');
      const removed = await removeFreeze('--force');
      expect(removed.code, removed.stderr).to.equal(0);
      await scene.workload.more(20);
      running.signal('SIGCONT');
      const ended = await running.ended;
      expect(ended.code, ended.stderr).to.equal(FATAL);
      expect(errorOf(ended).code).to.equal('FREEZE_LOST');
      expect(await phaseOf(move.lockstep.target)).to.equal(undefined);
      expect(hook.asked).to.deep.equal([]);
    });

    it('by a second cutover that is given up ends the first, and leaves no freeze', async () => {
      const { hook, running } = await cutover(() => Promise.resolve(), '--quiet', '1s');
      await running.until(reached('drain'));
      running.signal('SIGSTOP');
      const other = move.start('cutover', { flags: ['--yes', '--quiet', '60s'] });
      await other.until(reached('drain'));
      other.signal('SIGINT');
      expect((await other.ended).code).to.equal(130);
      expect(await frozen(scene.cluster)).to.equal(false);
      await scene.workload.more(20);
      running.signal('SIGCONT');
      const ended = await running.ended;
      expect(ended.code, ended.stderr).to.equal(FATAL);
      expect(errorOf(ended).code).to.equal('FREEZE_LOST');
      expect(await phaseOf(move.lockstep.target)).to.equal(undefined);
      expect(hook.asked).to.deep.equal([]);
    });

    it('behind the takeover stops it, and what was written meanwhile stays', async () => {
      const { hook, running } = await cutover(() => Promise.resolve(), '--margin', '100000');
      await running.until(reached('fence'));
      running.signal('SIGSTOP');
      await until('the takeover', async () => (await phaseOf(move.lockstep.target)) === 'fenced');
      const refused = await removeFreeze();
      expect(errorOf(refused).hint).to.include('The target has been taken over');
      const removed = await removeFreeze('--force');
      expect(removed.code, removed.stderr).to.equal(0);
      await scene.workload.more(20);
      running.signal('SIGCONT');
      const ended = await running.ended;
      expect(ended.code, ended.stderr).to.equal(FATAL);
      expect(errorOf(ended).code).to.equal('FREEZE_LOST');
      expect(hook.asked).to.deep.equal([]);

      const again = await move.run('cutover');
      expect(errorOf(again).code, again.stderr).to.equal('LATE_WRITE');
      expect(move.hook.asked).to.deep.equal([]);
      const back = await move.run('rollback');
      expect(rollbackReport(back).alarms).to.deep.equal([]);
      expect(whole(back.stdout)).not.to.deep.equal([]);
    });
  });
});
