/** The census of a file against the plain way: all rows in a map. Many rows a key, so that it puts some aside. */
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Census } from '../../src/base/census.js';
import type { RawRow } from '../../src/base/snapshot.js';
import { encodeKeyValue } from '../../src/mvcc/keyvalue.js';
import { digest, Tally } from '../../src/mvcc/tally.js';
import { tempDir } from './sources.js';

const REVISIONS = 5000;
const COMPACT = 3000;
const KEYS = ['/registry/pods/a', '/registry/pods/b', '/registry/pods/c', '/registry/leases/x'];
/** The last revisions of b, before and after the compaction, are deletions; c ends below it. */
const DELETED = new Set([2997, REVISIONS - 3]);

function rowAt(main: number): RawRow {
  const name = main > 2000 && main % 4 === 2 ? KEYS[0]! : KEYS[main % 4]!;
  const key = Buffer.from(name);
  const tombstone = DELETED.has(main) || main === 1998;
  const value = Buffer.alloc(main % 50, main);
  const bytes = encodeKeyValue(tombstone ? { key } : { key, modRevision: main, value });
  return { revision: { main, sub: 0, tombstone }, key, bytes };
}

describe('census', () => {
  const dir = tempDir();

  it('finds the newest row of each key, and what a compaction should have taken away', () => {
    const census = new Census(join(dir, 'census'), COMPACT);
    const newest = new Map<string, RawRow>();
    const ours: RawRow[] = [];
    for (let main = 1; main <= REVISIONS; main++) {
      const row = rowAt(main);
      const isOurs = row.key.toString().startsWith('/registry/pods/');
      if (isOurs) ours.push(row);
      newest.set(row.key.toString(), row);
      census.see(row, isOurs);
    }
    const { tally, resources, superseded } = census.count();
    census.close();

    const live = [...newest.values()].filter((row) => !row.revision.tombstone);
    const expected = new Tally();
    for (const { key, bytes } of live)
      if (key.toString().startsWith('/registry/pods/')) expected.add(digest(bytes));
    expect(tally.equals(expected)).to.be.true;
    const lease = newest.get(KEYS[3]!)!.bytes.length;
    const all = live.reduce((sum, row) => sum + row.bytes.length, 0);
    const sizes = resources.map((r) => [r.resource, r.keys, r.liveBytes]);
    expect(sizes).to.have.deep.members([
      ['/registry/pods/', live.length - 1, all - lease],
      ['/registry/leases/', 1, lease],
    ]);

    const goes = ours.map((row, i) => {
      const { main, tombstone } = row.revision;
      const next = ours.slice(i + 1).find((other) => other.key.equals(row.key));
      if (next && next.revision.main <= COMPACT) return true;
      return tombstone && main < COMPACT;
    });
    expect(ours.map((_, i) => superseded.has(i))).to.deep.equal(goes);
    expect(superseded.size).to.equal(goes.filter(Boolean).length);
  });

  it('says of a scratch file that was cut short what it is', () => {
    const scratch = join(dir, 'cut');
    const census = new Census(scratch, COMPACT);
    for (let main = 1; main <= REVISIONS; main++) census.see(rowAt(main), true);
    truncateSync(scratch, 100);
    expect(() => census.count())
      .to.throw('shorter')
      .with.property('code', 'IO');
    census.close();
  });
});
