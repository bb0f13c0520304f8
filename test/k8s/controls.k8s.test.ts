/**
 * What is found after moves that must fail, and after none: it shows that what is not found after a
 * cutover means something.
 */
import { expect } from 'chai';
import { Child } from '../rig/child.js';
import { binaries, Etcd } from '../rig/etcd.js';
import { podsFrom } from './apiserver.js';
import { describeKube } from './binaries.js';
import { findings, NEW_PODS, NOTHING } from './findings.js';
import { Lockstep, PREFIX } from './lockstep.js';
import { Scene } from './scene.js';
import { until } from './until.js';

describeKube('what is found after a move of the pods', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.start();
    await until('writes', () => scene.workload.pods.count('accepted') > 200);
  });
  afterEach(async () => {
    await scene.end();
  });

  it('nothing, where the apiservers only restart', async () => {
    await scene.freeze('apply');
    for (const apiserver of scene.cluster.apiservers) {
      scene.informer(`before the restart of ${apiserver.host}`);
      await scene.cluster.restart(apiserver, []);
    }
    await scene.freeze('remove');
    await scene.workload.stop();
    expect(await findings(scene)).to.deep.equal(NOTHING);
    expect(scene.workload.pods.count('refused')).to.be.above(0);
  });

  it('clients that listed during the freeze miss what happens, where there is no fence', async () => {
    const lockstep = await Lockstep.start(scene.cluster.etcd);
    try {
      const [first, last] = scene.cluster.apiservers;
      await scene.freeze('apply');
      await lockstep.drain();
      await scene.cluster.restart(first!, podsFrom(lockstep.target));
      // What else is written has moved the source's head on meanwhile.
      scene.cluster.balancer.use(last!);
      const late = scene.informer('during the freeze', { newest: true });
      await until('a list', () => late.lists === 1);
      await scene.cluster.restart(last!, podsFrom(lockstep.target));
      await scene.workload.stop();
      await scene.freeze('remove');

      const found = await findings(scene);
      const { informers } = found;
      expect(found).to.deep.equal({ ...NOTHING, informers });
      expect(informers.filter((one) => !one.startsWith('during the freeze: '))).to.deep.equal([]);
      expect(informers.filter((one) => one.includes('default/new-'))).to.have.length(NEW_PODS);
    } finally {
      await lockstep.remove();
    }
  });

  describe('make-mirror', () => {
    let target: Etcd;

    before(async () => {
      target = await Etcd.start();
    });
    after(async () => {
      await target.remove();
    });

    async function keys(etcd: Etcd): Promise<string> {
      return etcd.ctl('get', PREFIX, '--prefix');
    }

    it('no pod is scheduled, none replaced, clients miss what happens', async () => {
      const source = scene.cluster.etcd;
      const { etcdctl } = binaries(source.version);
      const args = [`--endpoints=${source.endpoint}`, 'make-mirror', `--prefix=${PREFIX}`];
      const mirror = new Child(etcdctl, [...args, target.endpoint], `${target.dataDir}.mirror.log`);
      await scene.freeze('apply');
      await until('the same pods', async () => (await keys(source)) === (await keys(target)));
      await mirror.kill();
      for (const apiserver of scene.cluster.apiservers) {
        await scene.cluster.restart(apiserver, podsFrom(target));
      }
      // Many more writes of pods, and the target's head would pass the revisions that clients hold:
      // from then on they see again, and never learn what they have missed.
      await scene.workload.stop();
      await scene.freeze('remove');

      const found = await findings(scene);
      expect(found.unscheduled).to.have.length(NEW_PODS);
      expect(found.unreplaced).not.to.be.empty;
      expect(found.changed, 'no pod has its resourceVersion').to.have.length(scene.still.size);
      const missed = (what: string) =>
        found.informers.filter((one) => one.startsWith(`${what}: default/new-`));
      expect(missed('all along')).to.have.length(NEW_PODS);
      expect(missed('the kubelet')).to.have.length(NEW_PODS);
    });
  });
});
