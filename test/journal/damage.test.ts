/** What a damaged journal does: it is refused or stands at an earlier moment, rows and position alike. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Journal } from '../../src/journal/journal.js';
import { RunBuffer } from '../../src/journal/runbuffer.js';
import { encodeKeyValue } from '../../src/mvcc/keyvalue.js';
import { proven } from '../../src/position.js';
import { damages, Reader, suffer, type Damage, type Outcome } from './damage.js';
import { Model } from './model.js';
import type { Reading } from './read-child.js';
import { baseRow, IDENTITY, KEYS, whole } from './rows.js';

const START = 10;
const REVISIONS = 160;
/** Half of the journal goes from LevelDB's log into its tables. */
const REOPEN_AT = 90;
const PLACES = Number(process.env['PLACES'] ?? 24);

/** Does not compress: a page of a table or of the log holds a few of them. */
function noise(main: number): Buffer {
  const blocks = Array.from({ length: 40 }, (_, i) =>
    createHash('sha256').update(`${main} ${i}`).digest(),
  );
  return Buffer.concat(blocks);
}

/** A journal, and what it said after each append. */
async function build(directory: string): Promise<Map<number, Reading>> {
  const model = new Model(START - 1, START - 1);
  const states = new Map<number, Reading>();
  let journal = await Journal.create(directory, IDENTITY, {
    watchFrom: START,
    base: { how: 'snapshot', done: false },
    compactRevision: START - 1,
  });
  const base = KEYS.map((key, i) => baseRow(1 + i, key, 4000));
  await journal.addBase(RunBuffer.of(base), { how: 'snapshot', done: true });
  model.add(base);
  for (let main = START; main < START + REVISIONS; main++) {
    const key = KEYS[main % KEYS.length]!;
    const tombstone = main % 5 === 0;
    const kv = { key, createRevision: main, modRevision: main, version: 1, value: noise(main) };
    const bytes = encodeKeyValue(tombstone ? { key } : kv);
    const rows = [{ main, sub: 0, key, tombstone, bytes, byKey: false }];
    await journal.append([whole(rows)], proven(main));
    model.add(rows);
    const { keys, hex } = model.tally(main);
    states.set(main, { position: main, rows: model.revisions(1, main), keys, checksum: hex });
    if (main !== START + REOPEN_AT) continue;
    await journal.close();
    journal = await Journal.open(directory);
  }
  await journal.close();
  return states;
}

describe('a damaged journal', () => {
  const dir = mkdtempSync(join(tmpdir(), 'journal-damage-'));
  const directory = join(dir, 'journal');
  const reader = new Reader();
  let states: Map<number, Reading>;

  before(async () => {
    states = await build(directory);
  });

  after(() => {
    reader.end();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Does all of it, and returns those that ended in none of the allowed ways. */
  async function wrongAfter(
    all: readonly Damage[],
    allowed: readonly Outcome[],
  ): Promise<string[]> {
    const wrong: string[] = [];
    for (const damage of all) {
      const outcome = await suffer(reader, directory, damage, states);
      if (!allowed.includes(outcome))
        wrong.push(`${damage.what} ${damage.file} at ${damage.at}: ${outcome}`);
    }
    return wrong;
  }

  it('that lost files, or their ends, is refused or stands at an earlier moment', async () => {
    const all = damages(directory, PLACES).filter(({ what }) => what !== 'flip');
    expect(await wrongAfter(all, ['same', 'earlier', 'refused'])).to.deep.equal([]);
  }).timeout(60_000);

  it('with a bit flipped in the files that say which files belong to it is refused', async () => {
    const all = damages(directory, PLACES).filter(
      ({ what, file }) => what === 'flip' && !/\.(ldb|log|run)$/.test(file),
    );
    expect(await wrongAfter(all, ['refused'])).to.deep.equal([]);
  }).timeout(60_000);

  it('with a bit flipped in a message of the base is refused', async () => {
    const all = damages(directory, PLACES).filter(
      ({ what, file }) => what === 'flip' && file.endsWith('.run'),
    );
    expect(all.length).to.equal(PLACES);
    expect(await wrongAfter(all, ['refused'])).to.deep.equal([]);
  }).timeout(60_000);

  // LevelDB verifies neither blocks of tables nor, unless told to be paranoid, its log: it leaves out
  // what it cannot read there and goes on behind it. Some flips end the process by an assertion.
  for (const kind of ['ldb', 'log'])
    it(`with a bit flipped in its .${kind} never gives rows that were not written`, async () => {
      const all = damages(directory, PLACES).filter(
        ({ what, file }) => what === 'flip' && file.endsWith(kind),
      );
      const allowed: Outcome[] = ['same', 'earlier', 'refused', 'crash'];
      expect(await wrongAfter(all, allowed)).to.deep.equal([]);
    }).timeout(60_000);
});
