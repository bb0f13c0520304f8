/**
 * What must hold before anything is frozen. It changes nothing, and is done twice: before somebody is
 * asked for go, and after he has given it, because he may have taken an hour.
 */
import { hasCode, LockstepError } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import { apiserverAddresses } from '../kube/endpoints.js';
import { Freeze } from '../kube/freeze.js';
import { needFreezeRights } from '../kube/rights.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { DeadOnes, doesNotAnswer } from '../proof/dead.js';
import { movedBy, type Moved } from '../proof/movedresources.js';
import { refuseOtherObjects } from '../proof/objects.js';
import { refuseItself } from '../proof/othersource.js';
import { measureBehind } from '../source/behind.js';
import { CURSOR_KEY } from '../target/cursor.js';
import { refuseCutOver, type StoredCutover } from '../target/cutoverstate.js';
import { otherRun } from '../target/nightowner.js';
import { takeStock } from '../target/stock.js';
import { EtcdTarget, type TargetState } from '../target/target.js';
import type { EtcdClient } from '../wire/client.js';
import type { CutoverOptions } from './nightoptions.js';

export interface Checked {
  prefixes: PrefixSet;
  moved: Moved[];
  /** Cluster id. */
  source: string;
  /** A key that the user may read on both sides. */
  key: Buffer;
  /** A freeze that stands already. */
  standing: Freeze | undefined;
  /** What somebody should know before he says go. */
  warnings: string[];
}

/** A follower that is further behind has not caught up yet. */
const MAX_LAG_REVISIONS = 5000;
/** How long a target that lacks something may stand still. Less than pods may be frozen for nothing. */
const STANDS_STILL_SECONDS = 2;

/** @throws LockstepError NOT_DRAINED where the target lags behind, and what stock, etcds and apiservers say */
export async function preflight(options: CutoverOptions): Promise<Checked> {
  const { source, resources, apiservers, oldApiservers, without } = options;
  const all = [...apiservers, ...oldApiservers];
  const sides = await lookAtSides(options);
  const position = await refuseBehind(options, sides);
  const moved = movedBy(sides.prefixes.list, resources);
  await new DeadOnes(without).refuseAlive();
  await Promise.all(all.map((api) => refuseOtherLists(source, api, moved, position)));
  await needFreezeRights(all);
  const standing = await Freeze.find(all);
  const { prefixes, clusterId, key } = sides;
  return {
    ...{ prefixes, moved, source: clusterId, key, standing },
    warnings: [
      ...(await endpointWarnings(options)),
      ...leaseWarnings(moved, oldApiservers.length > 0),
      ...frozenWarnings(standing),
    ],
  };
}

/** Both etcds, as each of the checks needs them. */
export interface Sides {
  state: TargetState;
  /** Everything where the target has no cursor. */
  prefixes: PrefixSet;
  key: Buffer;
  /** Of the source. */
  clusterId: string;
  /** The source's head. */
  head: Revision;
}

type EndsOptions = Pick<CutoverOptions, 'source' | 'target' | 'signal'>;

/** @throws LockstepError TARGET_CUT_OVER, OTHER_RUN, SAME_ETCD, and what etcds say */
export async function lookAtSides({ source, target }: EndsOptions): Promise<Sides> {
  const state = await new EtcdTarget(target).read();
  if (state.cutover) throw state.owner ? otherRun(state.owner) : refuseCutOver(state.cutover);
  const named = state.cursor && PrefixSet.of(state.cursor.prefixes);
  const key = named ? probeKey(named) : Buffer.from([0]);
  const { clusterId, revision } = await source.head(key);
  await refuseItself(source, target, state, key);
  return { state, prefixes: named ?? PrefixSet.everything(), key, clusterId, head: revision };
}

/**
 * The target is in lockstep, and somebody brings it on.
 * @returns where it stands
 * @throws LockstepError NOT_DRAINED, and what stock says
 */
