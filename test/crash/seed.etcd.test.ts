/**
 * A seed dies at each of its fail points, one after another, and goes on. A base is there whole or not
 * at all, and the one that comes of it in the end holds the source's rows.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { pause } from '../../src/async/again.js';
import type { Failpoint } from '../../src/failpoint.js';
import { RUN_BYTES } from '../../src/journal/runbuffer.js';
import { EtcdClient } from '../../src/wire/client.js';
import { errorOf } from '../cli/run.js';
import { PREFIXES, type Op } from '../oracle/history.js';
import { rowsOfFile } from '../oracle/rows.js';
import { HistoryWriter } from '../oracle/writer.js';
import { removeAtExit, removeFolder } from '../rig/child.js';
import { Etcd, haveVersion } from '../rig/etcd.js';
import { differsFromSource } from './exact.js';
import { Pool, type Death } from './mortal.js';
import { Random, SOAK } from './random.js';

/** `file`: a snapshot file, behind whose head the source has compacted. */
type From = 'range' | 'snapshot' | 'file';

/** In the order in which a seed comes past them; a base is read run by run, the journal begun once. */
const BEFORE_SEAL: Record<From, Failpoint[]> = {
  range: [
    'journal.create.half',
    'base.run',
    'base.run',
    'journal.append.begin',
    'journal.append.done',
  ],
  snapshot: [
    'journal.create.half',
    'base.blob',
    'base.run',
    'journal.append.begin',
    'journal.append.done',
  ],
  file: [
    'journal.create.half',
    'base.run',
    'base.bridge.planned',
    'base.bridge.declared',
    // Of the bridge's own: the watch has nothing before.
    'journal.append.begin',
    'journal.append.done',
  ],
};
const SEAL: Failpoint[] = [
  'journal.compact.batch',
  'base.seal.row',
  'base.seal.checksum',
  'base.seal.row',
  'base.seal.rename',
  'base.seal.renamed',
];
/** A base that comes from a file is sealed as any other. */
const SEAL_OF: Record<From, Failpoint[]> = { range: SEAL, snapshot: SEAL, file: SEAL.slice(-2) };
/** Rows with history, sealed one revision after another. */
const SEALED_AT_LEAST = 30;
const LARGE_BYTES = 1024 * 1024;
const CHANGED_EVERY_MS = 100;
const ROUNDS = SOAK;

const CHANGES: Op[] = [
  ...Array.from({ length: 8 }, (_, key): Op => ({ kind: 'put', key, size: 'page', lease: false })),
  { kind: 'delete', key: 1 },
  { kind: 'foreign', count: 5 },
  { kind: 'lease', keys: 6 },
];

/** A source, and one base after another that is taken of it. */
class Seeding {
  readonly dir = mkdtempSync(join(tmpdir(), 'crash-seed-'));
  readonly journal = join(this.dir, 'journal');
  readonly out = join(this.dir, 'base.db');

  constructor(
    private readonly pool: Pool,
    private readonly source: Etcd,
    private readonly writer: HistoryWriter,
    private readonly from: string,
  ) {
    removeAtExit(this.dir);
  }

  /** Changes the source and seeds meanwhile. */
  async seed(env: Record<string, string> = {}): Promise<Death> {
    const flags = PREFIXES.flatMap((prefix) => ['--prefix', prefix]);
    const ends = ['--endpoints', this.source.endpoint, '--journal', this.journal];
    const args = ['seed', ...ends, ...flags, '--out', this.out, '--from', this.from, '-w', 'json'];
    let over = false;
    const dying = this.pool.run(args, env).finally(() => {
      over = true;
    });
    const isOver = () => over;
    // So long that something comes by the watch, too.
    do {
      await this.writer.all(CHANGES);
      await pause(CHANGED_EVERY_MS);
    } while (!isOver());
    return dying;
  }

  async dieAt(name: Failpoint, passings: number): Promise<void> {
    const death = await this.seed({ LOCKSTEP_FAILPOINT: `${name}:${passings}` });
    expect(death.signal, `${name}:${passings} was not met: ${death.stderr}`).to.equal('SIGKILL');
    expect(existsSync(this.out), `a base after ${name}`).to.equal(name === 'base.seal.renamed');
  }

  async refusesToOverwrite(): Promise<void> {
    const death = await this.seed();
    expect(death.code, death.stderr).to.equal(2);
    expect(errorOf(death).code).to.equal('FILE_EXISTS');
  }

  async ends(): Promise<void> {
    const death = await this.seed();
    expect(death.code, death.stderr).to.equal(0);
    expect(existsSync(`${this.out}.part`), 'a half base').to.be.false;
  }

  async isExact(): Promise<void> {
    const base = rowsOfFile(this.out, PREFIXES);
    expect(await differsFromSource(this.source, base)).to.equal(undefined);
    rmSync(this.out);
  }

  forget(): void {
    removeFolder(this.dir);
  }
}

describe('a seed dies', function () {
  this.timeout(SOAK * 300_000);
  let pool: Pool;
  let source: Etcd;
  let client: EtcdClient;
  let writer: HistoryWriter;
  const dir = mkdtempSync(join(tmpdir(), 'crash-seed-file-'));
  removeAtExit(dir);
  const file = join(dir, 'backup.db');
  before(async function () {
    if (!haveVersion('3.5.16')) this.skip();
    pool = new Pool(2);
    source = await Etcd.start({ version: '3.5.16' });
    client = new EtcdClient(source.endpoint, 'source');
    writer = new HistoryWriter(source, client);
    // Several runs of rows at the compact revision, several batches of old rows above it.
    for (let n = 0; n < 2 * RUN_BYTES; n += LARGE_BYTES) {
      const key = Buffer.from(`/registry/pods/large/${n}`);
      await client.txn({ success: [{ requestPut: { key, value: Buffer.alloc(LARGE_BYTES) } }] });
    }
    await writer.all([{ kind: 'lease', keys: 1200 }, ...CHANGES]);
    await source.ctl('snapshot', 'save', file);
    await writer.all(CHANGES);
    await writer.apply({ kind: 'compact', percent: 100 });
  });
  after(async () => {
    await pool.end();
    client.close();
    await source.remove();
    removeFolder(dir);
  });

  async function dieAllAlong(from: From, random: Random): Promise<void> {
    const seeding = new Seeding(pool, source, writer, from === 'file' ? file : from);
    try {
      writeFileSync(`${seeding.out}.part`, 'half of something');
      for (const name of BEFORE_SEAL[from]) await seeding.dieAt(name, 1);
      for (const name of SEAL_OF[from])
        await seeding.dieAt(
          name,
          name === 'base.seal.row' ? random.between(1, SEALED_AT_LEAST) : 1,
        );
      await seeding.refusesToOverwrite();
      await seeding.isExact();
      await seeding.ends();
      await seeding.isExact();
    } finally {
      seeding.forget();
    }
  }

  it('at every fail point, and the base in the end holds what the source held', async () => {
    for (let round = 0; round < ROUNDS; round++)
      await Random.together([
        (random) => dieAllAlong('range', random),
        (random) => dieAllAlong('snapshot', random),
        (random) => dieAllAlong('file', random),
      ]);
  });
});
