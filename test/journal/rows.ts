/** Rows for journal tests, and everything that a journal says about itself. */
import type { StoredRow } from '../../src/journal/journal.js';
import { encodeKeyValue } from '../../src/mvcc/keyvalue.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import type { Record, WholeRevision } from '../../src/mvcc/record.js';
import { describe } from './model.js';

/** One of the base, or of the watch. */
export interface Row extends Record {
  byKey: boolean;
}

export const IDENTITY = { clusterId: 'c0ffee', prefixes: PrefixSet.of(['/p/']) };

/** Some are the beginning of others, and one holds what LevelDB's keys are made of. */
export const KEYS = ['/p/', '/p/a', '/p/aa', '/p/b', '/p/\xff', '/p/a\0', '/p/a\0\0\0\x02'].map(
  (key) => Buffer.from(key, 'latin1'),
);

export function row(main: number, sub: number, key: Buffer, tombstone: boolean, pad = 0): Row {
  const value = Buffer.from(`${main}.${sub}.`.padEnd(pad, `${main * 31}`));
  const bytes = tombstone
    ? encodeKeyValue({ key })
    : encodeKeyValue({ key, createRevision: main, modRevision: main, version: 1, value });
  return { main, sub, key, tombstone, bytes, byKey: false };
}

/** A row of the base. */
export function baseRow(main: number, key: Buffer, pad = 0): Row {
  return { ...row(main, 0, key, false, pad), byKey: true };
}

/** Rows of one revision as the watch hands them over. */
export function whole(rows: readonly Row[]) {
  return { revision: rows[0]!.main, records: [...rows] };
}

export async function readRevisions(
  batches: AsyncIterable<readonly WholeRevision[]>,
): Promise<string[]> {
  const out: string[] = [];
  for await (const revisions of batches)
    for (const { revision, records } of revisions)
      for (const [i, record] of records.entries()) {
        if (record.sub !== i || record.main !== revision) throw new Error('sub or main is off');
        out.push(describe(record));
      }
  return out;
}

export async function readRows(batches: AsyncIterable<readonly StoredRow[]>): Promise<string[]> {
  const out: string[] = [];
  for await (const rows of batches) out.push(...rows.map(describe));
  return out;
}
