import { describeKube } from './binaries.js';
import { Cluster } from './cluster.js';
import { Nodes } from './nodes.js';
import { until } from './until.js';

const PODS = '/api/v1/namespaces/default/pods';

describeKube('rig: a control plane', () => {
  let cluster: Cluster;
  let nodes: Nodes;

  before(async () => {
    cluster = await Cluster.start();
    nodes = await Nodes.create(cluster.client);
  });
  after(async () => {
    await nodes.stop();
    await cluster.remove();
  });

  it('schedules a pod', async () => {
    const containers = [{ name: 'app', image: 'app' }];
    await cluster.client.create(PODS, { metadata: { name: 'one' }, spec: { containers } });
    await until('a node for the pod', async () => {
      const pod = await cluster.client.get(`${PODS}/one`);
      return pod.spec?.['nodeName'] !== undefined;
    });
  });
});
