/** What a move of Lease objects is judged by: who leads, which nodes are ready, and since when not. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from './client.js';
import type { Cluster } from './cluster.js';
import { Informer } from './informer.js';
import { until } from './until.js';

const LEASES = '/apis/coordination.k8s.io/v1/leases';
const NODES = '/api/v1/nodes';
const LEADERS = ['kube-scheduler', 'kube-controller-manager'];
/** Without a renewal a node is Unknown after 40 s (the controllers look every 5 s), a leader gone after 15 s. */
const TOLD_AFTER_MS = 50_000;

interface Lease {
  holder: unknown;
  transitions: unknown;
  renewed: number;
}

function leaseOf({ spec = {} }: KubeObject): Lease {
  const { holderIdentity, leaseTransitions, renewTime } = spec;
  return {
    ...{ holder: holderIdentity, transitions: leaseTransitions },
    renewed: Date.parse(String(renewTime)),
  };
}

function isReady({ status = {} }: KubeObject): boolean {
  const conditions = (status['conditions'] ?? []) as { type: string; status: string }[];
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}

/** By informers of their own, which are resumed and never begun anew as any other client's. */
export class Watchers {
  /** What has happened that must not; empty where all is well. */
  readonly wrong: string[] = [];
  readonly #leaders = new Map<string, Lease>();
  readonly #leases: Informer;
  readonly #nodes: Informer;

  private constructor(private readonly cluster: Cluster) {
    this.#leases = new Informer(cluster.client, LEASES, {
      onChange: (lease, deleted) => {
        this.#see(lease, deleted);
      },
    });
    this.#nodes = new Informer(cluster.client, NODES, {
      onChange: (node, deleted) => {
        if (deleted || !isReady(node)) this.#tell(`${node.metadata.name} is not ready`);
      },
    });
  }

  /** Returns when both leaders were seen, and all nodes. */
  static async begin(cluster: Cluster, nodes: number): Promise<Watchers> {
    const watchers = new Watchers(cluster);
    await until(
      'leaders and nodes',
      () => watchers.#leaders.size === LEADERS.length && watchers.#nodes.objects.size === nodes,
    );
    return watchers;
  }

  /** So long after that whoever was not renewed, or cannot renew, is told Unknown or has lost its lease. */
  async untilTold(since: number): Promise<void> {
    await sleep(Math.max(0, since + TOLD_AFTER_MS - Date.now()));
    const { items } = await this.cluster.client.list(LEASES);
    const watched = items.filter(
      ({ metadata: { name, namespace } }) =>
        LEADERS.includes(name) || namespace === 'kube-node-lease',
    );
    for (const lease of watched)
      if (!(leaseOf(lease).renewed > since)) this.#tell(`${lease.metadata.name} was not renewed`);
    const nodes = await this.cluster.client.list(NODES);
    for (const node of nodes.items)
      if (!isReady(node)) this.#tell(`${node.metadata.name} is not ready`);
    for (const difference of [...(await this.#nodes.differences()), ...this.#missedLeases(watched)])
      this.#tell(difference);
  }

  async stop(): Promise<void> {
    await this.#leases.stop();
    await this.#nodes.stop();
  }

  /** Leases are renewed all the time, so a copy is compared by who holds them and not by revisions. */
  #missedLeases(now: readonly KubeObject[]): string[] {
    return now.flatMap((lease) => {
      const { namespace = '', name } = lease.metadata;
      const mine = this.#leases.objects.get(`${namespace}/${name}`);
      const behind = mine === undefined ? Infinity : leaseOf(lease).renewed - leaseOf(mine).renewed;
      return behind > 30_000 ? [`a client does not see the renewals of ${name}`] : [];
    });
  }

  #see(lease: KubeObject, deleted: boolean): void {
    const { name, namespace } = lease.metadata;
    if (namespace !== 'kube-system' || !LEADERS.includes(name)) return;
    const now = leaseOf(lease);
    const before = this.#leaders.get(name);
    this.#leaders.set(name, now);
    if (deleted) this.#tell(`the lease of ${name} was deleted`);
    else if (before && (before.holder !== now.holder || before.transitions !== now.transitions))
      this.#tell(`${name} has another leader`);
  }

  #tell(what: string): void {
    if (!this.wrong.includes(what)) this.wrong.push(what);
  }
}
