/**
 * Keys and bytes by resource and namespace, in one pass over the keys in their order, in bounded memory.
 *
 *     /registry/pods/kube-system/etcd-0              /registry/pods/     kube-system
 *     /registry/example.io/things/default/one        /registry/example.io/things/     default
 *     /registry/minions/node-1                       /registry/minions/     none
 *     /app/config/x                                  /app/     config
 *
 * Of a few hundred groups each is told, of the others their sum. Which are told does not depend on luck:
 * those with differences first, then the largest. That is exact although groups that are too many are
 * thrown away on the way, for the keys of a group stand together: behind its last key it is complete, and
 * hundreds of complete ones that are larger stay so. Keys right in a folder (no namespace) have
 * namespaces between them, so their group is not complete before the folder is, and is kept until then.
 *
 * Dropped: the first few hundred, whatever their size (a cluster with thousands of namespaces would show
 * those that begin with an a); a count for each key's group in a map (memory grows with the data).
 */
import { z } from 'zod';
import { folderOf } from '../kube/resourcefolders.js';

const whole = z.number().int().nonnegative();
const sides = z.strictObject({ source: whole, target: whole });
const sums = {
  keys: sides,
  /** Of keys, values and what etcd stores of them. */
  bytes: sides,
  /** Keys that are not the same; events of the history are not among them. */
  differences: whole,
};

/** The schema of {@link Group}. */
export const group = z.strictObject({
  /** Of the resource, with its slash; null: keys in no folder. */
  folder: z.string().nullable(),
  /** The folder below it; null: keys right in it. */
  namespace: z.string().nullable(),
  ...sums,
});

/** The schema of {@link OtherGroups}. */
export const otherGroups = z.strictObject({ groups: whole, ...sums });

/** What was compared of one resource in one namespace. */
export type Group = z.infer<typeof group>;
/** The sum of all groups that are not told one by one. */
export type OtherGroups = z.infer<typeof otherGroups>;

type Sums = Pick<Group, 'keys' | 'bytes' | 'differences'>;

/** kube-apiserver's `--etcd-prefix` as a rule; below another one the first folder counts. */
const ROOT = '/registry/';
const MAX_GROUPS = 300;
/** Names that are longer are nobody's resource; their groups are not told by name. */
const MAX_NAME = 512;

interface Place {
  folder: string | null;
  namespace: string | null;
  /** What all keys of the namespace begin with; empty where there is none. */
  begin: Buffer;
}

export class Groups {
  readonly #groups = new Map<string, Group>();
  readonly #others: OtherGroups = { groups: 0, ...noSums() };
  #at: Sums = noSums();
  #begin: Buffer = Buffer.alloc(0);

  /** @param bytes of each side; undefined where it has no such key */
  add(key: Buffer, source: number | undefined, target: number | undefined): void {
    if (!this.#isHere(key)) this.#goTo(placeOf(key.toString()));
    const { keys, bytes } = this.#at;
    if (source !== undefined) {
      keys.source++;
      bytes.source += source;
    }
    if (target !== undefined) {
      keys.target++;
      bytes.target += target;
    }
  }

  /** The key that was added last is not the same on both sides. */
  addDifference(): void {
    this.#at.differences++;
  }

  /** By folder and namespace. */
  get told(): Group[] {
    this.#fold();
    return [...this.#groups.values()].sort((a, b) => compareTexts(nameOf(a), nameOf(b)));
  }

  /** Null where each is told. */
  get others(): OtherGroups | null {
    this.#fold();
    return this.#others.groups === 0 ? null : this.#others;
  }

  #isHere(key: Buffer): boolean {
    const { length } = this.#begin;
    if (length === 0 || key.length < length) return false;
    return key.compare(this.#begin, 0, length, 0, length) === 0;
  }

  #goTo({ folder, namespace, begin }: Place): void {
    this.#begin = begin;
    const name = nameOf({ folder, namespace });
    const known = this.#groups.get(name);
    if (known) this.#at = known;
    else if (name.length > MAX_NAME) {
      this.#others.groups++;
      this.#at = this.#others;
    } else {
      if (this.#groups.size >= 2 * MAX_GROUPS) this.#fold(folder);
      const made = { folder, namespace, ...noSums() };
      this.#groups.set(name, made);
      this.#at = made;
    }
  }

  /** @param open a folder that may still get keys */
  #fold(open?: string | null): void {
    const ranked = [...this.#groups].sort(([, a], [, b]) => rank(b, a));
    for (const [name, one] of ranked.slice(MAX_GROUPS)) {
      if (one.namespace === null && (one.folder === null || open?.startsWith(one.folder))) continue;
      this.#groups.delete(name);
      this.#others.groups++;
      addTo(this.#others, one);
    }
  }
}

function placeOf(key: string): Place {
  const folder = folderOf(key, ROOT);
  if (!folder.endsWith('/')) return NOWHERE;
  const end = key.indexOf('/', folder.length);
  if (end < 0) return { ...NOWHERE, folder };
  const begin = Buffer.from(key.slice(0, end + 1));
  return { folder, namespace: key.slice(folder.length, end), begin };
}

const NOWHERE: Place = { folder: null, namespace: null, begin: Buffer.alloc(0) };

function nameOf({ folder, namespace }: Pick<Group, 'folder' | 'namespace'>): string {
  return `${folder ?? ''}${namespace === null ? '' : `${namespace}/`}`;
}

function rank(a: Group, b: Group): number {
  const size = ({ bytes }: Group) => bytes.source + bytes.target;
  return a.differences - b.differences || size(a) - size(b);
}

function addTo(sum: Sums, { keys, bytes, differences }: Sums): void {
  for (const side of ['source', 'target'] as const) {
    sum.keys[side] += keys[side];
    sum.bytes[side] += bytes[side];
  }
  sum.differences += differences;
}

function noSums(): Sums {
  return { keys: { source: 0, target: 0 }, bytes: { source: 0, target: 0 }, differences: 0 };
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
