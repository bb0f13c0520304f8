import { expect } from 'chai';
import { describeKube } from './binaries.js';
import { Cluster } from './cluster.js';
import { Informer } from './informer.js';
import { Kubelet } from './kubelet.js';
import { Nodes } from './nodes.js';
import { until } from './until.js';
import { podPath, PODS, Workload } from './workload.js';

describeKube('rig: a control plane', () => {
  let cluster: Cluster;
  let nodes: Nodes;
  let kubelet: Kubelet;
  let informer: Informer;

  before(async () => {
    cluster = await Cluster.start();
    nodes = await Nodes.create(cluster.client);
    kubelet = new Kubelet(cluster.client);
    informer = new Informer(cluster.client, '/api/v1/pods');
  });
  after(async () => {
    await informer.stop();
    await kubelet.stop();
    await nodes.stop();
    await cluster.remove();
  });

  async function nothingMissed(): Promise<void> {
    await until('equal copies', async () => (await informer.differences()).length === 0);
    await until('equal copies', async () => (await kubelet.informer.differences()).length === 0);
  }

  it('schedules pods, replaces deleted ones, loses no write', async () => {
    const workload = await Workload.start(cluster.client);
    await until('writes', () => workload.pods.count('accepted') > 200);
    await until('replaced pods', () => workload.replaced.length > 3);
    await workload.stop();

    await until('running pods', async () => {
      const { items } = await cluster.client.list(PODS);
      const started = items.filter(({ status }) => status?.['phase'] === 'Running');
      return started.length === items.length;
    });
    await until(
      'replicas',
      async () => (await workload.replicaPods()).length === workload.replicas,
    );
    await nothingMissed();
    expect(informer.lists).to.equal(1);

    const { items } = await cluster.client.list(PODS);
    const there = new Map(items.map((pod) => [podPath(pod), pod]));
    expect(workload.pods.problems(there)).to.deep.equal([]);
    expect(workload.pods.count('accepted')).to.equal(workload.pods.writes.length);
    expect(workload.others.count('accepted')).to.equal(workload.others.writes.length);
  });

  it('resumes informers after a cut, and over the restart of an apiserver', async () => {
    const [first, second] = cluster.apiservers;
    cluster.balancer.use(second!);
    expect(cluster.balancer.cut(first)).to.be.above(0);
    await first!.restart();
    cluster.balancer.use(first!);
    cluster.balancer.cut(second);
    const name = 'after-the-cut';
    const spec = { containers: [{ name: 'app', image: 'app' }] };
    // The client's own connection was cut, too.
    await until('a pod', () =>
      cluster.client.create(PODS, { metadata: { name }, spec }).then(
        () => true,
        () => false,
      ),
    );
    await until('a running pod', () => {
      const pod = informer.objects.get(`default/${name}`);
      return pod?.status?.['phase'] === 'Running';
    });
    await nothingMissed();
    // A fresh apiserver knows no event from before its start: who resumes below that lists again.
    expect(informer.lists).to.be.at.most(3);
  });
});
