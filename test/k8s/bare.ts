/** A control plane that is nothing but its API, and a target in lockstep: enough for what asks that alone. */
import { Running, type Ended } from '../cli/run.js';
import type { ApiServer } from './apiserver.js';
import { KubeClient } from './client.js';
import { Cluster, type ClusterOptions } from './cluster.js';
import { Hook, type Asked } from './hook.js';
import { Lockstep } from './lockstep.js';
import type { Command } from './move.js';

const ENDS_WITHIN_MS = 240_000;
const DEFAULT = '/api/v1/namespaces/default';

export interface BareOptions extends Omit<ClusterOptions, 'bare'> {
  /** Default: pods. */
  readonly prefixes?: readonly string[];
}

export interface BareCommand {
  /** More flags; they win. */
  readonly flags?: readonly string[];
  /** Default: the administrator's. */
  readonly kubeconfig?: string;
  /** Where the source is for this command. */
  readonly source?: string;
}

export class Bare {
  /** Called in place of the restart that the hook asks for. */
  onHook: (asked: Asked) => Promise<void> = (asked) => this.restart(asked);

  private constructor(
    readonly cluster: Cluster,
    readonly hook: Hook,
    public lockstep: Lockstep,
    private readonly prefixes: readonly string[] | undefined,
  ) {}

  /** With three pods, and as many secrets. */
  static async start({ prefixes, ...options }: BareOptions = {}): Promise<Bare> {
    const cluster = await Cluster.start({ ...options, bare: true });
    // No controller makes it here, and without it pods are refused.
    await cluster.client.create(`${DEFAULT}/serviceaccounts`, { metadata: { name: 'default' } });
    for (const n of [0, 1, 2]) {
      await createPod(cluster, `pod-${n}`);
      await cluster.client.create(`${DEFAULT}/secrets`, { metadata: { name: `secret-${n}` } });
    }
    const lockstep = await Lockstep.start(cluster.etcd, undefined, prefixes);
    const hook = await Hook.on((asked) => bare.onHook(asked));
    const bare = new Bare(cluster, hook, lockstep, prefixes);
    return bare;
  }

  async end(): Promise<void> {
    this.hook.close();
    await this.lockstep.remove();
    await this.cluster.remove();
  }

  /** A new target, for another night. */
  async again(): Promise<void> {
    await this.lockstep.remove();
    this.lockstep = await Lockstep.start(this.cluster.etcd, undefined, this.prefixes);
    this.hook.asked.length = 0;
    this.onHook = (asked) => this.restart(asked);
  }

  first(): ApiServer {
    return this.cluster.apiservers[0]!;
  }

  /** As the administrator, at one apiserver; the caller closes it. */
  clientAt(url: string): KubeClient {
    return new KubeClient(this.cluster.pki, url);
  }

  async restart({ apiserver, overrides }: Asked): Promise<void> {
    const flags = overrides === '' ? [] : [`--etcd-servers-overrides=${overrides}`];
    await this.cluster.restart(this.cluster.named(apiserver), flags);
  }

  /** Of all apiservers, with `-w json`. */
  flags(command: Command, { flags = [], ...at }: BareCommand = {}): string[] {
    const { cluster, lockstep } = this;
    const urls = cluster.apiservers.map(({ url }) => url).join(',');
    return [
      ...[command, '--endpoints', at.source ?? lockstep.source.endpoint],
      ...['--dest-endpoints', lockstep.target.endpoint, '--apiservers', urls],
      ...['--kubeconfig', at.kubeconfig ?? cluster.kubeconfig, '--watch', '1', ...flags],
    ];
  }

  /** Without asking, and with the hook. */
  start(command: Command, options: BareCommand = {}): Running {
    const hook = command === 'retire' ? [] : ['--switch-hook', this.hook.command];
    const flags = ['--yes', '-w', 'json', ...hook, ...(options.flags ?? [])];
    return new Running(this.flags(command, { ...options, flags }), {}, ENDS_WITHIN_MS);
  }

  async run(command: Command, options?: BareCommand): Promise<Ended> {
    return this.start(command, options).ended;
  }
}

export async function createPod({ client }: Pick<Cluster, 'client'>, name: string): Promise<void> {
  await client.create(`${DEFAULT}/pods`, {
    metadata: { name },
    spec: {
      automountServiceAccountToken: false,
      containers: [{ name: 'app', image: 'app' }],
      terminationGracePeriodSeconds: 0,
    },
  });
}
