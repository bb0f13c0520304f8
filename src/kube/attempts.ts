/**
 * Every way in which a resource is written, as requests that change nothing.
 *
 * All are dry runs ({@link DRY_RUN} goes with each): the apiserver does everything, admission
 * included, but for the last step. They aim at an object that is there, because an apiserver looks
 * for the object before it asks admission. Three need none: a creation, and both kinds of a binding.
 *
 * A DELETE carries no body: with one an apiserver does not read the query, where `dryRun` stands. So it
 * cannot name the resourceVersion that it means; that is looked for in the answer (verdict.ts).
 */
import type { HttpMethod, Query } from './api.js';
import { objectName, type KubeObject } from './object.js';
import { LEASES, pathOf, PODS, sameResource, type Served, type Subresource } from './resource.js';
import { isForItsBudget, type Asking } from './verdict.js';

export const DRY_RUN: Query = { dryRun: 'All' };

/** One way in which a resource is written. */
export interface Path {
  /** `create pods`, `pods/eviction` */
  what: string;
  /** Whether this apiserver has it. */
  there: boolean;
  /** The best first; none where nothing is there to aim at. */
  requests: readonly Request[];
}

/** One request, or undefined where there is no object to aim at. */
export interface Attempt {
  what: string;
  there: boolean;
  request: Request | undefined;
}

export interface Request extends Asking {
  method: Exclude<HttpMethod, 'GET'>;
  path: string;
  body?: unknown;
  query?: Query | undefined;
  /** What it aims at: `default/web-0`; undefined: at nothing that is there. */
  on?: string;
}

const PROBE_NAME = 'etcd-lockstep-probe';

/** A merge patch for anything with metadata. */
export const TOUCH = { metadata: { annotations: { 'etcd-lockstep.io/probe': 'dry-run' } } };

/**
 * All paths, on each of these objects.
 * @param objects the best first
 */
export function pathsOf(served: Served, objects: readonly KubeObject[]): Path[] {
  const paths = joined(
    (objects.length > 0 ? objects : [undefined]).map((one) => writesOf(served, one)),
  );
  return paths.map((path) =>
    path.what === `create ${served.resource}`
      ? { ...path, requests: [...path.requests, ...ownCreations(served, objects)] }
      : path,
  );
}

/** What may be asked on several objects, path by path. */
export function joined(onEach: readonly Attempt[][]): Path[] {
  const [first = []] = onEach;
  return first.map(({ what, there }, i) => ({
    what,
    there,
    requests: onEach.flatMap((attempts) => attempts[i]?.request ?? []),
  }));
}

/** No copies, which a namespace may refuse that has become stricter since. */
function ownCreations(served: Served, objects: readonly KubeObject[]): Request[] {
  const namespaces = objects.map(({ metadata }) => metadata.namespace ?? 'default');
  const others = objects.length > 0 ? [...new Set([...namespaces, 'default'])] : [];
  return others.flatMap((namespace) => creation(served, undefined, namespace) ?? []);
}

/** @param object undefined: there is none */
function writesOf(served: Served, object: KubeObject | undefined): Attempt[] {
  const { namespace = 'default', name = PROBE_NAME } = object?.metadata ?? {};
  const all = pathOf(served, namespace);
  const one = pathOf(served, namespace, name);
  const deletion = (path: string, query?: Query): Request | undefined =>
    object && !isOnItsWayOut(object)
      ? { method: 'DELETE', path, query, readAt: object.metadata.resourceVersion }
      : undefined;
  const verbs: [string, Request | undefined][] = [
    ['create', creation(served, object)],
    // As it was read, with its resourceVersion: some resources cannot be updated without.
    ['update', object && { method: 'PUT', path: one, body: { ...typeOf(served), ...object } }],
    ['patch', object && { method: 'PATCH', path: one, body: TOUCH }],
    ['delete', deletion(one)],
    ['deletecollection', deletion(all, { fieldSelector: `metadata.name=${name}` })],
  ];
  const on = object && objectName(object);
  return [
    ...verbs.map(([verb, request]) =>
      attempt(`${verb} ${served.resource}`, served.verbs.includes(verb), request),
    ),
    ...(sameResource(served, PODS) ? podWrites : statusWrites)(served, object),
  ].map(({ request, ...rest }) => ({
    ...rest,
    request: request && on !== undefined ? { ...request, on } : request,
  }));
}

/** Its grace period is running; where there is none it only waits for a finalizer, and can be asked on. */
function isOnItsWayOut({ metadata }: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = metadata;
  return deletionTimestamp !== undefined && deletionGracePeriodSeconds > 0;
}

