/**
 * Live load on a source, as a Kubernetes cluster makes it: pods created, patched and deleted, and
 * far more writes to leases, events and other resources, whose revisions become fillers.
 *
 * The pods are the fixture's real ones under new names: a name is replaced inside the stored object
 * by one of the same length, so the bytes stay what an apiserver would write.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { keyOf, parseKeyValue, toLong } from '../src/mvcc/keyvalue.js';
import { prefixRange } from '../src/mvcc/prefix.js';
import { readPages } from '../src/source/pages.js';
import type { EtcdClient } from '../src/wire/client.js';
import type { etcdserverpb as pb } from '../src/wire/gen/etcd.js';

export const PODS = '/registry/pods/';
const NAMESPACE = `${PODS}demo/`;
const IN_FLIGHT = 16;
/** Events of a real cluster hang on leases of an hour and more. */
const EVENT_LEASE = 0x10c5_7e90n;
const EVENT_TTL_SECONDS = 3600;

interface Template {
  name: Buffer;
  value: Buffer;
}

export class Churn {
  readonly #stop = new AbortController();
  #live: Buffer[] = [];
  #made = 0;
  #running: Promise<void> | undefined;
  /** Writes that became revisions, by what they touched. */
  readonly writes = { pods: 0, other: 0 };

  private constructor(
    private readonly client: EtcdClient,
    private readonly templates: Template[],
  ) {}

  static async on(client: EtcdClient): Promise<Churn> {
    const templates: Template[] = [];
    const { revision } = await client.head();
    for await (const page of readPages(client, prefixRange(PODS), revision))
      for (const row of page.rows) {
        const name = keyOf(row).toString().split('/').at(-1) ?? '';
        // Pods of a ReplicaSet end in five random letters, which is where a new name differs.
        if (/-[a-z0-9]{5}$/.test(name))
          templates.push({ name: Buffer.from(name), value: Buffer.from(parseKeyValue(row).value) });
      }
    await client.leaseGrant(EVENT_LEASE, EVENT_TTL_SECONDS);
    return new Churn(client, templates);
  }

  /** Makes that many pods, as fast as the source takes them. */
  async fill(pods: number): Promise<void> {
    let left = pods;
    const worker = async () => {
      while (left-- > 0) await this.#createPod();
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  }

  /** Writes at about this many revisions a second, until {@link end}. */
  start(revisionsPerSecond: number): void {
    this.#running = this.#run(revisionsPerSecond);
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(perSecond: number): Promise<void> {
    const tickMs = 20;
    const started = performance.now();
    let done = 0;
    while (!this.#stop.signal.aborted) {
      const due = Math.floor(((performance.now() - started) / 1000) * perSecond) - done;
      const some = Math.min(due, IN_FLIGHT * 4);
      await Promise.all(Array.from({ length: some }, () => this.#one()));
      done += due;
      await delay(tickMs);
    }
  }

  /** A quarter of the writes are to pods. */
  async #one(): Promise<void> {
    const dice = Math.random();
    if (dice < 0.08) return this.#createPod();
    if (dice < 0.2) return this.#patchPod();
    if (dice < 0.25) return this.#deletePod();
    this.writes.other++;
    if (dice < 0.65) return this.#put(`/registry/leases/kube-node-lease/node-${pick(200)}`, 400);
    if (dice < 0.95) return this.#put(`/registry/events/demo/event-${pick(1e9)}`, 690, EVENT_LEASE);
    return this.#put(`/registry/configmaps/demo/leader-${pick(20)}`, 900);
  }

  async #createPod(): Promise<void> {
    const { key, value } = this.#pod();
    this.writes.pods++;
    this.#live.push(key);
    await this.#txn({ requestPut: { key, value } });
  }

  async #patchPod(): Promise<void> {
    const key = this.#live[pick(this.#live.length)];
    if (!key) return this.#createPod();
    this.writes.pods++;
    await this.#txn({ requestPut: { key, value: this.#pod().value } });
  }

  async #deletePod(): Promise<void> {
    const [key] = this.#live.splice(pick(this.#live.length), 1);
    if (!key) return;
    this.writes.pods++;
    await this.#txn({ requestDeleteRange: { key } });
  }

  #pod(): { key: Buffer; value: Buffer } {
    const template = this.templates[this.#made % this.templates.length];
    if (!template) throw new Error('the source has no pods to copy');
    const name = Buffer.from(template.name);
    name.write((this.#made++).toString(36).padStart(5, '0').slice(-5), name.length - 5);
    const value = Buffer.from(template.value);
    for (let at = value.indexOf(template.name); at >= 0; at = value.indexOf(template.name, at + 1))
      name.copy(value, at);
    return { key: Buffer.concat([Buffer.from(NAMESPACE), name]), value };
  }

  async #put(key: string, bytes: number, lease = 0n): Promise<void> {
    const value = Buffer.alloc(bytes, 'x');
    await this.#txn({ requestPut: { key: Buffer.from(key), value, lease: toLong(lease) } });
  }

  async #txn(op: pb.RequestOp.$Properties): Promise<void> {
    await this.client.txn({ success: [op] });
  }
}

function pick(n: number): number {
  return Math.floor(Math.random() * n);
}
