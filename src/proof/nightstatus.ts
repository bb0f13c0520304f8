/** What Kubernetes says of a night: whether writes are frozen and by whom, and which etcd serves. */
import { LockstepError } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import { Freeze } from '../kube/freeze.js';
import { parseResource, PODS, resourceName, type Resource } from '../kube/resource.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { TargetStatus } from '../target/targetstatus.js';
import type { EtcdClient } from '../wire/client.js';
import { askHeads, servingNow, type Heads, type Serving } from './servedfrom.js';

/** What the apiservers say of a night. */
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

/**
 * Asks about what was moved, or is to be.
 * @throws LockstepError KUBE_UNAVAILABLE where no apiserver answers
 */
export async function nightStatus(
  apis: readonly ApiServer[],
  { cursor, cutover }: TargetStatus,
  { source, target }: { source: EtcdClient | undefined; target: EtcdClient },
): Promise<KubeStatus> {
  const prefixes = cutover?.prefixes ?? cursor?.prefixes;
  const key = prefixes && probeKey(PrefixSet.of(prefixes));
  const heads = source && key ? () => askHeads(source, target, key) : undefined;
  const named = (cutover?.resources ?? []).map(parseResource).filter((one) => one !== undefined);
  return kubeStatus(apis, named.length > 0 ? named : [PODS], heads);
}

/** @param heads undefined: which etcd serves is not asked */
async function kubeStatus(
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
