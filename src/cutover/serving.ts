/**
 * Which etcd serves an apiserver's lists.
 *
 * A consistent list carries the head of the etcd that it was read from. While the fence stands, the
 * target's head is above the source's, so a list's revision above the source's head, asked
 * afterwards, can only be the target's. Before the fence both have the same head, and nobody can tell.
 */
import { hasCode } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import type { Resource } from '../kube/resource.js';
import { listRevision } from '../kube/serving.js';
import type { Fence } from './fence.js';

export interface Serving {
  apiserver: string;
  /** `both`: some of the resources from here, some from there. */
  from: 'source' | 'target' | 'both' | 'does not answer';
}

export async function servingNow(
  api: ApiServer,
  resources: readonly Resource[],
  fence: Fence,
): Promise<Serving> {
  const from = new Set<'source' | 'target'>();
  try {
    for (const resource of resources) {
      const revision = await listRevision(api, resource);
      const { source } = await fence.ask();
      from.add(revision > source ? 'target' : 'source');
    }
  } catch (error) {
    if (!hasCode(error, 'KUBE_UNAVAILABLE')) throw error;
    return { apiserver: api.url, from: 'does not answer' };
  }
  return {
    apiserver: api.url,
    from: from.size > 1 ? 'both' : from.has('target') ? 'target' : 'source',
  };
}