export async function refuseBehind(
  options: EndsOptions,
  { state, prefixes, clusterId, head }: Sides,
): Promise<Revision> {
  const { position } = takeStock(state, { source: clusterId, prefixes });
  if (head - position > MAX_LAG_REVISIONS) throw behind(position, head, '');
  if (head > position) await refuseStandingStill(options, head);
  return position;
}

/** @throws LockstepError OTHER_OBJECTS, KUBE_UNAVAILABLE that says how to leave it out */
export async function refuseOtherLists(
  source: EtcdClient,
  api: ApiServer,
  moved: readonly Moved[],
  position: Revision,
): Promise<void> {
  try {
    await refuseOtherObjects(source, api, moved, position);
  } catch (error) {
    throw hasCode(error, 'KUBE_UNAVAILABLE') ? doesNotAnswer(api.url, error) : error;
  }
}

/**
 * What is wrong with the endpoints of the service `kubernetes`, where clients inside the cluster go:
 * an apiserver that nobody has named is forgotten and goes on writing; one that is pre-warmed on the
 * target gets writes before its time.
 */
export async function endpointWarnings({
  apiservers,
  oldApiservers,
  without,
}: Pick<CutoverOptions, 'apiservers' | 'oldApiservers' | 'without'>): Promise<string[]> {
  const asked = [...apiservers, ...oldApiservers];
  const [first] = asked;
  if (!first) return [];
  const addresses = await apiserverAddresses(first);
  const of = (some: readonly ApiServer[]) => new Set(some.map(({ url }) => addressOf(url)));
  const named = of([...asked, ...without]);
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

/** Who renews a lease is refused, too: what a restart inside the freeze means for leaders and nodes. */
export function leaseWarnings(moved: readonly Moved[], prewarmed: boolean): string[] {
  const isLease = ({ resource: { group, resource } }: Moved) =>
    group === 'coordination.k8s.io' && resource === 'leases';
  if (prewarmed || !moved.some(isLease)) return [];
  return [
    'leases are frozen, too, until the last apiserver has restarted: leaders give up after 10 s without a renewal, and nodes are Unknown after 40 s; with pre-warmed apiservers (--old-apiservers) it is a second or two',
  ];
}

function addressOf(url: string): string {
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port || (protocol === 'http:' ? '80' : '443')}`;
}

/** A freeze that a run holds which may still be alive. */
export function frozenWarnings(standing: Freeze | undefined): string[] {
  if (!standing) return [];
  const who = standing.owner?.text ?? 'somebody, by hand';
  return [
    `writes have been frozen since ${standing.since.toISOString()} by ${who}; with go this run takes that over, and if the other one still runs, it ends`,
  ];
}

/** For a claim on a night that another run has begun. */
export function ownedWarnings(of: { stored: StoredCutover }, who: string | undefined): string[] {
  if (who === undefined) return [];
  const { phase } = of.stored.state;
  return [
    `the night is ${phase}, and the last to write so was ${who}; with go this run takes it over, and if the other one still runs, it ends`,
  ];
}

/**
 * A target that nobody brings on would be waited for with writes frozen. One that has everything may have
 * nobody, too: that shows only when the source goes on.
 */
async function refuseStandingStill({ target, signal }: EndsOptions, head: Revision): Promise<void> {
  let position = 0;
  const { seconds, moves } = await measureBehind(
    () => Promise.resolve(head),
    async () => (position = (await target.head(CURSOR_KEY)).revision),
    STANDS_STILL_SECONDS,
    signal,
  );
  if (seconds === null && !moves) throw behind(position, head, ', and does not come on');
}

function behind(position: Revision, head: Revision, how: string): LockstepError {
  return new LockstepError(
    'NOT_DRAINED',
    `the target stands at revision ${position}, ${head - position} behind the source${how}`,
    {
      revision: position,
      hint: 'Start `etcd-lockstep follow`, wait until it says "in lockstep", and run the same command again. Nothing was changed.',
    },
  );
}
