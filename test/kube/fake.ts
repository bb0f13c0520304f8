/**
 * Small https servers that answer as the apiservers of a cluster do, as far as the freeze goes:
 * discovery, pods, dry runs, and freeze objects with uid, resourceVersion and generation. To a write
 * of a pod they say what real ones said (test/data/kube-probe-answers.txt). What real ones do beyond
 * that is in test/k8s.
 */
import { createServer, type Server } from 'node:https';
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, dirname } from 'node:path';
import type { Certs } from '../rig/certs.js';
import { FakeCluster } from './fakecluster.js';

export interface Asked {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: unknown;
}

export type Reply = [status: number, body: unknown];

export class FakeApiServer {
  readonly asked: Asked[] = [];
  /** Looked at before all else; what it waits for keeps the answer back. */
  override: ((asked: Asked) => Reply | undefined | Promise<Reply | undefined>) | undefined;
  /** It does what it is asked, and the answer is lost. */
  lose: ((asked: Asked) => boolean) | undefined;
  /** What its answer waits for. */
  hold: ((asked: Asked) => Promise<void> | undefined) | undefined;
  /** That were opened. */
  connections = 0;
  /** Writes to pods that it lets pass before it knows of a freeze, or refuses after its end. */
  late = 0;
  readonly #cluster: FakeCluster;
  readonly #server: Server;
  #knows = false;
  #paused: { until: Promise<void>; end: () => void } | undefined;

  private constructor(certs: Certs, cluster: FakeCluster) {
    this.#cluster = cluster;
    this.#server = createServer(
      {
        cert: readFileSync(certs.server.cert),
        key: readFileSync(certs.server.key),
        ca: readFileSync(certs.ca.cert),
        requestCert: true,
        rejectUnauthorized: false,
      },
      (request, response) => void this.#answer(request, response),
    );
    this.#server.on('secureConnection', () => this.connections++);
  }

  static async start(certs: Certs, cluster = new FakeCluster()): Promise<FakeApiServer> {
    const fake = new FakeApiServer(certs, cluster);
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** As by SIGSTOP: what it is asked stays with it until it goes on. */
  pause(): void {
    let end: () => void = () => undefined;
    const until = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#paused = { until, end };
  }

  goOn(): void {
    this.#paused?.end();
    this.#paused = undefined;
  }

  /** Ends connections that are idle or not. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  close(): void {
    this.goOn();
    this.#server.close();
    this.cut();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const url = new URL(request.url ?? '/', this.url);
    const asked: Asked = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
    this.asked.push(asked);
    await this.#paused?.until;
    await this.hold?.(asked);
    const [status, body] = (await this.override?.(asked)) ?? this.#reply(asked);
    if (this.lose?.(asked)) request.socket.destroy();
    else response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
  }

  #reply(asked: Asked): Reply {
    if (asked.method === 'GET') return this.#cluster.read(asked);
    return this.#cluster.write(asked, () => this.#isFrozen());
  }

  #isFrozen(): boolean {
    const { frozen } = this.#cluster;
    if (frozen !== this.#knows && --this.late < 0) this.#knows = frozen;
    return this.#knows;
  }
}

export function status(code: number, reason: string, message: string): object {
  return { kind: 'Status', status: 'Failure', code, reason, message };
}

/** Writes a kubeconfig beside the certificates; returns its path. `users` and such replace parts of it. */
export function writeKubeconfig(certs: Certs, server: string, parts: object = {}): string {
  const path = join(dirname(certs.ca.cert), `kubeconfig-${Math.random().toString(36).slice(2)}`);
  const config = {
    clusters: [{ name: 'c', cluster: { server, 'certificate-authority': certs.ca.cert } }],
    users: [
      {
        name: 'u',
        user: { 'client-certificate': certs.client.cert, 'client-key': certs.client.key },
      },
    ],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
    ...parts,
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}
