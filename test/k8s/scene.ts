/** A control plane under load, whose pods are to move to an etcd of their own. */
import { run } from '../cli/run.js';
import type { EtcdOptions } from '../rig/etcd.js';
import type { ApiServer } from './apiserver.js';
import { KubeClient } from './client.js';
import { Cluster } from './cluster.js';
import { Informer, known, type InformerOptions, type Known } from './informer.js';
import { Kubelet } from './kubelet.js';
import { Nodes } from './nodes.js';
import { until } from './until.js';
import { Workload, type WorkloadOptions } from './workload.js';

const ALL_PODS = '/api/v1/pods';

export interface SceneOptions {
  readonly workload?: WorkloadOptions;
  /** Of the old etcd. */
  readonly etcd?: EtcdOptions;
  /** Default 2, at most 3. */
  readonly apiservers?: number;
  /** More flags of every apiserver, at each start. */
  readonly args?: readonly string[];
}

export class Scene {
  /** Clients that have a copy of all pods, by what is special about them. */
  readonly informers = new Map<string, Informer>();
  /** What every unchanged pod should be like ever after, `namespace/name` → uid and resourceVersion. */
  readonly still: Known;

  private constructor(
    readonly cluster: Cluster,
    readonly nodes: Nodes,
    readonly kubelet: Kubelet,
    readonly workload: Workload,
    still: Known,
  ) {
    this.still = still;
    this.informers.set('the kubelet', kubelet.informer);
    this.informer('all along');
  }

  /** With everything running, and written to from then on. */
  static async start(options: SceneOptions = {}): Promise<Scene> {
    const { workload: load, etcd, apiservers, args } = options;
    const cluster = await Cluster.start({
      ...(etcd === undefined ? {} : { etcdOptions: etcd }),
      ...(apiservers === undefined ? {} : { apiservers }),
      ...(args === undefined ? {} : { args }),
    });
    const nodes = await Nodes.create(cluster.client);
    const kubelet = new Kubelet(cluster.client);
    const workload = await Workload.start(cluster.client, load);
    const stillPods = async () => {
      const { items } = await cluster.client.list(ALL_PODS);
      return items.filter(({ metadata }) => metadata.name.startsWith('still-'));
    };
    await until('pods that run', async () =>
      (await stillPods()).every(({ status }) => status?.['phase'] === 'Running'),
    );
    return new Scene(cluster, nodes, kubelet, workload, known(await stillPods()));
  }

  async end(): Promise<void> {
    await this.workload.stop();
    for (const informer of this.informers.values()) await informer.stop();
    await this.kubelet.stop();
    await this.nodes.stop();
    await this.cluster.remove();
  }

  /** One more client, which lists pods now and watches them from then on. */
  informer(what: string, options?: InformerOptions): Informer {
    const informer = new Informer(this.cluster.client, ALL_PODS, options);
    this.informers.set(what, informer);
    return informer;
  }

  /** `etcd-lockstep freeze apply` or `remove`, as an operator does it. */
  async freeze(action: 'apply' | 'remove'): Promise<void> {
    const apiservers = this.cluster.apiservers.map(({ url }) => url).join(',');
    const at = ['--kubeconfig', this.cluster.kubeconfig, '--apiservers', apiservers];
    const { code, stderr } = await run(['freeze', action, ...at]);
    if (code !== 0) throw new Error(`freeze ${action} ended with ${code ?? '?'}:\n${stderr}`);
  }

  /** All pods as this apiserver has them in its etcd. */
  async podsAt(apiserver: ApiServer): Promise<Known> {
    const client = new KubeClient(this.cluster.pki, apiserver.url);
    try {
      return known((await client.list(ALL_PODS)).items);
    } finally {
      client.close();
    }
  }
}
