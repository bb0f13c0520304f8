/**
 * What a snapshot holds, by resource: live keys and bytes, and bytes of old revisions.
 *
 * Which row of a key is the live one is known only after its last row was seen, so the newest size
 * of each key is kept in a scratch LevelDB, and memory stays flat whatever the file's size.
 */
import { digest } from '../mvcc/tally.js';
import { withScratch } from './scratch.js';
import type { SnapshotFile } from './snapshot.js';

export interface ResourceSizes {
  /** The key's folder, e.g. `/registry/pods/`. */
  resource: string;
  keys: number;
  liveBytes: number;
  /** Bytes of superseded rows and deletions. */
  oldBytes: number;
}

/** Rows counted per write into the scratch store. */
const BATCH_ROWS = 5000;
/** More folders than any cluster has resources; the rest is summed up as one. */
const MAX_RESOURCES = 2000;
const REST = '(other)';

export async function readResources(
  file: SnapshotFile,
  scratch: string,
): Promise<{ resources: ResourceSizes[]; bytesInUse: number }> {
  const sizes = new Sizes();
  await withScratch(scratch, async (db) => {
    let batch = db.batch();
    for (const rows of file.rows()) {
      for (const { key, bytes, revision } of rows) {
        const resource = sizes.of(key);
        sizes.addOld(resource, bytes.length);
        batch.put(digestKey(key), newest(resource, revision.tombstone ? 0 : bytes.length));
      }
      if (batch.length < BATCH_ROWS) continue;
      await batch.write();
      batch = db.batch();
    }
    await batch.write();
    for await (const value of db.values())
      sizes.setLive(value.readUInt32BE(0), value.readUInt32BE(4));
  });
  return { resources: sizes.sorted(), bytesInUse: file.bytesInUse };
}

class Sizes {
  readonly #index = new Map<string, number>();
  readonly #list: ResourceSizes[] = [];

  of(key: Buffer): number {
    let resource = resourceOf(key.toString());
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

  setLive(i: number, bytes: number): void {
    const sizes = this.#list[i];
    if (!sizes || bytes === 0) return;
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
export function resourceOf(key: string): string {
  const parts = key.split('/');
  if (parts.length < 3) return parts[0] === '' ? '/' : (parts[0] ?? '');
  const depth = parts.length > 4 && parts[2]?.includes('.') ? 4 : 3;
  return `${parts.slice(0, Math.min(depth, parts.length - 1)).join('/')}/`;
}

function digestKey(key: Buffer): Buffer {
  const out = Buffer.allocUnsafe(8);
  out.writeBigUInt64BE(digest(key));
  return out;
}

function newest(resource: number, bytes: number): Buffer {
  const out = Buffer.allocUnsafe(8);
  out.writeUInt32BE(resource, 0);
  out.writeUInt32BE(bytes, 4);
  return out;
}
