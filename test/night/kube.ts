/**
 * A tiny Kubernetes: apiservers over two etcds, of which each serves pods from one, and the objects of
 * admission, which all of them keep in the source and each learns of in its own time.
 */
import type { Query } from '../../src/kube/api.js';
import { FREEZE_NAME, KINDS, WEBHOOK_NAME, ADMISSION_BASE } from '../../src/kube/manifests.js';
import { parseKeyValue } from '../../src/mvcc/keyvalue.js';
import { prefixRange } from '../../src/mvcc/prefix.js';
import type { Side } from './etcd.js';
import type { Store } from './store.js';

export const PODS = '/registry/pods/';

export interface Reply {
  status: number;
  body: unknown;
}

interface KubeObject {
  metadata: { name: string; uid?: string; resourceVersion?: string; creationTimestamp?: string };
  [field: string]: unknown;
}

export interface KubeRequest {
  method: string;
  path: string;
  body: unknown;
  query: Query;
}

/** Before policies there were webhooks: one object instead of two. */
const KIND = KINDS.webhook[0];
const FREEZE_KEY = `/registry/${KIND}/${FREEZE_NAME}`;
const FREEZE_PATH = `${ADMISSION_BASE}/${KIND}/${FREEZE_NAME}`;

/** Whether a request is about the freeze's object, and no probe. */
export function touchesFreeze({ method, path, query }: KubeRequest): boolean {
  if (query['dryRun'] !== undefined) return false;
  return path === FREEZE_PATH || (method !== 'GET' && path.startsWith(`${ADMISSION_BASE}/${KIND}`));
}

export class Cluster {
  readonly servers: KubeServer[] = [];

  constructor(readonly stores: Record<Side, Store>) {}

  /** Whether the freeze's object is there, whoever knows of it. */
  get frozen(): boolean {
    return this.freeze !== undefined;
  }

  /** Its uid and revision. */
  get freeze(): { uid: string; revision: number } | undefined {
    const row = this.stores.source.get(FREEZE_KEY);
    if (!row) return undefined;
    const { value, modRevision } = parseKeyValue(row);
    return {
      uid: (JSON.parse(value.toString()) as KubeObject).metadata.uid ?? '',
      revision: modRevision,
    };
  }

  /** Each learns of what is there now when its time has come. */
  announce(): void {
    for (const server of this.servers) server.learnLater();
  }
}

export class KubeServer {
  /** Why there is no answer from it. */
  down: string | undefined;
  /** Whether it refuses writes, for all that it knows. */
  frozen = false;
  /** Whether a write that it let pass before a freeze may still be on its way to its etcd. */
  hasLate = false;
  /** Times that it was started. */
  #life = 1;

  /** @param learnsMs how long it takes to learn of a change to admission's objects */
  constructor(
    readonly name: string,
    private readonly cluster: Cluster,
    public serves: Side,
    private readonly learnsMs: number,
    /** How long its answers take. */
    readonly answersMs: number,
  ) {
    cluster.servers.push(this);
    this.frozen = cluster.frozen;
  }

  get url(): string {
    return `http://${this.name}:6443`;
  }

  get store(): Store {
    return this.cluster.stores[this.serves];
  }

  /** Whom a load balancer asks. */
  get orAnother(): KubeServer {
    const { servers } = this.cluster;
    return this.down === undefined ? this : (servers.find(({ down }) => !down) ?? this);
  }

  learnLater(): void {
    const life = this.#life;
    if (this.cluster.frozen && !this.frozen) this.hasLate = true;
    setTimeout(() => {
      if (life === this.#life) this.frozen = this.cluster.frozen;
    }, this.learnsMs);
  }

  die(): void {
    this.down = 'nothing listens there';
    this.hasLate = false;
    this.#life++;
  }

  /** Begins with what is there now. */
  start(): void {
    this.down = undefined;
    this.#life++;
    this.frozen = this.cluster.frozen;
  }

  /** Restarted with the flag, or without it. */
  move(to: Side, downMs: number): void {
    this.die();
    this.serves = to;
    const life = this.#life;
    setTimeout(() => {
      if (life === this.#life) this.start();
    }, downMs);
  }

  /** @param refusesProbes also when it does not know of the freeze yet */
  answer(request: KubeRequest, refusesProbes: boolean): Reply {
    if (refusesProbes && request.query['dryRun'] && this.cluster.frozen) return FROZEN;
    const { path } = request;
    if (path.startsWith(ADMISSION_BASE)) return this.#admission(request);
    if (path.startsWith('/api/v1')) return this.#core(request);
    if (path === '/version') return { status: 200, body: { gitVersion: 'v1.20.2' } };
    return refusal(404, 'NotFound', 'the server could not find the requested resource');
  }

  #core(request: KubeRequest): Reply {
    const { method, path } = request;
    if (path === '/api/v1') return { status: 200, body: RESOURCES };
    if (path === '/api/v1/namespaces')
      return {
        status: 200,
        body: { metadata: { resourceVersion: '1' }, items: [named('default')] },
      };
    if (path.endsWith('/endpoints/kubernetes')) return { status: 200, body: this.#endpoints() };
    if (!/\/(pods|bindings)(\/|$)/.test(path)) return refusal(404, 'NotFound', `${path} not found`);
    if (method === 'GET') return this.#pods(request);
    return this.#writePods(request);
  }

  #endpoints(): object {
    const addresses = this.cluster.servers.map(({ name }) => ({ ip: name }));
    return { subsets: [{ addresses, ports: [{ port: 6443 }] }] };
  }

  #pods({ path, query }: KubeRequest): Reply {
    const [, namespace, name] = /\/namespaces\/([^/]+)\/pods\/([^/]+)$/.exec(path) ?? [];
    if (namespace !== undefined && name !== undefined) {
      const row = this.store.get(`${PODS}${namespace}/${name}`);
      if (!row) return refusal(404, 'NotFound', `pods "${name}" not found`);
      return { status: 200, body: podOf(row) };
    }
    const rows = this.store.range(prefixRange(PODS));
    const first = Number(query['continue'] ?? 0);
    const limit = Number(query['limit'] ?? 0) || rows.length;
    const left = Math.max(0, rows.length - first - limit);
    const more = left > 0 ? { remainingItemCount: left, continue: String(first + limit) } : {};
    const metadata = { resourceVersion: String(this.store.head), ...more };
    return {
      status: 200,
      body: { metadata, items: rows.slice(first, first + limit).map(podOf) },
    };
  }

