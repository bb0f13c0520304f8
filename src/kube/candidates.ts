/**
 * On which objects an apiserver is asked.
 *
 * A few, the best of different namespaces: what speaks against one (its namespace is being deleted,
 * its quota is used up, its node cannot resize it) seldom speaks against all. They are taken from the
 * first of a list and from the first of some other namespaces; a list of all would be tens of
 * megabytes in a large cluster.
 */
import { z } from 'zod';
import { read } from './answer.js';
import type { ApiServer } from './api.js';
import { kubeObject, listFirst, type KubeObject } from './object.js';
import type { Served } from './resource.js';

const CANDIDATES = 4;
const FIRST_OF_ALL = 50;
const FIRST_OF_A_NAMESPACE = 10;
const OTHER_NAMESPACES = 6;
const NAMESPACES_READ = 100;
/** More than all that speaks for an object. */
const UNFIT = -16;

interface Namespaces {
  active: readonly string[];
  /** Being deleted. */
  going: readonly string[];
}
const NO_NAMESPACES: Namespaces = { active: [], going: [] };

/** @returns the best first; none where there are no objects */
export async function candidates(
  api: ApiServer,
  served: Served,
  signal?: AbortSignal,
): Promise<KubeObject[]> {
  const [{ items }, namespaces] = await Promise.all([
    listFirst(api, served, FIRST_OF_ALL, undefined, signal),
    served.namespaced ? someNamespaces(api, signal) : NO_NAMESPACES,
  ]);
  const seen = new Set(items.map(({ metadata }) => metadata.namespace));
  const others =
    items.length < FIRST_OF_ALL ? [] : namespaces.active.filter((one) => !seen.has(one));
  const more = await Promise.all(
    others
      .slice(0, OTHER_NAMESPACES)
      .map((one) => listFirst(api, served, FIRST_OF_A_NAMESPACE, one, signal)),
  );
  const all = [...items, ...more.flatMap((one) => one.items)];
  const ranked = all.map((object) => {
    const isGoing = namespaces.going.includes(object.metadata.namespace ?? '');
    return { object, score: fitness(object) + (isGoing ? UNFIT : 0) };
  });
  ranked.sort((a, b) => b.score - a.score);
  return spread(ranked.map(({ object }) => object)).slice(0, CANDIDATES);
}

const status = z.looseObject({
  phase: z.string().optional(),
  containerStatuses: z.array(z.looseObject({ resources: z.unknown().optional() })).optional(),
});
const spec = z.looseObject({
  containers: z.array(z.looseObject({ resources: z.unknown().optional() })).optional(),
});

/**
 * Least: what is on its way out, what is the shadow of a pod that only its kubelet can change, what
 * has come to its end. Most: what runs, and whose node says so of its resources, too (others cannot
 * be resized).
 */
function fitness({ metadata, status: reported, spec: asked }: KubeObject): number {
  const { phase, containerStatuses = [] } = status.safeParse(reported).data ?? {};
  const { containers = [] } = spec.safeParse(asked).data ?? {};
  const is = (yes: boolean, points: number) => (yes ? points : 0);
  return (
    is(metadata.deletionTimestamp !== undefined, UNFIT) +
    is(metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined, UNFIT) +
    is(phase === 'Succeeded' || phase === 'Failed', -8) +
    is(phase === 'Running', 4) +
    is(
      containerStatuses.some(({ resources }) => resources !== undefined),
      2,
    ) +
    is(
      containers.some(({ resources }) => resources !== undefined),
      1,
    )
  );
}

/** The first of each namespace, then the others. */
function spread(ranked: readonly KubeObject[]): KubeObject[] {
  const isFirst = ({ metadata }: KubeObject, i: number) =>
    ranked.findIndex((one) => one.metadata.namespace === metadata.namespace) === i;
  return [...ranked.filter(isFirst), ...ranked.filter((one, i) => !isFirst(one, i))];
}

const namespace = z.looseObject({
  ...kubeObject.shape,
  status: z.looseObject({ phase: z.string() }).optional(),
});
const namespaceList = z.looseObject({ items: z.array(namespace) });

/** None where we may not list them: that right is not needed. */
async function someNamespaces(
  api: ApiServer,
  signal: AbortSignal | undefined,
): Promise<Namespaces> {
  const answer = await api.get('/api/v1/namespaces', { limit: String(NAMESPACES_READ) }, signal);
  if (answer.status === 403) return NO_NAMESPACES;
  const { items } = read(answer, namespaceList);
  const named = (going: boolean) =>
    items
      .filter((one) => (one.status?.phase === 'Terminating') === going)
      .map(({ metadata }) => metadata.name);
  return { active: named(false), going: named(true) };
}
