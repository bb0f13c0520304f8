/** A real apiserver takes what lies in deploy/kubernetes, as a dry run; of the ServiceMonitor it knows nothing. */
import { expect } from 'chai';
import { deployed } from '../deploy/manifests.js';
import { describeKube } from './binaries.js';
import { Cluster } from './cluster.js';

const PATHS: Record<string, string> = {
  ConfigMap: '/api/v1/namespaces/default/configmaps',
  PersistentVolumeClaim: '/api/v1/namespaces/default/persistentvolumeclaims',
  Service: '/api/v1/namespaces/default/services',
  Deployment: '/apis/apps/v1/namespaces/default/deployments',
  Job: '/apis/batch/v1/namespaces/default/jobs',
  ClusterRole: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
};

describeKube('deploy/kubernetes', () => {
  let cluster: Cluster;
  before(async () => (cluster = await Cluster.start({ bare: true })));
  after(() => cluster.remove());

  for (const { file, objects } of deployed().filter(({ file }) => !/servicemonitor/.test(file)))
    it(`${file} is taken`, async () => {
      for (const object of objects) {
        const path = PATHS[object.kind] ?? '';
        const made = await cluster.client.create(path, object, { dryRun: 'All' });
        expect(made.metadata.name).to.equal(object.metadata.name);
      }
    });
});
