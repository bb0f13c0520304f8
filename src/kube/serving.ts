/** Which etcd serves a resource in an apiserver is told by the revision that its lists carry. */
import { LockstepError } from '../errors.js';
import type { Revision } from '../mvcc/revision.js';
import type { ApiServer } from './api.js';
import { listFirst } from './object.js';
import { resourceName, serving, type Resource } from './resource.js';

/**
 * The resourceVersion of a consistent list of one object: the head of the etcd that serves the
 * resource, at this moment.
 * @throws LockstepError KUBE where the apiserver does not serve it
 */
export async function listRevision(api: ApiServer, resource: Resource): Promise<Revision> {
  const { resourceVersion } = await listFirst(api, await serving(api, resource), 1);
  const revision = Number(resourceVersion);
  if (Number.isSafeInteger(revision) && revision > 0) return revision;
  throw new LockstepError(
    'KUBE',
    `${api.url}: a list of ${resourceName(resource)} has resourceVersion ${JSON.stringify(resourceVersion)}, no revision of an etcd`,
    { disposition: 'fatal', hint: 'Is this resource served by an aggregated apiserver?' },
  );
}
