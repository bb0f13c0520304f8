/** What goes where, and kube-apiserver's flag for it. */
import { folderOf, lookUp } from '../kube/resourcefolders.js';
import type { PrefixSet } from '../mvcc/prefix.js';
import { check, ok, stop, warn, type Check, type Finding } from './check.js';
import type { FolderSize } from './foldersizes.js';

/** How a resource gets to its own etcd, or that it does not. */
export type SplitWay =
  /** At the same revisions: what this tool is for. */
  | 'lockstep'
  /** Objects that live for an hour and that nobody needs to find again: nothing is copied. */
  | 'configuration'
  /** A loose copy at new revisions is enough. */
  | 'mirror'
  | 'stays';

export interface Split extends FolderSize {
  /** As kube-apiserver's flag names it: `/pods`, `apps/deployments`; null for what is no resource. */
  resource: string | null;
  way: SplitWay;
  why: string;
}

const WHY: Record<'/events' | 'coordination.k8s.io/leases', Pick<Split, 'way' | 'why'>> = {
  '/events': {
    way: 'configuration',
    why: "they expire within an hour: point the apiservers at an empty etcd whose revisions begin above the source's head (docs/split.md)",
  },
  'coordination.k8s.io/leases': {
    way: 'mirror',
    why: "renewed every few seconds: a plain copy is enough, into an etcd whose revisions begin above the source's head, or the node controller sees no renewal any more (docs/split.md)",
  },
};

const LOCKSTEP = {
  way: 'lockstep',
  why: 'asked for: kept at its revisions, audited key by key',
} as const;

/** How a resource that is to be split off gets to its own etcd. */
export function wayFor(resource: string): Pick<Split, 'way' | 'why'> {
  return resource === '/events' || resource === 'coordination.k8s.io/leases'
    ? WHY[resource]
    : LOCKSTEP;
}

/** @param asked resources that are to be split off; undefined: the prefixes, and what is worth it besides */
export function split(
  folders: readonly FolderSize[],
  prefixes: PrefixSet,
  root: string,
  asked?: readonly string[],
): Split[] {
  return folders.map((size) => ({ ...size, ...wayOf(size.folder, prefixes, root, asked) }));
}

function wayOf(
  folder: string,
  prefixes: PrefixSet,
  root: string,
  asked: readonly string[] | undefined,
): Omit<Split, keyof FolderSize> {
  const found = lookUp(folder, root);
  const resource = found.kind === 'resource' || found.kind === 'custom' ? found.resource : null;
  if (asked) {
    if (resource !== null && asked.includes(resource)) return { resource, ...wayFor(resource) };
  } else {
    if (prefixes.list.includes(folder)) return { resource, ...LOCKSTEP };
    if (resource === '/events' || resource === 'coordination.k8s.io/leases')
      return { resource, ...WHY[resource] };
  }
  if (found.kind === 'custom')
    return { resource, way: 'stays', why: 'no flag moves custom resources and API services' };
  if (found.kind === 'internal') return { resource, way: 'stays', why: found.why };
  return { resource, way: 'stays', why: '' };
}

/**
 * The value of `--etcd-servers-overrides`: one entry a resource, commas between them, semicolons between
 * the members of one etcd.
 * @param servers the etcd of each: its endpoints, or a name to be replaced
 */
export function overrides<S extends Pick<Split, 'resource' | 'way'>>(
  splits: readonly S[],
  servers: (split: S) => readonly string[],
): string {
  return splits
    .flatMap((one) =>
      one.resource === null || one.way === 'stays'
        ? []
        : [`${one.resource}#${servers(one).join(';')}`],
    )
    .join(',');
}

/**
 * Whether kube-apiserver can serve these prefixes from another etcd at all.
 * @param instead what there is in place of a prefix that has no keys
 */
export function resources(
  prefixes: readonly { prefix: string; keys: number }[],
  root: string,
  instead?: string,
): Check {
  const findings = prefixes.map(({ prefix, keys }) =>
    keys === 0 ? noKeys(prefix, instead) : ofPrefix(prefix, root),
  );
  const names = prefixes.map(({ prefix }) => prefix);
  return check('resources', ...findings, ...together(names, root));
}

function noKeys(prefix: string, instead: string | undefined): Finding {
  const what = instead === undefined ? '' : ` ${instead}.`;
  return stop(`No key begins with ${prefix}.`, `Check --prefix and --endpoints.${what}`);
}

function ofPrefix(prefix: string, root: string): Finding {
  const found = lookUp(prefix, root);
  const whole = folderOf(`${prefix}x/x`, root);
  if (!prefix.endsWith('/'))
    return stop(
      `${prefix} does not end in a slash, so it covers every key that begins so.`,
      `Give --prefix ${prefix}/`,
    );
  if (found.kind === 'resource') return ok(`${prefix} is ${found.resource} for the apiservers.`);
  if (found.kind === 'custom')
    return stop(
      `${prefix} holds custom resources (or API services), and kube-apiserver looks for those in its main etcd only.`,
      'Leave it where it is.',
    );
  if (prefix === `${root}ranges/`) return ok(`${prefix} goes with services.`);
  if (found.kind === 'internal')
    return stop(`${prefix} is no resource: ${found.why}.`, 'Leave it out.');
  if (whole !== prefix && lookUp(whole, root).kind !== 'unknown')
    return stop(
      `${prefix} is not the whole of ${whole}, and apiservers can move whole resources only.`,
      `Give --prefix ${whole}`,
    );
  return warn(
    `${prefix} is no folder of a resource that is known here.`,
    'If it is of another program than Kubernetes, leave out what concerns apiservers below. Else check --prefix.',
  );
}

/** Addresses and ports of services are kept with them. */
function together(prefixes: readonly string[], root: string): Finding[] {
  const services = `${root}services/specs/`;
  const ranges = `${root}ranges/`;
  if (prefixes.includes(services) === prefixes.includes(ranges)) return [];
  return [
    stop(
      'kube-apiserver keeps the addresses and ports that it has given to services where services are, under ranges/.',
      `Move ${services} and ${ranges} together, or neither.`,
    ),
  ];
}
