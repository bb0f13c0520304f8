import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from './client.js';

const NODES = '/api/v1/nodes';
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
/** A kubelet's is 10 s; 40 s without one, and the node is not ready. */
const BEAT_MS = 2_000;

const ROOM = { cpu: '1000', memory: '1000Gi', pods: '100000' };

function now(): string {
  return new Date().toISOString().replace('Z', '000Z'); // a lease's time has microseconds
}

function ready(status: 'True' | 'False'): object {
  const lastHeartbeatTime = new Date().toISOString();
  return { type: 'Ready', status, reason: 'Rig', message: '', lastHeartbeatTime };
}

function leaseOf(name: string): object {
  const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime: now() };
  return { metadata: { name }, spec };
}

/** Nodes that no machine stands behind: made through the API, kept Ready by their leases. */
export class Nodes {
  readonly names: readonly string[];
  readonly #client: KubeClient;
  readonly #beating: Promise<void>;
  #stopped = false;

  private constructor(client: KubeClient, names: readonly string[]) {
    this.#client = client;
    this.names = names;
    this.#beating = this.#beat();
  }

  static async create(client: KubeClient, n = 3): Promise<Nodes> {
    const names = Array.from({ length: n }, (_, i) => `node-${i}`);
    for (const name of names) {
      const status = { capacity: ROOM, allocatable: ROOM, conditions: [ready('True')] };
      await client.create(NODES, { metadata: { name }, status });
      await client.create(LEASES, leaseOf(name));
    }
    return new Nodes(client, names);
  }

  /** What a kubelet says of its node; `False` takes the readiness from the node's pods, too. */
  async say(name: string, status: 'True' | 'False'): Promise<void> {
    await this.#client.patch(`${NODES}/${name}/status`, {
      status: { conditions: [ready(status)] },
    });
  }

  /** Ends the heartbeats; the nodes stay. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#beating;
  }

  async #beat(): Promise<void> {
    while (!this.#stopped) {
      for (const name of this.names) {
        // One that is lost is made up for by the next.
        await this.#client.patch(`${LEASES}/${name}`, leaseOf(name)).catch(() => undefined);
      }
      await sleep(BEAT_MS);
    }
  }
}
