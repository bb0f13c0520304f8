/**
 * A few hundred rows of a snapshot file, picked in one walk through it, for a source to be asked about.
 *
 *   oldest   its first keys, of any resource: namespaces, roles, service accounts hardly ever change
 *   spread   of ours, the keys whose hashes are the smallest: each has the same chance
 *   newest   its last rows, and the last of ours: histories that begin alike and then part differ there
 *
 * Each is as it was at the file's head: a later row of the same key takes the earlier one's place. None
 * is missed, since a key that is among the smallest in the end was among them whenever it came.
 *
 * Of a row its digest is kept: memory stays flat, however large values are. Our own keys are left out, so
 * that a base, and the snapshot of a target in lockstep, are as good as the source's.
 */
import { OWN_PREFIX, type PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { digest } from '../mvcc/tally.js';
import type { OnRead } from './checksum.js';
import type { RawRow, SnapshotFile } from './snapshot.js';

/** A key as it is at the file's head. */
export interface SampledRow {
  key: Buffer;
  /** Of its last change. */
  revision: Revision;
  /** Of the KeyValue message; undefined where the key was deleted. */
  digest: bigint | undefined;
}

/** What was picked out of a file. */
export interface FileSample {
  /** The newest first. */
  rows: SampledRow[];
  /** Rows of our prefixes in the file, history and deletions included. */
  ours: number;
}

const OLDEST = 100;
const SPREAD = 100;
/** Those are kept as they are until the end; they may be large. */
const NEWEST = 32;

/** An aborted `signal` ends it with an error. */
export async function sampleFile(
  file: SnapshotFile,
  prefixes: PrefixSet,
  onRead: OnRead,
  signal: AbortSignal,
): Promise<FileSample> {
  const sampler = new Sampler(prefixes);
  let bytes = 0;
  for await (const rows of file.rowsAtEase()) {
    signal.throwIfAborted();
    for (const row of rows) {
      sampler.see(row);
      bytes += row.bytes.length;
    }
    onRead(bytes, file.bytes);
  }
  return sampler.end();
}

const OWN = Buffer.from(OWN_PREFIX);

class Sampler {
  #ours = 0;
  readonly #oldest = new Map<string, SampledRow>();
  readonly #spread = new Map<string, { hash: bigint; row: SampledRow }>();
  /** Every hash in {@link #spread} that will stay is below it. */
  #bound = 1n << 64n;
  readonly #newest: RawRow[] = [];
  /** For a user who may read nothing else. */
  readonly #newestOurs: RawRow[] = [];

  constructor(private readonly prefixes: PrefixSet) {}

  see(row: RawRow): void {
    if (row.key.subarray(0, OWN.length).equals(OWN)) return;
    const name = row.key.toString('latin1');
    if (this.#oldest.size < OLDEST || this.#oldest.has(name)) this.#oldest.set(name, sampled(row));
    if (this.prefixes.covers(row.key)) this.#seeOurs(row, name);
    keepLast(this.#newest, row);
  }

  #seeOurs(row: RawRow, name: string): void {
    this.#ours++;
    keepLast(this.#newestOurs, row);
    const hash = digest(row.key);
    if (hash >= this.#bound) return;
    this.#spread.set(name, { hash, row: sampled(row) });
    if (this.#spread.size < 2 * SPREAD) return;
    const sorted = [...this.#spread].sort(([, a], [, b]) => (a.hash < b.hash ? -1 : 1));
    for (const [largest] of sorted.slice(SPREAD)) this.#spread.delete(largest);
    this.#bound = sorted[SPREAD]?.[1].hash ?? this.#bound;
  }

  end(): FileSample {
    const picked = new Map(this.#oldest);
    for (const [name, { row }] of this.#spread) picked.set(name, row);
    for (const row of [...this.#newestOurs, ...this.#newest])
      picked.set(row.key.toString('latin1'), sampled(row));
    const rows = [...picked.values()].sort((a, b) => b.revision - a.revision);
    return { rows, ours: this.#ours };
  }
}

function keepLast(rows: RawRow[], row: RawRow): void {
  rows.push(row);
  if (rows.length > NEWEST) rows.shift();
}

/** A row that keeps nothing of its page in memory. */
function sampled({ key, bytes, revision: { main, tombstone } }: RawRow): SampledRow {
  return {
    key: Buffer.from(key),
    revision: main,
    digest: tombstone ? undefined : digest(bytes),
  };
}
