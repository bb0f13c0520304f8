/** What all apiservers of a fake cluster share: pods, and freeze objects as an etcd keeps them. */
import { isDeepStrictEqual } from 'node:util';
import { answerTo, type Version } from './answers.js';
import { status, type Asked, type Reply } from './fake.js';

const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
export const POLICIES = `${ADMISSION}/validatingadmissionpolicies`;
export const BINDINGS = `${ADMISSION}/validatingadmissionpolicybindings`;
export const WEBHOOKS = `${ADMISSION}/validatingwebhookconfigurations`;
const NAME = 'etcd-lockstep-freeze';

export interface Metadata {
  name: string;
  namespace?: string;
  uid?: string | undefined;
  resourceVersion?: string | undefined;
  generation?: number;
  creationTimestamp?: string | undefined;
  annotations?: Record<string, string>;
  [field: string]: unknown;
}
export interface FakeObject {
  metadata: Metadata;
  [field: string]: unknown;
}

export const POD: FakeObject = {
  metadata: { name: 'a', namespace: 'default', resourceVersion: '17' },
  spec: {},
};

export class FakeCluster {
  /** Freeze objects by their path. */
  readonly objects = new Map<string, FakeObject>();
  pods: FakeObject[] = [POD];
  namespaces: FakeObject[] = [{ metadata: { name: 'default' } }];
  #revision = 100;

  constructor(readonly version: Version = '1.36.3') {}

  get frozen(): boolean {
    return this.policy(BINDINGS) !== undefined || this.policy(WEBHOOKS) !== undefined;
  }

  /** The object of ours under {@link POLICIES}, {@link BINDINGS} or {@link WEBHOOKS}. */
  policy(kind: string): FakeObject | undefined {
    return this.objects.get(`${kind}/${NAME}`);
  }

  /** Anybody writes it, with kubectl or as a controller; the generation follows the rules. */
  edit(kind: string, change: (object: FakeObject) => FakeObject): void {
    const there = this.policy(kind);
    if (there) this.#store(`${kind}/${NAME}`, change(structuredClone(there)), there);
  }

  read({ path, query }: Pick<Asked, 'path' | 'query'>): Reply {
    if (path.startsWith(`${ADMISSION}/`)) {
      const there = this.objects.get(path);
      return there ? [200, there] : [404, status(404, 'NotFound', 'not found')];
    }
    const [, namespace] = /^\/api\/v1\/namespaces\/([^/]+)\/pods$/.exec(path) ?? [];
    if (namespace !== undefined || path === '/api/v1/pods') {
      const pods = this.pods.filter(
        ({ metadata }) => namespace === undefined || metadata.namespace === namespace,
      );
      return [200, list(...pods.slice(0, Number(query.get('limit'))))];
    }
    if (path === '/api/v1/namespaces') return [200, list(...this.namespaces)];
    return [200, READS[this.version][path] ?? {}];
  }

  /** @param frozen whether the apiserver that is asked knows of a freeze */
  write(asked: Asked, frozen: () => boolean): Reply {
    const { method, path } = asked;
    if (!path.startsWith(`${ADMISSION}/`)) {
      if (!/\/pods|\/bindings/.test(path)) return [200, {}];
      return answerTo(this.version, asked, frozen() ? 'frozen' : 'open');
    }
    if (method === 'POST') return this.#create(path, asked.body as FakeObject);
    const there = this.objects.get(path);
    if (!there) return [404, status(404, 'NotFound', 'not found')];
    const given = (method === 'DELETE'
      ? (asked.body as { preconditions?: Metadata } | undefined)?.preconditions
      : (asked.body as FakeObject).metadata) ?? { name: NAME };
    for (const field of ['uid', 'resourceVersion'] as const)
      if (given[field] !== undefined && given[field] !== there.metadata[field])
        return [409, status(409, 'Conflict', `the ${field} in the precondition is another`)];
    return this.#change(asked, there);
  }

  #create(path: string, object: FakeObject): Reply {
    const at = `${path}/${object.metadata.name}`;
    if (this.objects.has(at)) return [409, status(409, 'AlreadyExists', 'already exists')];
    const { metadata } = object;
    const made = {
      ...object,
      metadata: {
        ...metadata,
        uid: `uid-${++this.#revision}`,
        resourceVersion: String(this.#revision),
        generation: 1,
        creationTimestamp: '2026-01-02T03:04:05Z',
      },
    };
    this.objects.set(at, made);
    return [201, made];
  }

  #change({ method, path, body }: Asked, there: FakeObject): Reply {
    if (method === 'DELETE') {
      this.objects.delete(path);
      return [200, there];
    }
    const { metadata, ...rest } = body as FakeObject;
    const annotations = { ...there.metadata.annotations, ...metadata.annotations };
    const next =
      method === 'PATCH'
        ? { ...there, ...rest, metadata: { ...there.metadata, annotations } }
        : { ...rest, metadata: { ...metadata } };
    return [200, this.#store(path, next, there)];
  }

  #store(path: string, next: FakeObject, there: FakeObject): FakeObject {
    const { uid, generation = 1, creationTimestamp, resourceVersion } = there.metadata;
    const rules = ({ spec, webhooks }: FakeObject) => ({ spec, webhooks });
    const ruled = isDeepStrictEqual(rules(next), rules(there)) ? generation : generation + 1;
    const kept = { uid, creationTimestamp, generation: ruled, resourceVersion };
    const same = { ...next, metadata: { ...next.metadata, ...kept } };
    const stored = isDeepStrictEqual(same, there)
      ? there
      : { ...same, metadata: { ...same.metadata, resourceVersion: String(++this.#revision) } };
    this.objects.set(path, stored);
    return stored;
  }
}

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

function resource(name: string, kind: string, more: object = {}): object {
  return { name, kind, namespaced: true, verbs: VERBS, ...more };
}

function list(...items: object[]): object {
  return { metadata: { resourceVersion: '4711' }, items };
}

function reads(podPaths: string[], evictions: string, admission: string[]): Record<string, object> {
  return {
    '/api/v1': {
      groupVersion: 'v1',
      resources: [
        resource('pods', 'Pod'),
        ...podPaths.map((name) => resource(`pods/${name}`, 'Pod')),
        resource('pods/eviction', 'Eviction', { group: 'policy', version: evictions }),
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
    [ADMISSION]: { resources: admission.map((path) => ({ name: path.split('/').at(-1) })) },
    '/api/v1/nodes': list({ metadata: { name: 'n' } }),
    '/apis/coordination.k8s.io/v1/leases': list(),
  };
}

const READS: Record<Version, Record<string, object>> = {
  '1.20.2': reads(['status', 'binding'], 'v1beta1', [WEBHOOKS]),
  '1.36.3': reads(['status', 'binding', 'ephemeralcontainers', 'resize'], 'v1', [
    POLICIES,
    BINDINGS,
    WEBHOOKS,
  ]),
};
