/** The journal against a model of it: whatever is written, read, compacted and reopened. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { seal } from '../../src/base/seal.js';
import { hasCode, LockstepError } from '../../src/errors.js';
import { Journal } from '../../src/journal/journal.js';
import { indexKey } from '../../src/journal/layout.js';
import { newLevel } from '../../src/journal/level.js';
import { runBytes } from '../../src/journal/run.js';
import { RunBuffer } from '../../src/journal/runbuffer.js';
import { proven, type Position } from '../../src/position.js';
import { Model } from './model.js';
import { baseRow, IDENTITY, KEYS, readRevisions, readRows, row, whole, type Row } from './rows.js';

/** The watch begins here; the base brings what lies below. */
const WATCH_FROM = 10;

type Step =
  /** Each inner array is one revision: keys put, or put and deleted, or deleted. */
  | {
      kind: 'append';
      gap: number;
      revisions: { key: number; how: 'put' | 'delete' | 'both' }[][];
      before: 'shown' | 'written';
    }
  | { kind: 'base'; rows: { key: number; main: number }[] }
  | { kind: 'compact'; percent: number }
  | { kind: 'reopen' };

const key = fc.nat(KEYS.length - 1);
const revision = fc.uniqueArray(
  fc.record({ key, how: fc.constantFrom('put' as const, 'delete' as const, 'both' as const) }),
  { minLength: 1, maxLength: 5, selector: (write) => write.key },
);
const steps = fc.array(
  fc.oneof<fc.WeightedArbitrary<Step>[]>(
    {
      arbitrary: fc.record({
        kind: fc.constant('append' as const),
        gap: fc.nat(3),
        revisions: fc.array(revision, { maxLength: 4 }),
        before: fc.constantFrom('shown' as const, 'written' as const),
      }),
      weight: 6,
    },
    {
      arbitrary: fc.record({
        kind: fc.constant('base' as const),
        rows: fc.array(fc.record({ key, main: fc.integer({ min: 1, max: WATCH_FROM - 1 }) })),
      }),
      weight: 2,
    },
    {
      arbitrary: fc.record({ kind: fc.constant('compact' as const), percent: fc.nat(100) }),
      weight: 2,
    },
    { arbitrary: fc.constant({ kind: 'reopen' }), weight: 1 },
  ),
  { maxLength: 25 },
);

class Pair {
  readonly model = new Model(WATCH_FROM - 1, WATCH_FROM - 1);
  /** The base has a key once. */
  readonly #based = new Set<number>();

  constructor(
    readonly directory: string,
    public journal: Journal,
  ) {}

  async step(step: Step): Promise<void> {
    const { model } = this;
    switch (step.kind) {
      case 'append':
        return this.#append(step);
      case 'base': {
        const fresh = step.rows.filter((r) => !this.#based.has(r.key) && this.#based.add(r.key));
        const rows = fresh.map((r) => baseRow(r.main, KEYS[r.key]!));
        model.add(rows);
        return this.journal.addBase(RunBuffer.of(rows), { how: 'snapshot', done: false });
      }
      case 'compact': {
        const span = model.position - model.compactRevision;
        const revision = model.compactRevision + Math.floor((span * step.percent) / 100);
        model.compact(revision);
        await this.journal.compact(revision);
        return;
      }
      case 'reopen':
        await this.journal.close();
        this.journal = await Journal.open(this.directory);
    }
  }

  async #append({ gap, revisions, before }: Step & { kind: 'append' }): Promise<void> {
    let main = this.model.position;
    const done: Row[][] = [];
    for (const writes of revisions) {
      main += 1 + gap;
      const rows: Row[] = [];
      for (const { key, how } of writes) {
        if (how !== 'delete') rows.push(row(main, rows.length, KEYS[key]!, false));
        if (how !== 'put') rows.push(row(main, rows.length, KEYS[key]!, true));
      }
      done.push(rows);
    }
    const position = proven(main + gap);
    this.model.add(done.flat());
    this.model.position = position;
    const written = this.journal.append(done.map(whole), position, before);
    if (before === 'shown') await this.#checkShown(position);
    await written;
  }

  /** What is shown is there for every reader, written or not. */
  async #checkShown(position: Position): Promise<void> {
    const { model, journal } = this;
    expect(journal.shown.position).to.equal(position);
    const from = model.compactRevision + 1;
    const [read, digests] = await Promise.all([
      readRevisions(journal.revisions(from, position)),
      Promise.all(KEYS.map((key) => journal.digestBefore(key, position + 1))),
    ]);
    expect(read).to.deep.equal(model.revisions(from, position));
    expect(digests).to.deep.equal(KEYS.map((key) => model.digestBefore(key, position + 1)));
  }

  /** Everything that can be asked, at every revision that may be asked for. */
  async check(): Promise<void> {
    const { model, journal } = this;
    expect(journal.position).to.equal(model.position);
    expect(journal.state.compactRevision).to.equal(model.compactRevision);
    const bounds = [model.compactRevision, model.compactRevision + 1, model.position];
    for (const from of bounds.filter((bound) => bound >= WATCH_FROM))
      for (const to of bounds)
        expect(await readRevisions(journal.revisions(from, to))).to.deep.equal(
          model.revisions(from, to),
        );
    // What a seal reads.
    expect(await readRows(journal.everything())).to.deep.equal(model.revisions(1, model.position));
    for (let at = model.compactRevision; at <= model.position; at++) {
      expect((await journal.tally(at)).equals(model.tally(at)), `tally at ${at}`).to.be.true;
      for (const key of KEYS)
        expect(await journal.digestBefore(key, at + 1)).to.equal(model.digestBefore(key, at + 1));
    }
  }
}

