/** Objects as they come out of a list. */
import { z } from 'zod';
import { read } from './answer.js';
import type { ApiServer } from './api.js';
import { pathOf, type Served } from './resource.js';

const metadata = z.looseObject({
  name: z.string(),
  namespace: z.string().optional(),
  resourceVersion: z.string().optional(),
  creationTimestamp: z.iso.datetime().optional(),
  deletionTimestamp: z.string().optional(),
  deletionGracePeriodSeconds: z.number().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
export const kubeObject = z.looseObject({ metadata });
export type KubeObject = z.output<typeof kubeObject>;

const list = z.looseObject({
  metadata: z.looseObject({
    resourceVersion: z.string(),
    continue: z.string().optional(),
    remainingItemCount: z.number().int().optional(),
  }),
  items: z.array(kubeObject),
});

/**
 * The first objects of a list that is not older than this moment: without a resourceVersion an
 * apiserver asks its etcd. `count` is all that there are; undefined where it does not say.
 * @param namespace undefined: of all
 */
export async function listFirst(
  api: ApiServer,
  served: Served,
  limit: number,
  namespace?: string,
  signal?: AbortSignal,
): Promise<{ resourceVersion: string; items: KubeObject[]; count: number | undefined }> {
  const answer = await api.get(pathOf(served, namespace), { limit: String(limit) }, signal);
  const { metadata: of, items } = read(answer, list);
  const whole = (of.continue ?? '') === '';
  const rest = whole ? 0 : of.remainingItemCount;
  const count = rest === undefined ? undefined : items.length + rest;
  return { resourceVersion: of.resourceVersion, items, count };
}

/** `default/web-0`, or the name alone. */
export function objectName({ metadata: { namespace, name } }: KubeObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}
