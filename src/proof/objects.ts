/**
 * Kubernetes and etcd, held against each other: what an apiserver lists is what lies under the prefix.
 *
 * Everything else is proven between the two etcds, and would hold for a prefix that Kubernetes does not
 * use at all: apiservers with another `--etcd-prefix`, another cluster's kubeconfig. A list carries the
 * revision that it was read at. So the number of objects, and a few of them by name and resourceVersion,
 * are compared with the keys at that same revision; nothing has to stand still for it.
 *
 * And the revision itself has to be one of now: every etcd was empty once, so an empty list of a new one
 * is the same as ours was at that revision.
 */
import { LockstepError } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import { resourceName } from '../kube/resource.js';
import { listSample, type ListSample } from '../kube/serving.js';
import { keyOf, modRevisionOf } from '../mvcc/keyvalue.js';
import { prefixRange } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { whatIsThere } from '../source/roots.js';
import type { EtcdClient } from '../wire/client.js';
import type { Moved } from './movedresources.js';

/**
 * @param etcd the one that holds what this apiserver lists, at the same revisions
 * @param since head of an etcd that the apiserver may serve from in its place; undefined: of none
 * @throws LockstepError OTHER_OBJECTS where they are not the same
 */
export async function refuseOtherObjects(
  etcd: EtcdClient,
  api: ApiServer,
  moved: readonly Moved[],
  since?: Revision,
): Promise<void> {
  for (const one of moved) {
    const differs = await difference(etcd, api, one, since);
    if (differs !== undefined) throw other(differs, await whatIsThere(etcd, one.prefix));
  }
}

/** What differs, if anything does. */
async function difference(
  etcd: EtcdClient,
  api: ApiServer,
  { resource, prefix }: Moved,
  since: Revision | undefined,
): Promise<string | undefined> {
  const { key } = prefixRange(prefix);
  const least = since ?? (await etcd.head(key)).revision;
  const listed = await listSample(api, resource);
  const { revision } = await etcd.head(key);
  const what = `${api.url} lists ${resourceName(resource)}`;
  if (listed.revision < least || listed.revision > revision)
    return `${what} at revision ${listed.revision}, and etcd is at ${revision}`;
  const keys = await count(etcd, prefix, listed);
  const there = `etcd has ${keys} keys under ${prefix}`;
  if (listed.count !== undefined && listed.count !== keys)
    return `${what}: ${listed.count} at revision ${listed.revision}, and ${there}`;
  if (keys === 0 && listed.sample.length > 0) return `${what}, and ${there}`;
  const missing = await firstMissing(etcd, prefix, listed);
  if (missing === undefined) return undefined;
  return `${what}: ${missing}, which is not so in etcd; ${there}`;
}

async function count(etcd: EtcdClient, prefix: string, { revision }: ListSample): Promise<number> {
  return (await etcd.range({ ...prefixRange(prefix), revision, countOnly: true })).count;
}

/** The first object of the sample whose key is not there, or not at the revision that it says. */
async function firstMissing(
  etcd: EtcdClient,
  prefix: string,
  { revision, sample }: ListSample,
): Promise<string | undefined> {
  const seen = await Promise.all(
    sample.map(async ({ name, resourceVersion }) => {
      const key = Buffer.from(`${prefix}${name}`);
      const { rows } = await etcd.few({ key, revision, keysOnly: true });
      const row = rows.find((one) => keyOf(one).equals(key));
      return row && String(modRevisionOf(row)) === resourceVersion;
    }),
  );
  const i = seen.findIndex((same) => same !== true);
  const missing = sample[i];
  return missing && `${missing.name} with resourceVersion ${missing.resourceVersion}`;
}

function other(what: string, instead: string | undefined): LockstepError {
  const there = instead === undefined ? '' : ` ${instead}.`;
  return new LockstepError('OTHER_OBJECTS', what, {
    hint: `Do these apiservers use another --etcd-prefix, or another etcd?${there} \`etcd-lockstep plan\` shows the folders of the source; seed the one that Kubernetes uses.`,
  });
}
