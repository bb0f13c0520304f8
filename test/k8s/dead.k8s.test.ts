/**
 * Apiservers that die or hang on the way there and back. The first of the list is the one, because
 * nothing may depend on it.
 */
import { expect } from 'chai';
import { errorOf, OnTerminal, run, type Ended, type Running } from '../cli/run.js';
import type { ApiServer } from './apiserver.js';
import { Bare, createPod } from './bare.js';
import { describeKube } from './binaries.js';
import { frozen, phaseOf, reached } from './night.js';
import { until } from './until.js';

const DELETED = '/api/v1/namespaces/default/pods/back';

/** What may become of an apiserver, and how it comes back with the flags that it had. */
const FATES = {
  dead: {
    strike: async (api: ApiServer) => api.kill(),
    mend: async (api: ApiServer) => api.restart(),
  },
  paused: {
    strike: (api: ApiServer) => Promise.resolve(void process.kill(api.pid, 'SIGSTOP')),
    mend: (api: ApiServer) => Promise.resolve(void process.kill(api.pid, 'SIGCONT')),
  },
};

describeKube('apiservers that die or hang', () => {
  let bare: Bare;

  before(async () => {
    bare = await Bare.start();
  });
  after(async () => {
    await bare.end();
  });

  /** Away from its clients at once, as a balancer's health check does it. */
  async function strike(fate: keyof typeof FATES): Promise<void> {
    bare.cluster.without(bare.first());
    await FATES[fate].strike(bare.first());
  }

  async function mend(fate: keyof typeof FATES): Promise<void> {
    await FATES[fate].mend(bare.first());
    await bare.first().ready();
    bare.cluster.use(...bare.cluster.apiservers);
  }

  function refused(ended: Ended): void {
    const { code, message, hint = '' } = errorOf(ended);
    expect(code, ended.stderr).to.equal('KUBE_UNAVAILABLE');
    expect(`${message} ${hint}`).to.include(`--without ${bare.first().url}`);
    expect(ended.code).to.equal(3);
  }

  async function freeze(...args: string[]): Promise<Ended> {
    const { cluster } = bare;
    const urls = cluster.apiservers.map(({ url }) => url).join(',');
    const at = ['--kubeconfig', cluster.kubeconfig, '--apiservers', urls, '-w', 'json'];
    return run(['freeze', ...args, ...at]);
  }

  async function done(running: Running, phase: string): Promise<void> {
    const ended = await running.ended;
    expect(ended.code, ended.stderr).to.equal(0);
    expect(await frozen(bare.cluster)).to.equal(false);
    expect(await phaseOf(bare.lockstep.target)).to.equal(phase);
  }

  for (const fate of ['dead', 'paused'] as const) {
    it(`${fate} before go: refused, by its name; nothing is frozen`, async () => {
      await strike(fate);
      const running = bare.start('cutover');
      refused(await running.ended);
      expect(reached('freeze')(running)).to.equal(false);
      const applied = await freeze('apply');
      expect(errorOf(applied).hint).to.include(`leave ${bare.first().url} out of --apiservers`);
      expect(applied.stdout).to.equal('');
      expect(await frozen(bare.cluster)).to.equal(false);
      await mend(fate);
    });

    it(`${fate} while it waited for go: refused, and nothing is frozen`, async () => {
      const waiting = new OnTerminal(bare.flags('cutover'), bare.lockstep.dir);
      await waiting.until('Type go');
      await strike(fate);
      waiting.type('go\n');
      expect(await waiting.code(), waiting.output).to.equal(3);
      expect(waiting.output.replaceAll(/\s+/g, ' ')).to.include(`--without ${bare.first().url}`);
      expect(waiting.output).not.to.include('freeze:');
      expect(await frozen(bare.cluster)).to.equal(false);
      await mend(fate);
    });

    it(`${fate} in the freeze: Ctrl-C lets writes in by the other, and says where it was not seen`, async () => {
      const running = bare.start('cutover', { flags: ['--quiet', '60s'] });
      await running.until(reached('drain'));
      await strike(fate);
      running.signal('SIGINT');
      const ended = await running.ended;
      expect(ended.code, ended.stderr).to.equal(130);
      expect(await frozen(bare.cluster)).to.equal(false);
      expect(ended.stderr).to.include(bare.first().url);
      await createPod(bare.cluster, 'back');
      await bare.cluster.client.delete(DELETED);
      await mend(fate);
    });

    it(`${fate}, a freeze is removed by the other, and open is not said`, async () => {
      const applied = await freeze('apply');
      expect(applied.code, applied.stderr).to.equal(0);
      await strike(fate);
      const removed = await freeze('remove');
      expect(removed.code).to.equal(3);
      expect(removed.stdout).to.equal('');
      expect(errorOf(removed).message).to.include(bare.first().url);
      expect(await frozen(bare.cluster)).to.equal(false);
      await mend(fate);
    });

    it(`${fate} when it has moved, and when writes are let in: waited for, there and back`, async () => {
      for (const [command, phase] of [
        ['cutover', 'done'],
        ['rollback', 'rolled back'],
      ] as const) {
        bare.onHook = async (asked) => {
          await bare.restart(asked);
          if (asked.apiserver !== bare.first().url) await strike(fate);
        };
        const running = bare.start(command);
        await running.until(({ stderr }) =>
          stderr.includes(`${bare.first().url}  (does not answer)`),
        );
        expect(reached('unfreeze')(running)).to.equal(false);
        await mendAsMoved(fate);
        await running.until(reached('unfreeze'));
        await strike(fate);
        await mendAsMoved(fate);
        await done(running, phase);
      }
      await bare.again();
    });
  }

  it('left out because it is dead: goes through, and back', async () => {
    const without = { flags: ['--without', bare.first().url] };
    const alive = await bare.run('cutover', without);
    expect(errorOf(alive).code, alive.stderr).to.equal('STILL_USED');
    expect(await frozen(bare.cluster)).to.equal(false);

    await strike('dead');
    await done(bare.start('cutover', without), 'done');
    refused(await bare.run('rollback'));
    expect(await phaseOf(bare.lockstep.target)).to.equal('done');
    await done(bare.start('rollback', without), 'rolled back');
    await mend('dead');
    await bare.again();
  });

  it('left out, and back in the switch: nobody is let in before it is gone', async () => {
    const without = { flags: ['--without', bare.first().url] };
    await strike('dead');
    bare.onHook = async (asked) => {
      await bare.first().restart();
      await bare.restart(asked);
    };
    const running = bare.start('cutover', without);
    const said = `${bare.first().url}  (serves from source)`;
    await running.until(({ stderr }) => stderr.includes(said));
    expect(await frozen(bare.cluster)).to.equal(true);
    await strike('dead');
    await done(running, 'done');
    await done(bare.start('rollback', without), 'rolled back');
    await mend('dead');
  });

  /** With the flags that the hook has given it last. */
  async function mendAsMoved(fate: keyof typeof FATES): Promise<void> {
    const { url } = bare.first();
    const asked = bare.hook.asked.findLast(({ apiserver }) => apiserver === url)!;
    if (fate === 'paused') await FATES.paused.mend(bare.first());
    else await bare.restart(asked);
    await until('it serves', async () =>
      bare
        .first()
        .ready()
        .then(() => true),
    );
    bare.cluster.use(...bare.cluster.apiservers);
  }
});
