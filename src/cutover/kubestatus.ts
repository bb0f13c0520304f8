/** What Kubernetes says of a night: whether writes are frozen and by whom, and which etcd serves. */
import type { ApiServer } from '../kube/api.js';
import { Freeze } from '../kube/freeze.js';
import { resourceName, type Resource } from '../kube/resource.js';
import { LockstepError } from '../errors.js';
import { servingNow, type Heads, type Serving } from './serving.js';

export interface KubeStatus {
  /** Null: no freeze of ours stands. Whether each apiserver refuses tells `freeze probe`. */
  frozen: {
    since: string;
    /** Null: made by kubectl. */
    by: string | null;
    /** The target is taken over, so it must not be removed by hand. */
    held: boolean;
    resources: string[];
  } | null;
  apiservers: Serving[];
}

/** @param heads undefined: which etcd serves is not asked */
export async function kubeStatus(
  apis: readonly ApiServer[],
  resources: readonly Resource[],
  heads: (() => Promise<Heads>) | undefined,
): Promise<KubeStatus> {
  const freeze = await Freeze.find(apis);
  const ask = async (api: ApiServer): Promise<Serving> => {
    if (!heads) return { apiserver: api.url, from: 'unclear', why: 'not asked (give --endpoints)' };
    try {
      return await servingNow(api, resources, heads);
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      return { apiserver: api.url, from: 'unclear', why: error.message };
    }
  };
  return {
    frozen: freeze
      ? {
          since: freeze.since.toISOString(),
          by: freeze.owner?.text ?? null,
          held: freeze.held,
          resources: freeze.resources.map(resourceName),
        }
      : null,
    apiservers: await Promise.all(apis.map(ask)),
  };
}
