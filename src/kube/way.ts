/** In which of the two ways a cluster is frozen. */
import { z } from 'zod';
import { read } from './answer.js';
import type { ApiServer } from './api.js';
import { ADMISSION_BASE, KINDS, type FreezeWay } from './manifests.js';

const resources = z.looseObject({ resources: z.array(z.looseObject({ name: z.string() })) });

/**
 * A policy where every apiserver has them (1.30 and later), else a webhook.
 * @throws LockstepError KUBE_UNAVAILABLE where one does not answer
 */
export async function freezeWay(apis: readonly ApiServer[]): Promise<FreezeWay> {
  const lists = await Promise.all(apis.map((api) => api.get(ADMISSION_BASE)));
  const policies = lists.map((list) =>
    read(list, resources).resources.some(({ name }) => name === KINDS.policy[0]),
  );
  return policies.every(Boolean) ? 'policy' : 'webhook';
}