describe('journal', () => {
  const dir = mkdtempSync(join(tmpdir(), 'journal-'));
  let made = 0;

  after(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  async function create(): Promise<Pair> {
    const directory = join(dir, String(made++));
    const journal = await Journal.create(directory, IDENTITY, {
      watchFrom: WATCH_FROM,
      base: { how: 'snapshot', done: false },
      compactRevision: WATCH_FROM - 1,
    });
    return new Pair(directory, journal);
  }

  it('does what its model does', async function () {
    this.timeout(60_000);
    await fc.assert(
      fc.asyncProperty(steps, async (drawn) => {
        const pair = await create();
        try {
          for (const step of drawn) await pair.step(step);
          await pair.check();
          await pair.step({ kind: 'reopen' });
          await pair.check();
        } finally {
          await pair.journal.destroy();
        }
      }),
      { numRuns: 100 },
    );
  });

  it('belongs to one process at a time', async () => {
    const { directory, journal } = await create();
    const second: unknown = await Journal.open(directory).catch((error: unknown) => error);
    expect(hasCode(second, 'JOURNAL_LOCKED')).to.be.true;
    await journal.close();
    await (await Journal.open(directory)).close();
  });

  it('gives up a run when half of it is superseded, and keeps the rest', async () => {
    const pair = await create();
    const bytes = () =>
      readdirSync(pair.directory)
        .filter((name) => name.endsWith('.run'))
        .reduce((sum, name) => sum + statSync(join(pair.directory, name)).size, 0);
    // Two runs, of which both lose rows.
    const base = KEYS.map((_, key) => ({ key, main: 1 + key }));
    await pair.step({ kind: 'base', rows: base.slice(0, 4) });
    await pair.step({ kind: 'base', rows: base.slice(4) });
    const all = bytes();
    for (const [key] of KEYS.entries()) {
      await pair.step({ kind: 'reopen' });
      await pair.step({
        ...{ kind: 'append', gap: 0, before: 'written' },
        revisions: [[{ key, how: 'put' }]],
      });
      await pair.step({ kind: 'compact', percent: 100 });
      await pair.check();
      const left = pair.model.rows
        .filter(({ byKey }) => byKey)
        .reduce((sum, row) => sum + runBytes(row), 0);
      expect(bytes(), `with ${left} in use`).to.be.within(left, Math.min(2 * left, all));
    }
    expect(bytes()).to.equal(0);
    await pair.journal.destroy();
  });

  it('drops any number of revisions of one key', async () => {
    const { journal } = await create();
    const last = 130_000;
    for (let main = WATCH_FROM; main <= last; main += 10_000) {
      const mains = Array.from({ length: 10_000 }, (_, i) => main + i).filter((at) => at < last);
      const puts = mains.map((at) => whole([row(at, 0, KEYS[0]!, false)]));
      await journal.append(puts, proven(mains.at(-1)!));
    }
    await journal.append([whole([row(last, 0, KEYS[0]!, true)])], proven(last));
    await journal.append([], proven(last + 1));
    expect((await journal.compact(last + 1)).keys).to.equal(0);
    expect(await readRows(journal.everything())).to.deep.equal([]);
    await journal.destroy();
  }).timeout(60_000);

  it('sees that its index lacks an entry before a base is made of it', async () => {
    const { directory, journal } = await create();
    const rows = [row(10, 0, KEYS[0]!, false), row(11, 0, KEYS[0]!, false)];
    await journal.addBase(RunBuffer.of([baseRow(1, KEYS[1]!)]), { how: 'snapshot', done: true });
    await journal.append(
      rows.map((one) => whole([one])),
      proven(11),
    );
    await journal.close();
    for (const gone of [indexKey(KEYS[0]!, 11, 0), indexKey(KEYS[1]!, 1, 0)]) {
      const copy = `${directory}.copy`;
      cpSync(directory, copy, { recursive: true });
      const db = await newLevel(copy);
      await db.del(gone);
      await db.close();
      const damaged = await Journal.open(copy);
      const out = join(dir, 'base.db');
      const { signal } = new AbortController();
      const options = { out, source: null, leaseTtl: () => Promise.resolve(undefined), signal };
      const error: unknown = await seal(damaged, options).catch((e: unknown) => e);
      expect(hasCode(error, 'JOURNAL_DAMAGED'), String(error)).to.be.true;
      expect(readdirSync(dir).filter((name) => name.startsWith('base.db'))).to.deep.equal([]);
      await damaged.destroy();
    }
  });

  it('is compacted while more is appended', async () => {
    const { journal } = await create();
    let compacted: Promise<unknown> = Promise.resolve();
    for (let main = WATCH_FROM; main < 200; main++) {
      const done = journal.append([whole([row(main, 0, KEYS[main % 3]!, false)])], proven(main));
      if (main % 20 === 0) compacted = compacted.then(() => journal.compact(journal.position));
      await done;
    }
    await compacted;
    expect((await journal.compact(199)).keys).to.equal(3);
    await journal.destroy();
  });

  it('gives up a run when no power cut can bring back what points there', async () => {
    const { directory, journal } = await create();
    const base = KEYS.map((key, i) => baseRow(1 + i, key));
    await journal.addBase(RunBuffer.of(base), { how: 'snapshot', done: true });
    const puts = KEYS.slice(0, 5).map((key, i) => whole([row(10 + i, 0, key, false)]));
    await journal.append(puts, proven(14));
    await journal.compact(14);
    const rows = await readRows(journal.everything());
    await journal.close();
    // The logs are lost altogether, as an old one may be whose writes were not synced.
    for (const log of readdirSync(directory).filter((name) => name.endsWith('.log')))
      truncateSync(join(directory, log), 0);
    const again = await Journal.open(directory);
    expect(await readRows(again.everything())).to.deep.equal(rows);
    expect((await again.tally(14)).keys).to.equal(KEYS.length);
    await again.destroy();
  });

  it('has no use for what a killed bridge has left', async () => {
    const { directory, journal } = await create();
    await journal.close();
    mkdirSync(`${directory}.bridge`);
    writeFileSync(join(`${directory}.bridge`, '000003.log'), 'half of a plan');
    await (await Journal.open(directory)).destroy();
    expect(existsSync(`${directory}.bridge`)).to.be.false;
  });

  it('keeps all that is told of itself at once', async () => {
    const { directory, journal } = await create();
    await journal.append([], proven(20));
    const gap = { after: 20, to: 30 };
    const base = { how: 'snapshot', done: true } as const;
    await Promise.all([
      journal.compact(15),
      journal.declareGap(gap),
      journal.addBase(new RunBuffer(), base),
      journal.compact(14),
    ]);
    expect(journal.state).to.deep.include({ compactRevision: 15, gap, base });
    await journal.close();
    const again = await Journal.open(directory);
    expect(again.state).to.deep.include({ compactRevision: 15, gap, base });
    await again.close();
  });

  it('says of a file that the system does not give what the system says', async () => {
    const { directory, journal } = await create();
    await journal.addBase(RunBuffer.of([baseRow(1, KEYS[0]!)]), { how: 'snapshot', done: true });
    await journal.close();
    rmSync(join(directory, '000001.run'));
    symlinkSync(join(directory, 'gone'), join(directory, '000001.run'));
    const error: unknown = await Journal.open(directory).catch((e: unknown) => e);
    expect(error).to.be.instanceOf(LockstepError).with.property('code', 'IO');
    expect((error as LockstepError).message)
      .to.contain(directory)
      .and.to.contain('ENOENT');
  });

  it('shows what is small before it is written, and what is large behind that', async () => {
    const { journal } = await create();
    const large = whole([row(20, 0, KEYS[0]!, false, 200_000)]);
    const first = journal.append([large], proven(20), 'shown');
    expect(journal.shown.position).to.equal(WATCH_FROM - 1);
    await first;
    expect(journal.shown.position).to.equal(20);
    const second = journal.append([whole([row(21, 0, KEYS[1]!, false)])], proven(22), 'shown');
    expect([journal.shown.position, journal.position]).to.deep.equal([22, 20]);
    expect(journal.recent(21, 22)).to.have.lengthOf(1);
    await second;
    expect(journal.position).to.equal(22);
    await journal.close();
  });

  it('tells a reader of what is shown that it could not be written', async () => {
    const { journal } = await create();
    await journal.append([], proven(20));
    await journal.close();
    const lost = journal.append([whole([row(21, 0, KEYS[1]!, false)])], proven(21), 'shown');
    const read = readRevisions(journal.revisions(21, 21));
    const digest = journal.digestBefore(KEYS[1]!, 22);
    for (const failed of [lost, read, digest])
      expect(await failed.catch((error: unknown) => error)).to.be.instanceOf(Error);
  });

  it('refuses to go back, and to compact what it has not got', async () => {
    const { journal } = await create();
    await journal.append([], proven(20));
    for (const wrong of [journal.append([], proven(19)), journal.compact(21)])
      expect(await wrong.catch((error: unknown) => error)).to.be.instanceOf(Error);
    await journal.close();
  });
});
