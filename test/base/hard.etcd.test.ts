/** Bases taken while the source does its worst: writes, compactions, aborts in the middle. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { seed } from '../../src/base/seed.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { arbitraryOp, PREFIXES } from '../oracle/history.js';
import { compareRows, rowsOf, rowsOfFile, type OracleRows } from '../oracle/rows.js';
import { startFromSnapshot } from '../rig/etcd.js';
import { expectCode, seedOptions, Source, takeBase, tempDir } from './sources.js';

const VERSION = '3.5.16';
/** Big enough for a dozen pages of 4 MiB. */
const FILL = { keys: 1200, bytes: 40_000 };

/** The base, as if it were an etcd that stands at its head. */
function read(base: string): OracleRows {
  return rowsOfFile(base, PREFIXES);
}

/** What the source had at the base's head, of what it still has now. */
async function upTo(source: Source, { head }: OracleRows): Promise<OracleRows> {
  const now = await rowsOf(source.etcd, PREFIXES);
  return { ...now, head, rows: now.rows.filter((row) => row.main <= head) };
}

describe('base of a source that is not quiet', () => {
  const dir = tempDir();
  let source: Source;

  before(async () => {
    source = await Source.start(VERSION);
    await source.fill(FILL.keys, FILL.bytes);
  });

  after(() => source.end());

  it('is right although the source compacted again and again while pages were read', async () => {
    const out = join(dir, 'compacted');
    const notes: string[] = [];
    let compactions = 0;
    const pending: Promise<void>[] = [];
    const onBase = () => {
      // Both rewrites what pages have brought, and takes away the revision that they are read at.
      const round = async () => {
        await source.writer.apply({ kind: 'delete', key: compactions % 8 });
        await source.fill(3, 100 + compactions);
        await source.writer.apply({ kind: 'compact', percent: 90 });
      };
      if (compactions++ < 6) pending.push(round());
    };
    const more = { onBase, onNote: (note: string) => notes.push(note) };
    const base = await takeBase(source, dir, 'range', { journal: `${out}.j`, out, ...more });
    await Promise.all(pending);
    expect(compactions, 'pages').to.be.greaterThan(3);
    expect(compareRows(await upTo(source, read(base)), read(base)), notes.join('\n')).to.be
      .undefined;
  });

  for (const from of ['range', 'snapshot'] as const)
    it(`is right although the source was written all the while (${from})`, async () => {
      const out = join(dir, `busy-${from}`);
      const stop = new AbortController();
      const ops = fc.sample(arbitraryOp({ compact: false }), 40);
      const writing = (async () => {
        for (let i = 0; !stop.signal.aborted; i++) await source.writer.apply(ops[i % 40]!);
      })();
      const base = await takeBase(source, dir, from, { journal: `${out}.j`, out });
      stop.abort();
      await writing;
      const etcd = await startFromSnapshot(base, { version: VERSION });
      try {
        const target = await rowsOf(etcd, PREFIXES);
        expect(compareRows(await upTo(source, target), target)).to.be.undefined;
      } finally {
        await etcd.remove();
      }
    });

  for (const from of ['range', 'snapshot'] as const)
    it(`goes on after having been stopped at any point (${from})`, async () => {
      const out = join(dir, `stopped-${from}`);
      const options = seedOptions(dir, from, { journal: `${out}.j`, out });
      let stops = 0;
      for (let calls = 0; calls < 4; calls++) {
        const stop = new AbortController();
        let left = calls;
        const onBase = () => {
          if (left-- === 0) stop.abort();
        };
        await seed(source.client, { ...options, onBase, signal: stop.signal }).catch(
          (error: unknown) => {
            if (!stop.signal.aborted) throw error;
            stops++;
          },
        );
        if (existsSync(out)) break;
        await source.fill(5, 10 + calls);
      }
      expect(stops).to.be.greaterThan(1);
      if (!existsSync(out)) await seed(source.client, options);
      expect(compareRows(await upTo(source, read(out)), read(out))).to.be.undefined;
    });

  it('refuses a file that exists', async () => {
    const out = join(dir, 'compacted');
    await expectCode(takeBase(source, dir, 'range', { journal: `${out}.j`, out }), 'FILE_EXISTS');
  });

  it('refuses the journal of other prefixes, and of another source', async () => {
    const mine = { journal: join(dir, 'compacted.j'), out: join(dir, 'never') };
    const prefixes = PrefixSet.of(['/registry/pods/']);
    await expectCode(takeBase(source, dir, 'range', { ...mine, prefixes }), 'JOURNAL_OTHER');
    const other = await Source.start(VERSION, []);
    try {
      // A single member's cluster id comes from its name and port.
      await expectCode(takeBase(other, dir, 'range', mine), 'JOURNAL_OTHER');
    } finally {
      await other.end();
    }
    expect(existsSync(mine.out)).to.be.false;
  });
});
