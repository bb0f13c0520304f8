import { Etcd, type EtcdOptions } from '../rig/etcd.js';
import { freePorts } from '../rig/ports.js';
import { ApiServer } from './apiserver.js';
import { Balancer } from './balancer.js';
import { KubeClient } from './client.js';
import { Component } from './component.js';
import { HOSTS, makePki, removePki, writeKubeconfig, type Pki } from './pki.js';
import { until } from './until.js';

/** What makes pods out of ReplicaSets, keeps nodes fit to be scheduled to, and lets pods be created. */
const CONTROLLERS = [
  'namespace',
  'nodelifecycle',
  'podgc',
  'replicaset',
  'replicationcontroller',
  'serviceaccount',
  'serviceaccount-token',
  'garbagecollector',
];

export interface ClusterOptions {
  /** Of the old etcd; ignored where `etcd` is given. */
  readonly etcdOptions?: EtcdOptions;
  /** An etcd that is there already; it is then the caller's to remove. */
  readonly etcd?: Etcd;
  /** Default 2, at most 3. */
  readonly apiservers?: number;
  /** More flags of every apiserver, at each start. */
  readonly args?: readonly string[];
  /** Without scheduler and controllers: enough for what only asks the API. Default false. */
  readonly bare?: boolean;
}

/** A control plane: an etcd, apiservers behind a balancer, and what runs against the balancer. */
export class Cluster {
  /** At the balancer, as the administrator. */
  readonly client: KubeClient;
  /** Path of the administrator's kubeconfig at the balancer. */
  readonly kubeconfig: string;
  readonly pki: Pki;
  readonly etcd: Etcd;
  readonly apiservers: readonly ApiServer[];
  readonly balancer: Balancer;
  /** The apiservers behind the balancer. */
  #pool: readonly ApiServer[];
  /** Undefined in a bare cluster, as are the controllers. */
  readonly scheduler: Component | undefined;
  readonly controllers: Component | undefined;
  readonly #ownEtcd: boolean;
  readonly #args: readonly string[];

  private constructor(
    options: ClusterOptions,
    { pki, etcd, apiservers, balancer }: Pick<Cluster, 'pki' | 'etcd' | 'apiservers' | 'balancer'>,
  ) {
    this.#ownEtcd = options.etcd === undefined;
    this.#args = options.args ?? [];
    this.pki = pki;
    this.etcd = etcd;
    this.apiservers = apiservers;
    this.#pool = apiservers;
    this.balancer = balancer;
    this.client = new KubeClient(pki, balancer.url);
    this.kubeconfig = writeKubeconfig(pki, 'admin', balancer.url, pki.admin);
    if (options.bare !== true) {
      this.scheduler = this.#scheduler('kube-scheduler');
      this.controllers = this.#controllers('kube-controller-manager');
    }
  }

  /** Waits until every apiserver is ready and, where there are controllers, pods can be created. */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const pki = await makePki();
    const etcd = options.etcd ?? (await Etcd.start(options.etcdOptions));
    const [port, front] = (await freePorts(2)) as [number, number];
    const apiservers = HOSTS.slice(0, options.apiservers ?? 2).map((host, i) => {
      const { args = [] } = options;
      return new ApiServer(pki, `apiserver-${i}`, { etcd: etcd.endpoint, host, port, args });
    });
    const balancer = await Balancer.start(front, apiservers);
    await Promise.all(apiservers.map((apiserver) => apiserver.ready()));
    const cluster = new Cluster(options, { pki, etcd, apiservers, balancer });
    await cluster.#namespace();
    if (options.bare !== true) await cluster.#serviceAccount();
    return cluster;
  }

  /** Takes all clients to these apiservers. */
  use(...pool: readonly ApiServer[]): void {
    const left = this.#pool.filter((one) => !pool.includes(one));
    this.#pool = pool;
    this.balancer.use(...pool);
    for (const one of left) this.balancer.cut(one);
  }

  /** Takes all clients to the other ones of the pool. */
  without(apiserver: ApiServer): void {
    this.balancer.use(...this.#pool.filter((one) => one !== apiserver));
    this.balancer.cut(apiserver);
  }

  /**
   * Restarts an apiserver with other flags, as an operator does it: out of the balancer, its clients
   * to the others, and back when it is ready.
   */
  async restart(apiserver: ApiServer, args: readonly string[]): Promise<void> {
    this.without(apiserver);
    await apiserver.restart([...this.#args, ...args]);
    this.balancer.use(...this.#pool);
  }

  /** The one that a `$APISERVER` names. */
  named(url: string): ApiServer {
    const apiserver = this.apiservers.find((one) => one.url === url);
    if (apiserver === undefined) throw new Error(`${url} is none of the apiservers`);
    return apiserver;
  }

  /** Ends everything, by its own pid, and deletes what it left. */
  async remove(): Promise<void> {
    this.client.close();
    await this.balancer.close();
    const components = [this.scheduler, this.controllers].filter((one) => one !== undefined);
    await Promise.all([...components, ...this.apiservers].map((one) => one.kill()));
    if (this.#ownEtcd) await this.etcd.remove();
    removePki(this.pki);
  }

  /** The apiservers make it when they are ready, not before. */
  async #namespace(): Promise<void> {
    await until('the default namespace', async () => {
      const { status } = await this.client.send('GET', '/api/v1/namespaces/default');
      return status === 200;
    });
  }

  /** Before the service account of a namespace has its token, pods are refused there. */
  async #serviceAccount(): Promise<void> {
    const path = '/api/v1/namespaces/default/serviceaccounts/default';
    await until('the default service account', async () => {
      const { status, body } = await this.client.send('GET', path);
      return status === 200 && (body as { secrets?: unknown[] }).secrets !== undefined;
    });
  }

  /** A scheduler and controllers more, which do nothing as long as the first ones hold their leases. */
  standbys(): Component[] {
    return [this.#scheduler('standby-scheduler'), this.#controllers('standby-controllers')];
  }

  #scheduler(name: string): Component {
    return this.#component('kube-scheduler', name, []);
  }

  #controllers(name: string): Component {
    return this.#component('kube-controller-manager', name, [
      `--controllers=${CONTROLLERS.join(',')}`,
      `--service-account-private-key-file=${this.pki.serviceAccounts.key}`,
    ]);
  }

  #component(
    program: 'kube-scheduler' | 'kube-controller-manager',
    name: string,
    args: string[],
  ): Component {
    return new Component(this.pki, program, name, [
      `--kubeconfig=${this.kubeconfig}`,
      '--port=0', // no server of its own, neither here nor with TLS
      '--secure-port=0',
      '--leader-elect=true',
      ...args,
    ]);
  }
}