  /** By a dry run; what clients write goes past this. */
  #writePods({ method, path, query }: KubeRequest): Reply {
    if (this.frozen) return FROZEN;
    if (query['dryRun'] !== 'All') throw new Error(`${method} ${path} is no dry run`);
    if (path.endsWith('/bindings')) return refusal(409, 'Conflict', 'the pod is bound already');
    return { status: method === 'POST' ? 201 : 200, body: named('probe') };
  }

  #admission({ method, path, body }: KubeRequest): Reply {
    const [, kind, name] = path.slice(ADMISSION_BASE.length).split('/');
    if (kind === undefined) return { status: 200, body: { resources: [{ name: KIND }] } };
    if (kind !== KIND)
      return refusal(404, 'NotFound', 'the server could not find the requested resource');
    const given = (body ?? {}) as Partial<KubeObject> & { preconditions?: Preconditions };
    const object = this.#stored(name ?? given.metadata?.name ?? '');
    switch (method) {
      case 'GET':
        if (name === undefined) return { status: 200, body: { items: object ? [object] : [] } };
        return object ? { status: 200, body: object } : missing(name);
      case 'POST':
        if (object) return refusal(409, 'AlreadyExists', `${object.metadata.name} already exists`);
        return { status: 201, body: this.#store(given as KubeObject, undefined) };
      case 'DELETE':
        if (!object) return missing(name);
        return this.#delete(object, given.preconditions ?? {});
      default:
        if (!object) return missing(name);
        if (!fits(object, given.metadata ?? {})) return conflict(object);
        return {
          status: 200,
          body: this.#store(
            method === 'PATCH' ? merged(object, given) : (given as KubeObject),
            object,
          ),
        };
    }
  }

  #stored(name: string): KubeObject | undefined {
    const row = this.cluster.stores.source.get(`/registry/${KIND}/${name}`);
    if (!row) return undefined;
    const { value, modRevision } = parseKeyValue(row);
    const object = JSON.parse(value.toString()) as KubeObject;
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(modRevision) } };
  }

  #store(object: KubeObject, old: KubeObject | undefined): KubeObject {
    const { source } = this.cluster.stores;
    const { uid = `uid-${source.head + 1}`, creationTimestamp = new Date().toISOString() } =
      old?.metadata ?? {};
    const { resourceVersion: _, ...metadata } = object.metadata;
    const stored = { ...object, metadata: { ...metadata, uid, creationTimestamp } };
    const revision = source.put(`/registry/${KIND}/${metadata.name}`, JSON.stringify(stored));
    this.cluster.announce();
    return { ...stored, metadata: { ...stored.metadata, resourceVersion: String(revision) } };
  }

  #delete(object: KubeObject, wanted: Preconditions): Reply {
    if (!fits(object, wanted)) return conflict(object);
    this.cluster.stores.source.delete(`/registry/${KIND}/${object.metadata.name}`);
    this.cluster.announce();
    return { status: 200, body: { kind: 'Status', status: 'Success' } };
  }
}

interface Preconditions {
  uid?: string;
  resourceVersion?: string;
}

function fits({ metadata }: KubeObject, { uid, resourceVersion }: Preconditions): boolean {
  return (
    (uid === undefined || uid === metadata.uid) &&
    (resourceVersion === undefined || resourceVersion === metadata.resourceVersion)
  );
}

/** RFC 7386, as far as anybody here needs it: nothing is taken away. */
function merged<T extends object>(object: T, patch: Partial<T>): T {
  const entries = Object.entries(patch).map(([field, value]): [string, unknown] => {
    const there = (object as Record<string, unknown>)[field];
    return [field, isObject(value) && isObject(there) ? merged(there, value) : value];
  });
  return { ...object, ...Object.fromEntries(entries) };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function podOf(row: Buffer): object {
  const { key, modRevision } = parseKeyValue(row);
  const [namespace = '', name = ''] = key.toString().slice(PODS.length).split('/');
  const metadata = { name, namespace, resourceVersion: String(modRevision), uid: name };
  return { metadata, spec: { containers: [] } };
}

function named(name: string): object {
  return { metadata: { name } };
}

function missing(name: string | undefined): Reply {
  return refusal(404, 'NotFound', `${KIND} "${name ?? ''}" not found`);
}

function conflict({ metadata }: KubeObject): Reply {
  return refusal(409, 'Conflict', `${metadata.name}: the object has been modified`);
}

function refusal(status: number, reason: string, message: string): Reply {
  return { status, body: { kind: 'Status', status: 'Failure', code: status, reason, message } };
}

const FROZEN = refusal(
  500,
  'InternalError',
  `Internal error occurred: failed calling webhook "${WEBHOOK_NAME}": connection refused`,
);

/** No subresources and few verbs, so that a probe is a few requests. */
const RESOURCES = {
  groupVersion: 'v1',
  resources: [
    {
      name: 'pods',
      kind: 'Pod',
      namespaced: true,
      verbs: ['create', 'get', 'list', 'patch', 'watch'],
    },
  ],
};
