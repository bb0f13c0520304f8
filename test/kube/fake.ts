/**
 * A small https server that answers as an apiserver does, as far as the freeze goes: discovery, one
 * pod, dry runs, and admission by the objects that it was sent. What real ones do is in test/k8s.
 */
import { createServer, type Server } from 'node:https';
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, dirname } from 'node:path';
import type { Certs } from '../rig/certs.js';

export interface Asked {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: unknown;
}

export type Reply = [status: number, body: unknown];

const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
export const POLICIES = `${ADMISSION}/validatingadmissionpolicies`;
export const BINDINGS = `${ADMISSION}/validatingadmissionpolicybindings`;
export const WEBHOOKS = `${ADMISSION}/validatingwebhookconfigurations`;

/** What all apiservers of a cluster share: objects by path. */
export type Store = Map<string, Record<string, unknown>>;

export class FakeApiServer {
  readonly asked: Asked[] = [];
  /** Looked at before all else. */
  override: ((asked: Asked) => Reply | undefined) | undefined;
  /** Writes to pods that it lets pass before it knows of a freeze, or refuses after its end. */
  late = 0;
  readonly #store: Store;
  readonly #server: Server;
  #knows = false;

  private constructor(certs: Certs, store: Store) {
    this.#store = store;
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
  }

  static async start(certs: Certs, store: Store = new Map()): Promise<FakeApiServer> {
    const fake = new FakeApiServer(certs, store);
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Ends connections that are idle or not. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  close(): void {
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
    const [status, body] = this.override?.(asked) ?? this.#reply(asked);
    response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
  }

  #reply(asked: Asked): Reply {
    const { method, path } = asked;
    if (path.startsWith(`${ADMISSION}/`)) return this.#admission(asked);
    if (method !== 'GET') return this.#write(path);
    return [200, READS[path] ?? {}];
  }

  #admission({ method, path, body }: Asked): Reply {
    if (method === 'POST') {
      const object = body as { metadata: Record<string, unknown> };
      object.metadata['creationTimestamp'] = '2026-01-02T03:04:05Z';
      this.#store.set(`${path}/${String(object.metadata['name'])}`, { ...object });
      return [201, object];
    }
    const there = this.#store.get(path);
    if (!there) return [404, status(404, 'NotFound', 'not found')];
    if (method === 'DELETE') this.#store.delete(path);
    if (method === 'PUT') {
      const { metadata } = there as { metadata: object };
      this.#store.set(path, { ...(body as object), metadata });
    }
    return [200, there];
  }

  /** A policy refuses as one without a reason does: 422, and its words in the message alone. */
  #write(path: string): Reply {
    if (!/\/pods|\/bindings/.test(path)) return [200, {}];
    const frozen = [...this.#store.keys()].some((key) => key.startsWith(BINDINGS));
    if (frozen !== this.#knows && --this.late < 0) this.#knows = frozen;
    if (!this.#knows) return [201, {}];
    const said =
      "pods \"a\" is forbidden: ValidatingAdmissionPolicy 'etcd-lockstep-freeze' with binding 'etcd-lockstep-freeze' denied request: no";
    return [422, status(422, 'Invalid', said)];
  }
}

export function status(code: number, reason: string, message: string): object {
  return { kind: 'Status', status: 'Failure', code, reason, message };
}

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

function resource(name: string, kind: string, more: object = {}): object {
  return { name, kind, namespaced: true, verbs: VERBS, ...more };
}

function list(...items: object[]): object {
  return { metadata: { resourceVersion: '4711' }, items };
}

export const POD = {
  metadata: { name: 'a', namespace: 'default', resourceVersion: '17' },
  spec: {},
};

const READS: Record<string, object> = {
  '/api/v1': {
    groupVersion: 'v1',
    resources: [
      resource('pods', 'Pod'),
      ...['status', 'binding', 'resize'].map((name) => resource(`pods/${name}`, 'Pod')),
      resource('pods/eviction', 'Eviction', { group: 'policy', version: 'v1' }),
      resource('nodes', 'Node', { namespaced: false }),
      resource('nodes/status', 'Node', { namespaced: false }),
    ],
  },
  '/apis/coordination.k8s.io': {
    preferredVersion: { groupVersion: 'coordination.k8s.io/v1' },
  },
  '/apis/coordination.k8s.io/v1': {
    groupVersion: 'coordination.k8s.io/v1',
    resources: [resource('leases', 'Lease')],
  },
  [ADMISSION]: {
    resources: [POLICIES, BINDINGS, WEBHOOKS].map((path) => ({ name: path.split('/').at(-1) })),
  },
  '/api/v1/pods': list(POD),
  '/api/v1/nodes': list({ metadata: { name: 'n' } }),
  '/apis/coordination.k8s.io/v1/leases': list(),
};

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
