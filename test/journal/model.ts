/** The journal's behaviour in a few lines: a list of rows. */
import type { Row } from './rows.js';
import { digest, Tally } from '../../src/mvcc/tally.js';

export class Model {
  rows: Row[] = [];

  constructor(
    public position: number,
    public compactRevision: number,
  ) {}

  add(rows: readonly Row[]): void {
    this.rows = [...this.rows, ...rows].sort(byPlace);
  }

  compact(revision: number): void {
    this.compactRevision = Math.max(this.compactRevision, revision);
    this.rows = this.rows.filter((row) => {
      if (row.main > revision) return true;
      if (this.#newest(row.key, revision) !== row) return false;
      return !row.tombstone || row.main === revision;
    });
  }

  /** Rows as `revisions` must give them: place, key, bytes. */
  revisions(from: number, to: number): string[] {
    return this.rows.filter((row) => row.main >= from && row.main <= to).map(describe);
  }

  digestBefore(key: Buffer, revision: number): bigint | undefined {
    const row = this.#newest(key, revision - 1);
    return row && !row.tombstone ? digest(row.bytes) : undefined;
  }

  tally(revision: number): Tally {
    const tally = new Tally();
    for (const name of new Set(this.rows.map((row) => row.key.toString('latin1')))) {
      const found = this.digestBefore(Buffer.from(name, 'latin1'), revision + 1);
      if (found !== undefined) tally.add(found);
    }
    return tally;
  }

  #newest(key: Buffer, revision: number): Row | undefined {
    return this.rows.findLast((row) => row.main <= revision && row.key.equals(key));
  }
}

/** Revision, then rows of the base by key, then the others in their order. */
function byPlace(a: Row, b: Row): number {
  if (a.main !== b.main) return a.main - b.main;
  if (a.byKey && b.byKey) return Buffer.compare(a.key, b.key);
  return Number(b.byKey) - Number(a.byKey) || a.sub - b.sub;
}

export function describe(row: Pick<Row, 'main' | 'tombstone' | 'key' | 'bytes'>): string {
  const mark = row.tombstone ? 'deleted' : row.bytes.toString('hex');
  return `${row.main} ${row.key.toString('hex')} ${mark}`;
}
