import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient, KubeObject } from './client.js';
import { Ledger, SEQ, type Write } from './ledger.js';
import { until } from './until.js';

export const NAMESPACE = '/api/v1/namespaces/default';
export const PODS = `${NAMESPACE}/pods`;
const CONFIGMAPS = `${NAMESPACE}/configmaps`;
const REPLICASETS = '/apis/apps/v1/namespaces/default/replicasets';
const SPEC = { containers: [{ name: 'app', image: 'app' }], terminationGracePeriodSeconds: 1 };

export interface WorkloadOptions {
  /** Pods that are made once and left alone. */
  readonly still?: number;
  /** Of the ReplicaSet. */
  readonly replicas?: number;
  /** Writers of pods, each with pods of its own; as many write ConfigMaps. */
  readonly writers?: number;
  /** Between two writes of one writer. */
  readonly pauseMs?: number;
}

/** Pods that each writer keeps alive. */
const ALIVE = 5;

/** The path of a pod. */
export function podPath({ metadata: { namespace = 'default', name } }: KubeObject): string {
  return `/api/v1/namespaces/${namespace}/pods/${name}`;
}

/** The oldest first. */
function byAge(a: KubeObject, b: KubeObject): number {
  return Date.parse(a.metadata.creationTimestamp) - Date.parse(b.metadata.creationTimestamp);
}

function marked(seq: number, name?: string): object {
  return { metadata: { name, annotations: { [SEQ]: String(seq) } } };
}

/** Writes all along, until it is stopped: pods made directly and by a ReplicaSet, and ConfigMaps. */
export class Workload {
  /** Of pods that this made itself. */
  readonly pods = new Ledger();
  /** Of all else: nothing that happens to pods may hold these writes up. */
  readonly others = new Ledger();
  /** Pods of the ReplicaSet that it has deleted. */
  readonly replaced: string[] = [];
  readonly replicas: number;
  readonly #client: KubeClient;
  readonly #writers: number;
  readonly #pauseMs: number;
  #loops: Promise<void>[] = [];
  #made = 0;
  #stopped = false;

  private constructor(
    client: KubeClient,
    { replicas = 6, writers = 3, pauseMs = 50 }: WorkloadOptions,
  ) {
    this.#client = client;
    this.replicas = replicas;
    this.#writers = writers;
    this.#pauseMs = pauseMs;
  }

  static async start(client: KubeClient, options: WorkloadOptions = {}): Promise<Workload> {
    const workload = new Workload(client, options);
    await workload.#prepare(options.still ?? 20);
    workload.resume();
    return workload;
  }

  /** Writes again after a stop, pods that are new. */
  resume(): void {
    this.#stopped = false;
    this.#loops = [this.#deleteReplicas()];
    for (let i = 0; i < this.#writers; i++) {
      this.#loops.push(this.#writePods(), this.#writeOthers(i));
    }
  }

  /** Waits until so many more writes of pods were accepted. */
  async more(writes: number): Promise<void> {
    const before = this.pods.count('accepted');
    await until('writes', () => this.pods.count('accepted') >= before + writes);
  }

  /** Returns when the last write has its answer. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
  }

  /** Creates one more pod and says what became of it. */
  async createPod(name: string): Promise<Write> {
    return this.pods.record('create', `${PODS}/${name}`, (seq) =>
      this.#client.create(PODS, { ...marked(seq, name), spec: SPEC }),
    );
  }

  /** The ReplicaSet's pods that are not to end. */
  async replicaPods(): Promise<KubeObject[]> {
    const { items } = await this.#client.list(PODS, { labelSelector: 'app=replicas' });
    return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  async #prepare(still: number): Promise<void> {
    for (let i = 0; i < still; i++) await this.createPod(`still-${i}`);
    const labels = { app: 'replicas' };
    await this.#client.create(REPLICASETS, {
      metadata: { name: 'replicas' },
      spec: {
        replicas: this.replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: SPEC },
      },
    });
    for (let i = 0; i < this.#writers; i++) {
      const name = `other-${i}`;
      await this.others.record('create', `${CONFIGMAPS}/${name}`, (seq) =>
        this.#client.create(CONFIGMAPS, marked(seq, name)),
      );
    }
    await until('the replicas', async () => (await this.replicaPods()).length === this.replicas);
  }

  async #repeat(pauseMs: number, step: () => Promise<unknown>): Promise<void> {
    while (!this.#stopped) {
      await step();
      await sleep(pauseMs);
    }
  }

  /** What is refused is tried again; a pod whose write had no answer is left alone from then on. */
  async #writePods(): Promise<void> {
    const alive: string[] = [];
    let turn = 0;
    await this.#repeat(this.#pauseMs, async () => {
      if (alive.length < ALIVE) {
        const name = `direct-${this.#made++}`;
        if ((await this.createPod(name)).outcome === 'accepted') alive.push(name);
        return;
      }
      const deletes = ++turn % (2 * ALIVE) === 0;
      const name = alive[deletes ? 0 : turn % ALIVE]!;
      const { outcome } = await (deletes ? this.#deletePod(name) : this.#patchPod(name));
      const done = deletes && outcome === 'accepted';
      if (done || outcome === 'unknown') alive.splice(alive.indexOf(name), 1);
    });
  }

  #patchPod(name: string): Promise<Write> {
    const path = `${PODS}/${name}`;
    return this.pods.record('patch', path, (seq) => this.#client.patch(path, marked(seq)));
  }

  #deletePod(name: string): Promise<Write> {
    const path = `${PODS}/${name}`;
    return this.pods.record('delete', path, () => this.#client.delete(path));
  }

  async #writeOthers(writer: number): Promise<void> {
    const path = `${CONFIGMAPS}/other-${writer}`;
    await this.#repeat(this.#pauseMs, () =>
      this.others.record('patch', path, (seq) => this.#client.patch(path, marked(seq))),
    );
  }

  async #deleteReplicas(): Promise<void> {
    await this.#repeat(this.#pauseMs * 10, async () => {
      const { length } = await this.replicaPods().catch(() => []);
      // Refused, or no answer: the next turn takes another.
      if (length === this.replicas) await this.deleteReplica().catch(() => undefined);
    });
  }

  /**
   * Deletes one pod of the ReplicaSet, the oldest; returns its name. A pod that its controller has made and
   * not seen yet must stay: where it goes unseen, the controller does nothing for five minutes
   * (ExpectationsTimeout), and that would look as if it saw nothing.
   */
  async deleteReplica(): Promise<string> {
    const [pod] = (await this.replicaPods()).sort(byAge);
    if (pod === undefined) throw new Error('no pod of the ReplicaSet is left');
    await this.#client.delete(podPath(pod));
    this.replaced.push(pod.metadata.name);
    return pod.metadata.name;
  }
}
