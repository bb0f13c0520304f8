/** An operator who does by hand what we tell him to, and has forgotten an apiserver. */
import { expect } from 'chai';
import { errorOf, whole, type Running } from '../cli/run.js';
import type { ApiServer } from './apiserver.js';
import { describeKube } from './binaries.js';
import { KubeClient } from './client.js';
import { findings, NOTHING } from './findings.js';
import { PREFIX } from './lockstep.js';
import { Move } from './move.js';
import { cutoverReport } from './reports.js';
import { Scene } from './scene.js';
import { PODS } from './workload.js';

/** As a line of JSON has it. */
const WAITING = /waiting for (\d) apiserver.*?(--etcd-servers-overrides=[^'"\s]+)/g;

describeKube('cutover: by hand, and with an apiserver forgotten', () => {
  let scene: Scene;
  let move: Move;
  let known: ApiServer[];
  let forgotten: ApiServer;

  before(async () => {
    scene = await Scene.start({ apiservers: 3 });
    known = scene.cluster.apiservers.slice(0, 2);
    forgotten = scene.cluster.apiservers[2]!;
    scene.cluster.use(...known);
    move = await Move.begin(scene);
  });
  after(async () => {
    await move.end();
    await scene.end();
  });

  /** Restarts apiservers as he is told, until he is told no more. */
  async function byHand(running: Running): Promise<void> {
    for (const [i, apiserver] of known.entries()) {
      const left = known.length - i;
      const said = () => [...running.stderr.matchAll(WAITING)].find(([, n]) => n === `${left}`);
      await running.until(() => said() !== undefined);
      await scene.cluster.restart(apiserver, [said()![2]!]);
    }
  }

  function reached(step: string): ({ stdout }: { stdout: string }) => boolean {
    return ({ stdout }) =>
      whole(stdout).some((line) => (line as { step?: { name: string } }).step?.name === step);
  }

  it('is an alarm with the key of each late write; retire then refuses', async () => {
    await scene.workload.more(200);
    const flags = ['--yes', '--watch', '10'];
    const running = move.start('cutover', { flags, apiservers: known });
    await byHand(running);
    await running.until(reached('watch'));

    const client = new KubeClient(scene.cluster.pki, forgotten.url);
    const spec = { containers: [{ name: 'app', image: 'app' }] };
    await client.create(PODS, { metadata: { name: 'forgotten' }, spec });
    client.close();
    await scene.cluster.etcd.ctl('put', `${PREFIX}zz/by-etcdctl`, 'v');
    const ended = await running.ended;

    expect(ended.stderr).to.match(new RegExp(`WARNING: .* 10\\.255\\.0\\.3:${forgotten.port};`));
    expect(ended.code, ended.stderr).to.equal(1);
    const { lateWrites, alarms } = cutoverReport(ended);
    const keys = [`${PREFIX}default/forgotten`, `${PREFIX}zz/by-etcdctl`];
    expect(lateWrites.named.map(({ key }) => key)).to.deep.equal(keys);
    expect(alarms).to.have.length(2);
    for (const [i, key] of keys.entries()) expect(alarms[i]).to.include(key);

    const apiservers = known;
    const named = await move.run('retire');
    expect(errorOf(named).code, named.stderr).to.equal('STILL_USED');
    expect(errorOf(named).message).to.include(`${forgotten.url}: serves from source`);
    const written = await move.run('retire', { apiservers });
    expect(errorOf(written).code).to.equal('LATE_WRITE');
    expect(errorOf(written).message).to.include(keys[0]);

    await scene.workload.stop();
    expect(await findings(scene)).to.deep.equal(NOTHING);
  });
});
