import { setTimeout as sleep } from 'node:timers/promises';
import type { Etcd } from '../rig/etcd.js';
import { KubeClient } from './client.js';
import { Component } from './component.js';
import type { Pki } from './pki.js';

/** Ten seconds as a rule; a minute and more where others keep the machine busy. */
const READY_WITHIN_MS = 180_000;

export interface ApiServerOptions {
  /** Client URL of the etcd that serves all that no override names. */
  readonly etcd: string;
  /** One of HOSTS. */
  readonly host: string;
  readonly port: number;
  /**
   * More flags, such as `--etcd-servers-overrides=/pods#http://…` or
   * `--etcd-compaction-interval=0`; they win over the rig's own.
   */
  readonly args?: readonly string[];
}

/**
 * Other apiservers and clients are told an address that is not a loopback one: those are refused
 * in Endpoints. Nothing listens there. The last number tells the apiservers apart.
 */
function advertised(host: string): string {
  return `10.255.0.${host.split('.').at(-1) ?? '1'}`;
}

function flags(pki: Pki, { etcd, host, port, args = [] }: ApiServerOptions): string[] {
  return [
    `--etcd-servers=${etcd}`,
    `--bind-address=${host}`,
    `--advertise-address=${advertised(host)}`,
    `--secure-port=${port}`,
    `--tls-cert-file=${pki.server.cert}`,
    `--tls-private-key-file=${pki.server.key}`,
    `--client-ca-file=${pki.ca.cert}`,
    '--authorization-mode=RBAC',
    '--service-cluster-ip-range=10.254.0.0/16',
    '--service-account-issuer=https://rig.test',
    `--service-account-key-file=${pki.serviceAccounts.cert}`,
    `--service-account-signing-key-file=${pki.serviceAccounts.key}`,
    '--profiling=false',
    ...args,
  ];
}

/** The flags of an apiserver that has its pods in another etcd. */
export function podsFrom(target: Etcd): string[] {
  return [overridesFlag(`/pods#${target.endpoint}`)];
}

/** @param overrides one for each resource: `/pods#http://127.0.0.1:2379` */
export function overridesFlag(...overrides: readonly string[]): string {
  return `--etcd-servers-overrides=${overrides.join(',')}`;
}

/** A real kube-apiserver. */
export class ApiServer {
  readonly url: string;
  readonly port: number;
  readonly host: string;
  readonly #pki: Pki;
  readonly #options: ApiServerOptions;
  readonly #component: Component;

  /** Starts the process and waits for nothing. */
  constructor(pki: Pki, name: string, options: ApiServerOptions) {
    this.#pki = pki;
    this.#options = options;
    this.host = options.host;
    this.port = options.port;
    this.url = `https://${options.host}:${options.port}`;
    this.#component = new Component(pki, 'kube-apiserver', name, flags(pki, options));
  }

  get pid(): number {
    return this.#component.pid;
  }

  get logFile(): string {
    return this.#component.logFile;
  }

  /** Waits until it says that it is ready to serve. */
  async ready(): Promise<void> {
    const client = new KubeClient(this.#pki, this.url);
    const deadline = Date.now() + READY_WITHIN_MS;
    try {
      while (this.#component.ended() === undefined && Date.now() < deadline) {
        const answer = await client.send('GET', '/readyz').catch(() => undefined);
        if (answer?.status === 200) return;
        await sleep(50);
      }
    } finally {
      client.close();
    }
    const why = this.#component.ended() ?? `not ready in ${READY_WITHIN_MS} ms`;
    const said = this.#component.lastLines(20);
    await this.#component.kill();
    throw new Error(`kube-apiserver ${this.url} did not start (${why}):\n${said}`);
  }

  async stop(): Promise<void> {
    await this.#component.stop();
  }

  async kill(): Promise<void> {
    await this.#component.kill();
  }

  /** Stops it, starts it on the same port, waits until it is ready. `args` replaces the earlier ones. */
  async restart(args: readonly string[] = this.#options.args ?? []): Promise<void> {
    await this.#component.restart(flags(this.#pki, { ...this.#options, args }));
    await this.ready();
  }
}
