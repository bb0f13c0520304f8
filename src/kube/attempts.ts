/**
 * Every way in which a resource is written, as requests that change nothing.
 *
 * All are dry runs ({@link DRY_RUN} goes with each): the apiserver does everything, admission
 * included, but for the last step. They aim at an object that is there, because an apiserver looks
 * for the object before it asks admission. Three need none: a creation, and both kinds of a binding.
 *
 * A DELETE carries no body: with one an apiserver does not read the query, where `dryRun` stands.
 */
import { causesOf, messageOf, type Answer } from './answer.js';
import type { Method, Query } from './api.js';
import type { KubeObject } from './object.js';
import { LEASES, pathOf, PODS, sameResource, type Served, type Subresource } from './resource.js';

export const DRY_RUN: Query = { dryRun: 'All' };

/** One request, or why there is none: the server has no such path, or there is no object to aim at. */
export type Attempt = { what: string } & (Request | { skipped: 'absent' | 'not asked' });

export interface Request {
  method: Exclude<Method, 'GET'>;
  path: string;
  body?: unknown;
  query?: Query;
  /** Failures that an apiserver answers only after admission has said yes. */
  afterAdmission?: (answer: Answer) => boolean;
}

const PROBE_NAME = 'etcd-lockstep-probe';

/** A merge patch for anything with metadata. */
export const TOUCH = { metadata: { annotations: { 'etcd-lockstep.io/probe': 'dry-run' } } };

/** @param object undefined: there is none */
export function writesOf(served: Served, object: KubeObject | undefined): Attempt[] {
  const { namespace = 'default', name = PROBE_NAME } = object?.metadata ?? {};
  const all = pathOf(served, namespace);
  const one = pathOf(served, namespace, name);
  const verbs: [string, Request | undefined][] = [
    ['create', creation(served, object)],
    // As it was read, with its resourceVersion: some resources cannot be updated without.
    ['update', object && { method: 'PUT', path: one, body: { ...typeOf(served), ...object } }],
    ['patch', object && { method: 'PATCH', path: one, body: TOUCH }],
    ['delete', object && { method: 'DELETE', path: one }],
    [
      'deletecollection',
      object && { method: 'DELETE', path: all, query: { fieldSelector: `metadata.name=${name}` } },
    ],
  ];
  return [
    ...verbs.map(([verb, request]) =>
      attempt(`${verb} ${served.resource}`, served.verbs.includes(verb), request),
    ),
    ...(sameResource(served, PODS) ? podWrites : statusWrites)(served, object),
  ];
}

/** A copy under a new name; where there is nothing to copy, a pod or a lease of our own. */
export function creation(served: Served, object: KubeObject | undefined): Request | undefined {
  const copied = object ? copyOf(object) : newObject(served);
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
    afterAdmission: (answer) =>
      causesOf(answer).includes('DisruptionBudget') ||
      /PodDisruptionBudget|disruption budget/.test(messageOf(answer)),
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
    },
  );
}

function attempt(what: string, there: boolean, request: Request | undefined): Attempt {
  if (!there) return { what, skipped: 'absent' };
  return request ? { what, ...request } : { what, skipped: 'not asked' };
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
    ...('spec' in rest ? { spec: withoutEphemeral(rest['spec']) } : {}),
    metadata: {
      name: PROBE_NAME,
      ...(namespace === undefined ? {} : { namespace }),
      labels,
      annotations: Object.fromEntries(own),
    },
  };
}

/** They cannot be there from the start. */
function withoutEphemeral(spec: unknown): unknown {
  if (typeof spec !== 'object' || spec === null) return spec;
  return Object.fromEntries(Object.entries(spec).filter(([key]) => key !== 'ephemeralContainers'));
}

function newObject(served: Served): KubeObject | undefined {
  const metadata = { name: PROBE_NAME, namespace: 'default' };
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
