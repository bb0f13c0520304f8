/**
 * Under which roots Kubernetes keeps its keys here: kube-apiserver's `--etcd-prefix` with a slash at both
 * ends, told by what lies below it. One etcd may serve several clusters, or none.
 *
 * A root is a folder with a resource's folder right in it: `/registry/` with `/registry/pods/`. Looked for
 * at the top and one level below (`/cluster-a/registry/`); below a root there is none, since groups of
 * custom resources have folders of any name. Other programs may have a folder `secrets/`, too, so who looks
 * for a root asks for one that has the resource that he wants.
 */
import { hasCode } from '../errors.js';
import { folderOf, isCompiledIn } from '../kube/resourcefolders.js';
import { prefixRange } from '../mvcc/prefix.js';
import type { EtcdClient } from '../wire/client.js';
import { folders } from './folders.js';

export const USUAL_ROOT = '/registry/';

/** So many folders at the top are looked at, a few reads each; what is behind them stays unknown. */
const MAX_TOPS = 50;
/** The same of what is right below one. */
const MAX_CHILDREN = 20;
/** What hardly a cluster is without. */
const USUAL = ['namespaces/', 'pods/', 'events/', 'leases/', 'configmaps/', 'secrets/'];
/** So many roots and folders are named, no more. */
const MAX_NAMED = 5;
/** No key begins so. */
const NO_ROOT = '\0\0';

/** `/registry/` of `/registry/pods/`, if pods are what Kubernetes has. */
export function rootOf(prefix: string): string | undefined {
  const parts = prefix.split('/').slice(0, -1);
  for (const depth of [2, 1]) {
    const name = parts.slice(-depth).join('/');
    const root = prefix.slice(0, prefix.length - name.length - 1);
    if (isCompiledIn(name) && root.length > 1 && root.endsWith('/')) return root;
  }
  return undefined;
}

/** What an etcd's keys begin with. */
interface Layout {
  roots: string[];
  /** Folders at the top in which there is no root. */
  others: string[];
}

/** @throws LockstepError PERMISSION where the user may not read all there is */
async function layoutOf(client: EtcdClient): Promise<Layout> {
  const tops = await foldersOf(client, NO_ROOT, '', MAX_TOPS);
  const roots = await rootsAmong(client, tops);
  const others = tops.filter((top) => !roots.includes(top));
  const deeper = new Map<string, string[]>();
  for (const top of others.filter((folder) => folder.endsWith('/')))
    deeper.set(top, await rootsAmong(client, await foldersOf(client, top, top, MAX_CHILDREN)));
  return {
    roots: [...roots, ...[...deeper.values()].flat()].sort(),
    others: others.filter((top) => (deeper.get(top) ?? []).length === 0),
  };
}

async function rootsAmong(client: EtcdClient, folders: readonly string[]): Promise<string[]> {
  const roots: string[] = [];
  for (const folder of folders) if (await isRoot(client, folder)) roots.push(folder);
  return roots;
}

async function isRoot(client: EtcdClient, root: string): Promise<boolean> {
  if (!root.endsWith('/')) return false;
  const children = await foldersOf(client, root, root, MAX_CHILDREN);
  if (children.some((folder) => isCompiledIn(folder.slice(root.length, -1)))) return true;
  // Custom resources may stand before all others.
  if (children.length < MAX_CHILDREN) return false;
  return (
    (
      await withKeys(
        client,
        USUAL.map((name) => root + name),
      )
    ).length > 0
  );
}

/** The first folders right below one, or at the top. */
async function foldersOf(
  client: EtcdClient,
  root: string,
  under: string,
  most: number,
): Promise<string[]> {
  const found: string[] = [];
  for await (const folder of folders(client, (key) => folderOf(key, root), under)) {
    found.push(folder);
    if (found.length === most) break;
  }
  return found;
}

/**
 * The roots that there are, and those of them that have keys of this resource.
 * @param folder `pods/`
 * @throws LockstepError PERMISSION where the user may not read all there is
 */
export async function rootsWith(
  client: EtcdClient,
  folder: string,
): Promise<{ roots: string[]; having: string[] }> {
  const { roots } = await layoutOf(client);
  const full = await withKeys(
    client,
    roots.map((root) => root + folder),
  );
  return { roots, having: roots.filter((root) => full.includes(root + folder)) };
}

async function withKeys(client: EtcdClient, prefixes: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const prefix of prefixes) {
    const { rows } = await client.few({ ...prefixRange(prefix), limit: 1, keysOnly: true });
    if (rows.length > 0) found.push(prefix);
  }
  return found;
}

/**
 * For who has looked for a prefix in vain, or found something else there: where its resource lies, or what
 * there is instead. A sentence; undefined where the user may not look.
 */
export async function whatIsThere(client: EtcdClient, prefix: string): Promise<string | undefined> {
  try {
    const { roots, others } = await layoutOf(client);
    const root = rootOf(prefix);
    const same = root === undefined ? [] : roots.map((one) => one + prefix.slice(root.length));
    const elsewhere = (await withKeys(client, same)).filter((one) => one !== prefix);
    if (elsewhere.length > 0)
      return `${prefix.slice(root?.length)} lie under another root here: --prefix ${named(elsewhere, ' or ')}`;
    if (roots.length > 0) return `Kubernetes' keys begin with ${named(roots, ' or ')} here`;
    if (others.length > 0)
      return `Nothing here looks like Kubernetes' keys: they begin with ${named(others, ', ')}`;
    return 'This etcd has no keys at all';
  } catch (error) {
    if (hasCode(error, 'PERMISSION')) return undefined;
    throw error;
  }
}

function named(names: readonly string[], between: string): string {
  const more = names.length > MAX_NAMED ? `, and ${names.length - MAX_NAMED} more` : '';
  return names.slice(0, MAX_NAMED).join(between) + more;
}
