/**
 * The data of the bench: N pods, of 4 KB as a rule, among as many keys of other resources, each written at a
 * revision of its own, as a snapshot file.
 *
 * The file is written directly, row by row: a million puts would take longer than the bench. The
 * values are cut out of the pods of a real cluster, each at another place and with a name and a uid
 * of its own, so they compress as pods do and none is another's copy. Names are scattered: the order
 * of keys is not the order of revisions, as in a cluster. And it is compacted, as a cluster's is: of a
 * store that never was, seed reads all history by the watch, which etcd sends at 1,500 revisions/s.
 */
import { createReadStream, createWriteStream, existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { appendChecksum } from '../../src/base/checksum.js';
import { SnapshotFile } from '../../src/base/snapshot.js';
import { BoltWriter } from '../../src/bolt/boltwriter.js';
import { encodeKeyValue, parseKeyValue } from '../../src/mvcc/keyvalue.js';
import { encodeRevision } from '../../src/mvcc/revision.js';
import { cache, root, say } from './place.js';

export const PODS = '/registry/pods/';
export const VALUE_BYTES = 4096;
const STAMP_BYTES = 24;
/** What the other half of the store is. */
export const FOREIGN = ['configmaps', 'events', 'leases', 'replicasets', 'secrets'].map(
  (resource) => `/registry/${resource}/`,
);
/** Part of the file's name: another content needs another one. */
const FORMAT = 2;
/** Kubernetes compacts every five minutes, so there is never much of it. */
const HISTORY_REVISIONS = 5000;
const NAMESPACES = 40;
/** etcd's first put makes revision 2. */
const FIRST_REVISION = 2;

/** Turns a number into another one of 32 bits, no two into the same, neighbours far apart. */
function scatter(n: number): number {
  return Math.imul(n + 1, 2654435761) >>> 0;
}

function name(n: number): string {
  const at = scatter(n);
  return `team-${at % NAMESPACES}/app-${at.toString(16).padStart(8, '0')}`;
}

export function podKey(n: number): Buffer {
  return Buffer.from(PODS + name(n));
}

export function foreignKey(n: number): Buffer {
  return Buffer.from((FOREIGN[n % FOREIGN.length] ?? '') + name(n));
}

/** What tells a value from every other one. */
export function stampOf(value: Buffer): string {
  return value.toString('latin1', 0, STAMP_BYTES);
}

/** Where values come from. */
export class Values {
  readonly #corpus: Buffer;

  private constructor(corpus: Buffer) {
    this.#corpus = corpus;
  }

  /** Reads the pods of the real cluster that the tests have, too. */
  static async load(): Promise<Values> {
    const file = join(cache(), 'fixture.db');
    await pipeline(
      createReadStream(join(root, 'test/data/k8s-1.20-200pods.db.gz')),
      createGunzip(),
      createWriteStream(file),
    );
    const snapshot = await SnapshotFile.open(file);
    const pods: Buffer[] = [];
    for (const rows of snapshot.rows())
      for (const { key, bytes } of rows)
        if (key.toString().startsWith(PODS)) pods.push(Buffer.from(parseKeyValue(bytes).value));
    snapshot.close();
    rmSync(file);
    return new Values(Buffer.concat(pods));
  }

  /** The `n`th value. */
  value(n: number, bytes = VALUE_BYTES): Buffer {
    const at = scatter(n) % (this.#corpus.length - bytes);
    const value = Buffer.from(this.#corpus.subarray(at, at + bytes));
    const own = `app-${String(n).padStart(STAMP_BYTES - 4, '0')}-${scatter(n).toString(16)}-${scatter(~n).toString(16)}-4e0f`;
    for (let to = 0; to < bytes; to += VALUE_BYTES / 4) value.write(own, to, 'latin1');
    return value;
  }
}

/**
 * The snapshot file with `keys` pods and as many foreign keys; made once, kept in the cache.
 * @param bytes of each value
 */
export async function snapshotOf(
  keys: number,
  values: Values,
  bytes = VALUE_BYTES,
): Promise<string> {
  const size = bytes === VALUE_BYTES ? '' : `-${bytes}`;
  const path = join(cache(), `pods-${keys}${size}-v${FORMAT}.db`);
  if (existsSync(path)) return path;
  say(`making ${path}`);
  const part = `${path}.part`;
  rmSync(part, { force: true });
  const db = BoltWriter.create(part);
  db.beginBucket('key');
  for (let i = 0; i < 2 * keys; i++) {
    const revision = FIRST_REVISION + i;
    const n = Math.floor(i / 2);
    const row = {
      key: i % 2 === 0 ? podKey(n) : foreignKey(n),
      createRevision: revision,
      modRevision: revision,
      version: 1,
      value: values.value(i, bytes),
    };
    db.put(encodeRevision(revision, 0), encodeKeyValue(row));
  }
  db.endBucket();
  const head = FIRST_REVISION + 2 * keys - 1;
  const compact = encodeRevision(head - Math.min(HISTORY_REVISIONS, keys / 2), 0);
  db.beginBucket('meta');
  db.put(Buffer.from('finishedCompactRev'), compact);
  db.put(Buffer.from('scheduledCompactRev'), compact);
  db.endBucket();
  await appendChecksum(part, await db.finish());
  renameSync(part, path);
  return path;
}
