/** What an apiserver's lists tell of the etcd that serves them. */
import { LockstepError } from '../errors.js';
import type { Revision } from '../mvcc/revision.js';
import type { ApiServer } from './api.js';
import { listFirst, objectName } from './object.js';
import { resourceName, serving, type Resource } from './resource.js';

/**
 * The resourceVersion of a consistent list of one object: the head of the etcd that serves the
 * resource, at this moment.
 * @throws LockstepError KUBE where the apiserver does not serve it
 */
export async function listRevision(api: ApiServer, resource: Resource): Promise<Revision> {
  return (await list(api, resource, 1)).revision;
}

export interface ListSample {
  /** At which the list was read. */
  revision: Revision;
  /** Objects in all; undefined where the apiserver does not say. */
  count: number | undefined;
  /** The first of them; `name` is `namespace/name`, or the name alone, as in their keys. */
  sample: { name: string; resourceVersion: string }[];
}

const SAMPLED = 8;

/** As {@link listRevision}, with what there is to be held against etcd. */
export async function listSample(api: ApiServer, resource: Resource): Promise<ListSample> {
  const { revision, items, count } = await list(api, resource, SAMPLED);
  const sample = items.map((object) => ({
    name: objectName(object),
    resourceVersion: object.metadata.resourceVersion ?? '',
  }));
  return { revision, count, sample };
}

async function list(api: ApiServer, resource: Resource, limit: number) {
  const { resourceVersion, ...rest } = await listFirst(api, await serving(api, resource), limit);
  const revision = Number(resourceVersion);
  if (Number.isSafeInteger(revision) && revision > 0) return { revision, ...rest };
  throw new LockstepError(
    'KUBE',
    `${api.url}: a list of ${resourceName(resource)} has resourceVersion ${JSON.stringify(resourceVersion)}, no revision of an etcd`,
    { hint: 'Is this resource served by an aggregated apiserver?' },
  );
}
