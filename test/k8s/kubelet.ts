import type { KubeClient, KubeObject } from './client.js';
import { Informer } from './informer.js';

const RETRY_MS = 500;

function isReady({ status }: KubeObject): boolean {
  return status?.['phase'] === 'Running';
}

/**
 * What the kubelets of all nodes do, as far as the API sees it: a pod that has a node starts to
 * run, one that is to end is deleted. It learns of pods by an informer only, as a kubelet does, and
 * tries again what was refused.
 */
export class Kubelet {
  readonly informer: Informer;
  readonly #client: KubeClient;
  readonly #sweep: NodeJS.Timeout;
  readonly #busy = new Set<string>();
  /** By uid: what it has said once it does not say again, however late the informer shows it. */
  readonly #said = new Set<string>();
  #working = Promise.resolve();

  constructor(client: KubeClient) {
    this.#client = client;
    this.informer = new Informer(client, '/api/v1/pods', {
      onChange: (pod, deleted) => {
        if (!deleted) this.#see(pod);
      },
    });
    this.#sweep = setInterval(() => {
      for (const pod of this.informer.objects.values()) this.#see(pod);
    }, RETRY_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#sweep);
    await this.informer.stop();
    await this.#working;
  }

  #see(pod: KubeObject): void {
    const { uid, deletionTimestamp } = pod.metadata;
    if (pod.spec?.['nodeName'] === undefined || this.#busy.has(uid)) return;
    if (deletionTimestamp === undefined && (isReady(pod) || this.#said.has(uid))) return;
    this.#busy.add(uid);
    this.#working = this.#working
      .then(() => (deletionTimestamp === undefined ? this.#run(pod) : this.#end(pod)))
      .catch(() => undefined) // refused or not answered: the sweep comes back to it
      .then(() => {
        this.#busy.delete(uid);
      });
  }

  async #run({ metadata: { namespace, name, uid } }: KubeObject): Promise<void> {
    const transition = { lastTransitionTime: new Date().toISOString() };
    const conditions = ['Initialized', 'Ready', 'ContainersReady'].map((type) => ({
      type,
      status: 'True',
      ...transition,
    }));
    const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`;
    await this.#client.patch(path, { metadata: { uid }, status: { phase: 'Running', conditions } });
    this.#said.add(uid);
  }

  async #end({ metadata: { namespace, name, uid } }: KubeObject): Promise<void> {
    const options = { gracePeriodSeconds: 0, preconditions: { uid } };
    await this.#client.delete(`/api/v1/namespaces/${namespace}/pods/${name}`, options);
  }
}