/** A copy under a new name; where there is nothing to copy, a pod or a lease of our own. */
export function creation(
  served: Served,
  object: KubeObject | undefined,
  namespace = 'default',
): Request | undefined {
  const copied = object ? copyOf(object) : newObject(served, namespace);
  return (
    copied && {
      method: 'POST',
      path: pathOf(served, copied.metadata.namespace),
      body: { ...typeOf(served), ...copied },
    }
  );
}

function statusWrites(served: Served, object: KubeObject | undefined): Attempt[] {
  return served.subresources.has('status') ? [touched(served, 'status', object)] : [];
}

function podWrites(served: Served, object: KubeObject | undefined): Attempt[] {
  const { namespace = 'default', name = PROBE_NAME } = object?.metadata ?? {};
  const binding: Omit<Request, 'path'> = {
    method: 'POST',
    body: {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace },
      target: { apiVersion: 'v1', kind: 'Node', name: PROBE_NAME },
    },
    // The pod is bound already, or there is none.
    afterAdmission: ({ status }) => status === 409 || (status === 404 && !object),
  };
  const pod = pathOf(served, namespace, name);
  const { subresources } = served;
  const eviction = subresources.get('eviction');
  return [
    touched(served, 'status', object),
    attempt('pods/binding', subresources.has('binding'), { ...binding, path: `${pod}/binding` }),
    attempt('bindings', true, {
      ...binding,
      path: `${served.base}/namespaces/${namespace}/bindings`,
    }),
    attempt(
      'pods/eviction',
      eviction !== undefined,
      eviction && object && evictionOf(eviction, `${pod}/eviction`, { name, namespace }),
    ),
    touched(served, 'ephemeralcontainers', object),
    touched(served, 'resize', object),
  ];
}

function evictionOf(
  { apiVersion, kind }: Subresource,
  path: string,
  metadata: { name: string; namespace: string },
): Request {
  return {
    method: 'POST',
    path,
    body: { apiVersion, kind, metadata },
    afterAdmission: isForItsBudget,
  };
}

/** A subresource, patched. */
export function touched(served: Served, name: string, object: KubeObject | undefined): Attempt {
  return attempt(
    `${served.resource}/${name}`,
    served.subresources.has(name),
    object && {
      method: 'PATCH',
      path: `${pathOf(served, object.metadata.namespace, object.metadata.name)}/${name}`,
      body: TOUCH,
      on: objectName(object),
    },
  );
}

function attempt(what: string, there: boolean, request: Request | undefined): Attempt {
  return { what, there, request: there ? request : undefined };
}

function typeOf({ apiVersion, kind }: Served): { apiVersion: string; kind: string } {
  return { apiVersion, kind };
}

function copyOf({ status: _, metadata, ...rest }: KubeObject): KubeObject {
  const { namespace, labels = {}, annotations = {} } = metadata;
  // These make a pod the shadow of one that a kubelet runs by itself.
  const own = Object.entries(annotations).filter(
    ([key]) => !key.startsWith('kubernetes.io/config.'),
  );
  return {
    ...rest,
    ...('spec' in rest ? { spec: asAskedFor(rest['spec']) } : {}),
    metadata: {
      name: PROBE_NAME,
      ...(namespace === undefined ? {} : { namespace }),
      labels,
      annotations: Object.fromEntries(own),
    },
  };
}

/**
 * What a pod has got since it was asked for, and could not be asked for again: the numbers of a
 * PriorityClass and of a RuntimeClass are checked against what these say today.
 */
const GIVEN_LATER = [
  ...['nodeName', 'ephemeralContainers', 'overhead'],
  ...['priority', 'priorityClassName', 'preemptionPolicy'],
];

function asAskedFor(spec: unknown): unknown {
  if (typeof spec !== 'object' || spec === null) return spec;
  return Object.fromEntries(Object.entries(spec).filter(([key]) => !GIVEN_LATER.includes(key)));
}

function newObject(served: Served, namespace: string): KubeObject | undefined {
  const metadata = { name: PROBE_NAME, namespace };
  if (sameResource(served, PODS)) return { metadata, spec: POD_SPEC };
  return sameResource(served, LEASES) ? { metadata, spec: {} } : undefined;
}

/** One that the strictest of the Pod Security Standards lets in, and most quotas. */
const POD_SPEC = {
  automountServiceAccountToken: false,
  securityContext: {
    runAsNonRoot: true,
    runAsUser: 65534,
    seccompProfile: { type: 'RuntimeDefault' },
  },
  containers: [
    {
      name: 'probe',
      image: 'registry.invalid/never-started:1',
      resources: { requests: { cpu: '1m', memory: '1Mi' }, limits: { cpu: '1m', memory: '1Mi' } },
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    },
  ],
};
