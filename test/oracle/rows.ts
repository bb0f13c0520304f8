/**
 * The oracle: every MVCC row under some prefixes, history included, out of a running etcd's own
 * database file.
 *
 * A watch or a Range shows what etcd chooses to show, and src reads through both. The file shows
 * all: order inside a revision, deletions, superseded rows. Only the bbolt reader is shared with
 * src; it has tests of its own against files that etcd wrote.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BoltFile } from '../../src/bolt/boltreader.js';
import type { Etcd } from '../rig/etcd.js';
import { decodeKeyValue } from './keyvalue.js';

export interface OracleRow {
  main: number;
  /** Among the rows of the prefixes in this revision, from 0. */
  order: number;
  key: Buffer;
  tombstone: boolean;
  value: Buffer;
  mod: number;
  create: number;
  version: number;
  lease: bigint;
  /** The whole message as it is stored. */
  bytes: Buffer;
}

export interface OracleRows {
  rows: OracleRow[];
  head: number;
  /** 0 where nothing was ever compacted. */
  compactRevision: number;
}

/** A row of the bucket `key`, as it is. */
export interface RawRow {
  key: Buffer;
  value: Buffer;
}

export interface RawFile {
  rows: RawRow[];
  scheduled: number;
  finished: number;
}

const SHA256_BYTES = 32;

/** The buckets `key` and `meta` of a snapshot file. */
export function readRaw(file: string): RawFile {
  const db = BoltFile.open(file, { dataBytes: statSync(file).size - SHA256_BYTES });
  try {
    const rows: RawRow[] = [];
    for (const leaf of db.bucket('key')?.leaves() ?? [])
      for (const { key, value } of leaf)
        rows.push({ key: Buffer.from(key), value: Buffer.from(value) });
    const meta = (name: string) => db.bucket('meta')?.get(Buffer.from(name))?.readBigUInt64BE();
    return {
      rows,
      scheduled: Number(meta('scheduledCompactRev') ?? 0),
      finished: Number(meta('finishedCompactRev') ?? 0),
    };
  } finally {
    db.close();
  }
}

/** Normalises a snapshot file: rows that any of the prefixes covers. */
export function rowsOfFile(file: string, prefixes: readonly string[], above = 0): OracleRows {
  const { rows: raw, scheduled, finished } = readRaw(file);
  const starts = prefixes.map((prefix) => Buffer.from(prefix));
  const rows: OracleRow[] = [];
  let order = 0;
  for (const { key: place, value: bytes } of raw) {
    const kv = decodeKeyValue(bytes);
    if (!starts.some((start) => kv.key.subarray(0, start.length).equals(start))) continue;
    const main = Number(place.readBigUInt64BE());
    order = rows.at(-1)?.main === main ? order + 1 : 0;
    rows.push({ main, order, tombstone: place.length === 18, bytes, ...kv });
  }
  const last = raw.at(-1)?.key.readBigUInt64BE();
  return {
    rows: rows.filter((row) => row.main > above),
    head: Math.max(Number(last ?? 1), finished),
    compactRevision: Math.max(scheduled, finished),
  };
}

/** Every row under the prefixes that the etcd holds now. */
export async function rowsOf(
  etcd: Pick<Etcd, 'ctl'>,
  prefixes: readonly string[],
  { above = 0 }: { above?: number } = {},
): Promise<OracleRows> {
  return withSnapshot(etcd, (file) => rowsOfFile(file, prefixes, above));
}

/** Takes a snapshot, lets `use` read it, and removes it. */
export async function withSnapshot<T>(
  etcd: Pick<Etcd, 'ctl'>,
  use: (file: string) => T | Promise<T>,
): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'oracle-'));
  try {
    const file = join(dir, 'snapshot.db');
    await etcd.ctl('snapshot', 'save', file);
    return await use(file);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The rows that a reader at `revision` sees: the newest of each key, deletions left out. */
export function liveAt(rows: readonly OracleRow[], revision: number): OracleRow[] {
  const newest = new Map<string, OracleRow>();
  for (const row of rows) if (row.main <= revision) newest.set(row.key.toString('latin1'), row);
  return [...newest.values()]
    .filter((row) => !row.tombstone)
    .sort((a, b) => Buffer.compare(a.key, b.key));
}

/**
 * The first difference, for people; undefined if there is none.
 *
 * What one of the two has compacted, nobody can ask both for: at or below the higher compact
 * revision only live rows count, and their order inside a revision does not. So deletions at exactly
 * the compact revision do not either, which some versions of etcd keep and others drop.
 */
export function compareRows(source: OracleRows, target: OracleRows): string | undefined {
  if (source.head !== target.head) return `head: source ${source.head}, target ${target.head}`;
  const compact = Math.max(source.compactRevision, target.compactRevision);
  return (
    firstDifference(
      `live at the compact revision ${compact}`,
      liveAt(source.rows, compact).map((row) => ({ ...row, order: 0 })),
      liveAt(target.rows, compact).map((row) => ({ ...row, order: 0 })),
    ) ??
    firstDifference(
      `above revision ${compact}`,
      source.rows.filter((row) => row.main > compact),
      target.rows.filter((row) => row.main > compact),
    )
  );
}

function firstDifference(
  where: string,
  source: readonly OracleRow[],
  target: readonly OracleRow[],
): string | undefined {
  const at = source.findIndex((row, i) => describe(row) !== describe(target[i]));
  const i = at < 0 && target.length > source.length ? source.length : at;
  if (i < 0) return undefined;
  return [
    `row ${i} ${where} (source has ${source.length}, target ${target.length})`,
    `  source: ${describe(source[i])}`,
    `  target: ${describe(target[i])}`,
  ].join('\n');
}

function describe(row: OracleRow | undefined): string {
  if (!row) return '(none)';
  const { main, order, key, tombstone, value, mod, create, version, lease, bytes } = row;
  const place = `${main}#${order} ${JSON.stringify(key.toString('latin1'))}`;
  if (tombstone) return `${place} deleted`;
  const shown = value.length > 40 ? `${value.length} bytes` : JSON.stringify(value.toString());
  return `${place} mod ${mod} create ${create} version ${version} lease ${lease} value ${shown} ${bytes.toString('latin1')}`;
}
