/** What a snapshot holds, by resource: live keys and bytes, and bytes of old revisions. */

export interface ResourceSizes {
  /** The key's folder, e.g. `/registry/pods/`. */
  resource: string;
  keys: number;
  liveBytes: number;
  /** Bytes of superseded rows and deletions. */
  oldBytes: number;
}

/** More folders than any cluster has resources; the rest is summed up as one. */
const MAX_RESOURCES = 2000;
const REST = '(other)';
const MAX_FOLDERS = 10_000;
const SLASH = 0x2f;

export class Sizes {
  readonly #index = new Map<string, number>();
  /** Resources of the folders that were met lately: most keys have one of a few thousand. */
  readonly #folders = new Map<string, number>();
  readonly #list: ResourceSizes[] = [];

  /** The number of a key's resource, below {@link MAX_RESOURCES} + 1. */
  of(key: Buffer): number {
    const folder = key.toString('latin1', 0, key.lastIndexOf(SLASH) + 1);
    let i = this.#folders.get(folder);
    if (i !== undefined) return i;
    i = this.#ofResource(resourceOf(key.toString()));
    if (this.#folders.size >= MAX_FOLDERS) this.#folders.clear();
    this.#folders.set(folder, i);
    return i;
  }

  #ofResource(name: string): number {
    let resource = name;
    if (!this.#index.has(resource) && this.#list.length >= MAX_RESOURCES) resource = REST;
    let i = this.#index.get(resource);
    if (i === undefined) {
      i = this.#list.push({ resource, keys: 0, liveBytes: 0, oldBytes: 0 }) - 1;
      this.#index.set(resource, i);
    }
    return i;
  }

  /** Every row counts as old at first. */
  addOld(i: number, bytes: number): void {
    const sizes = this.#list[i];
    if (sizes) sizes.oldBytes += bytes;
  }

  /** One of them is a key's newest, and no deletion. */
  addLive(i: number, bytes: number): void {
    const sizes = this.#list[i];
    if (!sizes) return;
    sizes.keys++;
    sizes.liveBytes += bytes;
    sizes.oldBytes -= bytes;
  }

  sorted(): ResourceSizes[] {
    return this.#list.sort((a, b) => b.liveBytes + b.oldBytes - (a.liveBytes + a.oldBytes));
  }
}

/**
 * The folder that a Kubernetes resource lies in: two parts, or three where the second is an API
 * group (`/registry/apps.example.io/things/…`).
 */
function resourceOf(key: string): string {
  const parts = key.split('/');
  if (parts.length < 3) return parts[0] === '' ? '/' : (parts[0] ?? '');
  const depth = parts.length > 4 && parts[2]?.includes('.') ? 4 : 3;
  return `${parts.slice(0, Math.min(depth, parts.length - 1)).join('/')}/`;
}
