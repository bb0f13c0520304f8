/** Small sources for the base tests, and what a base made from them has to be. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { crop } from '../../src/base/crop.js';
import { seed, type SeedOptions } from '../../src/base/seed.js';
import { hasCode, type ErrorCode } from '../../src/errors.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { CURSOR_KEY } from '../../src/target/cursor.js';
import { EtcdClient } from '../../src/wire/client.js';
import { KEYS, PREFIXES, type Op } from '../oracle/history.js';
import { decodeKeyValue } from '../oracle/keyvalue.js';
import { readRaw, type RawRow } from '../oracle/rows.js';
import { HistoryWriter } from '../oracle/writer.js';
import { Etcd, type EtcdVersion } from '../rig/etcd.js';

/** A directory that goes away after the suite it was made in. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'base-'));
  after(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

/** History below, at and above a compaction, with a lease, and keys of every kind. */
export const HISTORY: Op[] = [
  { kind: 'foreign', count: 9 },
  { kind: 'txn', writes: KEYS.map((_, key) => ({ key, size: 'small', delete: false })) },
  { kind: 'put', key: 0, size: 'page', lease: false },
  { kind: 'delete', key: 1 },
  { kind: 'put and delete', writes: [], key: 2, range: null },
  { kind: 'lease', keys: 9 },
  { kind: 'put', key: 3, size: 'empty', lease: true },
  { kind: 'compact', percent: 70 },
  { kind: 'put', key: 1, size: 'small', lease: false },
  { kind: 'put and delete', writes: [{ key: 6, size: 'small', delete: true }], key: 2, range: 1 },
  { kind: 'foreign', count: 20 },
  { kind: 'put', key: 0, size: 'megabyte', lease: true },
  { kind: 'delete', key: 7 },
  { kind: 'foreign', count: 3 },
];

/** A source of one's own, ended after the suite. */
export class Source {
  private constructor(
    readonly etcd: Etcd,
    readonly client: EtcdClient,
    readonly writer: HistoryWriter,
  ) {}

  static async start(version: EtcdVersion, history: readonly Op[] = HISTORY): Promise<Source> {
    const etcd = await Etcd.start({ version });
    const client = new EtcdClient(etcd.endpoint, 'source');
    const writer = new HistoryWriter(etcd, client);
    await writer.all(history);
    return new Source(etcd, client, writer);
  }

  async end(): Promise<void> {
    this.client.close();
    await this.etcd.remove();
  }

  /** Puts `keys` values of `bytes` under /registry/pods/, as quickly as it goes. */
  async fill(keys: number, bytes: number): Promise<void> {
    let i = 0;
    const worker = async () => {
      for (let n = i++; n < keys; n = i++) {
        const requestPut = {
          key: Buffer.from(`/registry/pods/fill/${String(n).padStart(6, '0')}`),
          value: Buffer.alloc(bytes, `${n}.`),
        };
        const { revision } = await this.client.txn({ success: [{ requestPut }] });
        this.writer.head = Math.max(this.writer.head, revision);
      }
    };
    await Promise.all(Array.from({ length: 16 }, worker));
  }
}

/** Seed's options with the parts that most tests do not care about. */
export function seedOptions(
  dir: string,
  from: SeedOptions['from'],
  more: Partial<SeedOptions> = {},
): SeedOptions {
  return {
    prefixes: PrefixSet.of(PREFIXES),
    journal: join(dir, `${nameOf(from)}.journal`),
    out: join(dir, `${nameOf(from)}.db`),
    from,
    // What is written by chance may not have come to each of the prefixes.
    allowEmpty: true,
    onBase: () => undefined,
    onNote: () => undefined,
    signal: AbortSignal.timeout(30_000),
    ...more,
  };
}

function nameOf(from: SeedOptions['from']): string {
  return typeof from === 'string' ? from : 'file';
}

export async function takeBase(
  source: Source,
  dir: string,
  from: SeedOptions['from'],
  more: Partial<SeedOptions> = {},
): Promise<string> {
  return (await seed(source.client, seedOptions(dir, from, more))).out;
}

export async function cropFile(
  snapshot: string,
  out: string,
  prefixes: readonly string[] = PREFIXES,
): Promise<string> {
  const { sealed } = await crop({
    snapshot,
    out,
    prefixes: PrefixSet.of(prefixes),
    allowEmpty: true,
    onBase: () => undefined,
    signal: AbortSignal.timeout(30_000),
  });
  return sealed.out;
}

/**
 * All rows of a base but the cursor, whose value tells the time. Up to `orderless` the order inside a
 * revision is forgotten.
 */
export function dataRows(file: string, orderless = 0): { place: string; value: Buffer }[] {
  const rows = readRaw(file).rows.filter(
    ({ value }) => !decodeKeyValue(value).key.equals(CURSOR_KEY),
  );
  const early = rows.filter(({ key }) => Number(key.readBigUInt64BE()) <= orderless);
  const main = (row: RawRow) => row.key.subarray(0, 8);
  early.sort((a, b) => Buffer.compare(main(a), main(b)) || Buffer.compare(a.value, b.value));
  return [
    ...early.map((row) => ({ place: main(row).toString('hex'), value: row.value })),
    ...rows.slice(early.length).map(({ key, value }) => ({ place: key.toString('hex'), value })),
  ];
}

/** Fails unless `doing` ends in a LockstepError with this code. */
export async function expectCode(doing: Promise<unknown>, code: ErrorCode): Promise<void> {
  const error = await doing.then(
    () => undefined,
    (e: unknown) => e,
  );
  if (!hasCode(error, code)) expect(error, `expected ${code}`).to.be.undefined;
  expect(hasCode(error, code), `no ${code}`).to.be.true;
}
