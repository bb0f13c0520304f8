/**
 * A split into several etcds, part by part: what each holds and writes, and what its own etcd has to take.
 *
 * An etcd in lockstep takes a write for each revision that the source makes. What goes by configuration
 * goes first, so those revisions are none of the source's any more by then.
 */
import { badArgument } from '../errors.js';
import { resourceName, type Resource } from '../kube/resource.js';
import { compiledIn } from '../kube/resourcefolders.js';
import { nearTransactionsPerSecond } from './estimates.js';
import type { Contents } from './contents.js';
import type { PlannedFolder } from './plan.js';
import type { Rates } from './rates.js';
import { overrides, wayFor, type SplitWay } from './split.js';

/** A resource that gets an etcd of its own. */
export interface Part {
  /** Of its migration, of its etcd: `pods`. */
  name: string;
  /** As kube-apiserver's flag names it: `/pods`, `coordination.k8s.io/leases`. */
  resource: string;
  way: Exclude<SplitWay, 'stays'>;
  why: string;
  folder: string;
  keys: number;
  bytes: number;
  /** False where `bytes` is guessed from a sample. */
  exact: boolean;
  /** Revisions a second while the source was watched; null where that was not allowed. */
  perSecond: number | null;
  /** Of the source's revisions, 0 to 1; null likewise, or where there were none. */
  share: number | null;
  /** Writes a second that its etcd has to take until the move is over; null likewise. */
  etcdPerSecond: number | null;
  /** Whether lockstep needs the target's peer port for that; null where it is not in lockstep, or not known. */
  needsPeers: boolean | null;
  /** Null where nothing is seeded. */
  seedSeconds: number | null;
}

/** What was asked for, and where it lies. */
export interface AskedPart extends Pick<Part, 'name' | 'resource' | 'way' | 'why' | 'folder'> {
  kubectl: string;
}

/** The order in which they go. */
const ORDER = ['configuration', 'mirror', 'lockstep'] as const;

/**
 * @param root of the keys: `/registry/`
 * @throws LockstepError BAD_ARGUMENT for what is no resource that can be split off, or is there twice
 */
export function askedParts(names: readonly Resource[], root: string): AskedPart[] {
  const parts = names.map((named): AskedPart => {
    const found = compiledIn(named);
    if (!found)
      throw badArgument(
        `--split ${resourceName(named)}: no resource that apiservers can have in an etcd of its own`,
        'Name resources as kubectl does, such as pods,leases,events; custom resources stay where they are.',
      );
    const way = wayFor(found.resource);
    if (way.way === 'stays') throw new Error(`${found.resource} cannot be split off`);
    const [group = '', resource = ''] = found.resource.split('/');
    return {
      ...{ name: resource, resource: found.resource, folder: root + found.folder },
      ...{ way: way.way, why: way.why, kubectl: resourceName({ group, resource }) },
    };
  });
  const twice = parts.find((part, i) => parts.findIndex(({ name }) => name === part.name) < i);
  if (twice) throw badArgument(`--split names ${twice.name} twice`, 'Name each resource once.');
  return parts.sort((a, b) => ORDER.indexOf(a.way) - ORDER.indexOf(b.way));
}

/** What has to be read whole: what is seeded, or else what is copied, or else all. */
export function seededFolders(parts: readonly AskedPart[]): string[] {
  const of = (ways: readonly Part['way'][]) => parts.filter(({ way }) => ways.includes(way));
  const [most = []] = [of(['lockstep']), of(['mirror']), parts].filter((some) => some.length > 0);
  return most.map(({ folder }) => folder);
}

interface PartFacts {
  folders: readonly PlannedFolder[];
  rates: Rates;
  contents: Contents;
  seedSeconds: number;
}

export function planParts(asked: readonly AskedPart[], facts: PartFacts): Part[] {
  const { folders, rates, contents, seedSeconds } = facts;
  const known = asked.map(({ kubectl: _, ...part }) => {
    const found = folders.find(({ folder }) => folder === part.folder);
    const { keys = 0, bytes = 0, exact = true } = found ?? {};
    const revisions = rates.everything ? (found?.activity?.revisions ?? 0) : null;
    return { ...part, keys, bytes, exact, revisions };
  });
  const before = known
    .filter(({ way }) => way === 'configuration')
    .reduce((sum, { revisions }) => sum + (revisions ?? 0), 0);
  // What two resources share is one revision of the source's, so there may seem to be more than all.
  const left = Math.max(0, rates.revisions - before);
  return known.map(({ revisions, ...part }) => {
    const lockstep = part.way === 'lockstep';
    const perSecond = revisions === null ? null : revisions / rates.seconds;
    const etcdPerSecond = lockstep ? left / rates.seconds : perSecond;
    const near = nearTransactionsPerSecond(left > 0 ? Math.min(1, (revisions ?? 0) / left) : 0);
    return {
      ...part,
      perSecond,
      share: revisions === null || rates.revisions === 0 ? null : revisions / rates.revisions,
      etcdPerSecond: rates.everything ? etcdPerSecond : null,
      needsPeers: lockstep && rates.everything ? left / rates.seconds > near / 2 : null,
      seedSeconds: lockstep ? (seedSeconds * part.bytes) / Math.max(1, contents.bytes) : null,
    };
  });
}

/** Where its etcd is to be, as long as nobody has said that. */
export function etcdOf({ name }: Pick<Part, 'name'>): string {
  return `https://${name.toUpperCase()}-ETCD:2379`;
}

/** The one flag of all apiservers for all parts. */
export function allOverrides(parts: readonly Part[]): string {
  return overrides(parts, (part) => [etcdOf(part)]);
}
