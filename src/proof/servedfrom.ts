/**
 * Which etcd serves an apiserver's lists.
 *
 * A consistent list carries the head of the etcd that it was read from, at a moment between asking
 * and answering. So its revision lies between the heads of that etcd before and after. While the fence
 * stands the other one's heads lie elsewhere; later they may meet, and then it is asked again.
 */
import { hasCode } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import { resourceName, type Resource } from '../kube/resource.js';
import { listRevision } from '../kube/serving.js';
import type { Revision } from '../mvcc/revision.js';
import { CUTOVER_KEY } from '../target/cutoverstate.js';
import type { EtcdClient } from '../wire/client.js';

/** The revisions of both etcds, asked at one moment. */
export interface Heads {
  source: Revision;
  target: Revision;
}

/**
 * Both heads now, the source's first.
 * @param key one of the source that the user may read
 */
export async function askHeads(
  source: EtcdClient,
  target: EtcdClient,
  key: Buffer,
): Promise<Heads> {
  const { revision } = await source.head(key);
  return { source: revision, target: (await target.head(CUTOVER_KEY)).revision };
}

/** From which etcd an apiserver serves. */
export interface Serving {
  apiserver: string;
  /** `unclear`: some resources from here, some from there, or heads too near to each other. */
  from: 'source' | 'target' | 'unclear' | 'neither' | 'does not answer';
  /** What it was that left it unclear: an error, or where each resource is served from. */
  why?: string;
}

export async function servingNow(
  api: ApiServer,
  resources: readonly Resource[],
  heads: () => Promise<Heads>,
): Promise<Serving> {
  const sides: Serving['from'][] = [];
  try {
    for (const resource of resources) {
      const before = await heads();
      const revision = await listRevision(api, resource);
      sides.push(sideOf(revision, before, await heads()));
    }
  } catch (error) {
    if (!hasCode(error, 'KUBE_UNAVAILABLE')) throw error;
    return { apiserver: api.url, from: 'does not answer' };
  }
  const [first = 'unclear'] = sides;
  if (sides.every((side) => side === first)) return { apiserver: api.url, from: first };
  const each = resources.map((resource, i) => `${resourceName(resource)} from ${sides[i] ?? '?'}`);
  return { apiserver: api.url, from: 'unclear', why: `serves ${each.join(', ')}` };
}

/** `serves from target`, `does not answer`, or what left it unclear. */
export function servingText({ from, why }: Serving): string {
  return why ?? (from === 'does not answer' ? from : `serves from ${from}`);
}

function sideOf(revision: Revision, before: Heads, after: Heads): Serving['from'] {
  const within = (side: 'source' | 'target') => before[side] <= revision && revision <= after[side];
  if (within('source')) return within('target') ? 'unclear' : 'source';
  return within('target') ? 'target' : 'neither';
}
