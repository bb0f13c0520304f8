/** What must hold before anything is frozen. It changes nothing. */
import { LockstepError } from '../errors.js';
import { apiserverAddresses } from '../kube/endpoints.js';
import { listRevision } from '../kube/serving.js';
import { resourceName } from '../kube/resource.js';
import { takeStock } from '../lockstep/stock.js';
import { EtcdTarget } from '../lockstep/target.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import type { CutoverOptions } from './options.js';

export interface Checked {
  prefixes: PrefixSet;
  /** Cluster id. */
  source: string;
  /** A key that the user may read on both sides. */
  key: Buffer;
  /** What somebody should know before he says go. */
  warnings: string[];
}

/** A follower that is further behind has not caught up yet. */
const MAX_LAG_REVISIONS = 5000;

/** @throws LockstepError NOT_DRAINED where the target lags behind, and what stock, etcds and apiservers say */
export async function preflight(options: CutoverOptions): Promise<Checked> {
  const { source, target } = options;
  const state = await new EtcdTarget(target).read();
  const prefixes = state.cursor && PrefixSet.of(state.cursor.prefixes);
  const key = prefixes ? probeKey(prefixes) : Buffer.from([0]);
  const { clusterId, revision } = await source.head(key);
  const identity = { source: clusterId, prefixes: prefixes ?? PrefixSet.everything() };
  const { position } = takeStock(state, identity);
  if (revision - position > MAX_LAG_REVISIONS) throw behind(position, revision);
  for (const api of [...options.apiservers, ...options.oldApiservers])
    for (const resource of options.resources) await listRevision(api, resource);
  return {
    prefixes: identity.prefixes,
    source: clusterId,
    key,
    warnings: [...(await endpointWarnings(options)), ...uncovered(options, identity.prefixes)],
  };
}

/**
 * What is wrong with the endpoints of the service `kubernetes`, where clients inside the cluster go:
 * an apiserver that nobody has named is forgotten and goes on writing; one that is pre-warmed on the
 * target gets writes before its time.
 */
export async function endpointWarnings({
  apiservers,
  oldApiservers,
}: Pick<CutoverOptions, 'apiservers' | 'oldApiservers'>): Promise<string[]> {
  const all = [...apiservers, ...oldApiservers];
  const [first] = all;
  if (!first) return [];
  const addresses = await apiserverAddresses(first);
  const of = (some: typeof all) => new Set(some.map(({ url }) => addressOf(url)));
  const named = of(all);
  const prewarmed = oldApiservers.length > 0 ? of([...apiservers]) : new Set<string>();
  return [
    ...addresses
      .filter((address) => !named.has(address))
      .map(
        (address) =>
          `the cluster's own list has an apiserver at ${address}; if it is none of those that were named by other addresses, it is forgotten`,
      ),
    ...addresses
      .filter((address) => prewarmed.has(address))
      .map(
        (address) =>
          `the pre-warmed apiserver at ${address} is in the cluster's own list, so clients inside write there already; start it with --endpoint-reconciler-type=none`,
      ),
  ];
}

function addressOf(url: string): string {
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port || (protocol === 'http:' ? '80' : '443')}`;
}

/** The freeze is by resource, the move by prefix. A resource's folder mostly bears its name. */
function uncovered({ resources }: CutoverOptions, prefixes: PrefixSet): string[] {
  return resources
    .filter(({ resource }) => !prefixes.list.some((prefix) => prefix.includes(`/${resource}/`)))
    .map(
      (resource) =>
        `none of the prefixes ${prefixes.list.join(', ')} looks like the folder of ${resourceName(resource)}`,
    );
}

function behind(position: Revision, head: Revision): LockstepError {
  return new LockstepError(
    'NOT_DRAINED',
    `the target stands at revision ${position}, ${head - position} behind the source`,
    {
      disposition: 'retry',
      revision: position,
      hint: 'Start `etcd-lockstep follow`, wait until it says "in lockstep", and run the same command again. Nothing was changed.',
    },
  );
}
