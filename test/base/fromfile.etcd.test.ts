/**
 * seed --from FILE: the base is what a seed from the live source is, whether the source's history reaches
 * back to the file or not; and a file that is not the source's ends it before anything is made.
 */
import { expect } from 'chai';
import fc from 'fast-check';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seed, type SeedOptions } from '../../src/base/seed.js';
import type { Sealed } from '../../src/base/basefile.js';
import { LockstepError } from '../../src/errors.js';
import { Journal } from '../../src/journal/journal.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { EtcdClient } from '../../src/wire/client.js';
import { differsFromSource } from '../crash/exact.js';
import { followUntilSynced } from '../oracle/following.js';
import { arbitraryOp, PREFIXES, type Op } from '../oracle/history.js';
import { compareStores } from '../oracle/lockstep.js';
import { compareRows, rowsOf, rowsOfFile } from '../oracle/rows.js';
import { HistoryWriter } from '../oracle/writer.js';
import { enableAuth } from '../rig/auth.js';
import { Etcd, haveVersion, newestVersion, startFromSnapshot, versions } from '../rig/etcd.js';
import { cropFile, dataRows, HISTORY, seedOptions, Source, takeBase, tempDir } from './sources.js';

const LIVES = Number(process.env['LIVES'] ?? 0);
const NIGHT_MS = 60_000;

/** Keys that stay as they are in all that follows: a cluster has hundreds of them. */
const STABLE: Op[] = [{ kind: 'lease', keys: 40 }];

/** What changes after the file was taken: all kinds, keys that go and keys that come again. */
const SINCE: Op[] = [
  { kind: 'put', key: 0, size: 'page', lease: false },
  { kind: 'delete', key: 3 },
  { kind: 'foreign', count: 12 },
  { kind: 'put', key: 3, size: 'small', lease: true },
  { kind: 'put', key: 3, size: 'small', lease: false },
  { kind: 'delete', key: 6 },
  {
    kind: 'put and delete',
    writes: [{ key: 1, size: 'small', delete: false }],
    key: 5,
    range: null,
  },
  { kind: 'txn', writes: [0, 1, 2, 4].map((key) => ({ key, size: 'small', delete: false })) },
  { kind: 'foreign', count: 3 },
];

/** A base made from a file, and what was said meanwhile. */
interface Taken {
  sealed: Sealed;
  journal: string;
  notes: string[];
}

let taken = 0;

async function fromFile(
  client: EtcdClient,
  dir: string,
  file: string,
  more: Partial<SeedOptions> = {},
): Promise<Taken> {
  const journal = join(dir, `file-${++taken}.journal`);
  const out = join(dir, `file-${taken}.db`);
  const notes: string[] = [];
  const onNote = (note: string) => notes.push(note);
  const sealed = await seed(client, {
    ...seedOptions(dir, { file }),
    ...{ journal, out, onNote },
    ...more,
  });
  return { sealed, journal, notes };
}

/** Follows into a target restored from the base, while the source goes on, and compares every row. */
async function followed(source: Source, { sealed, journal }: Taken): Promise<void> {
  const version = source.etcd.version;
  const args = ['--max-request-bytes=10485760'];
  const target = await startFromSnapshot(sealed.out, { version, args });
  try {
    await source.writer.all(SINCE);
    await followUntilSynced({
      ...{ journal, source: source.etcd.endpoint, target: target.endpoint },
    });
    await compareStores(source.etcd, target);
  } finally {
    await target.remove();
  }
}

async function refusal(doing: Promise<unknown>): Promise<LockstepError> {
  const error = await doing.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error, 'it has to be refused').to.be.instanceOf(LockstepError);
  return error as LockstepError;
}

for (const version of versions())
  describe(`seed --from FILE (etcd ${version})`, () => {
    const dir = tempDir();
    const file = join(dir, 'backup.db');
    let source: Source;
    let fileHead: number;

    before(async () => {
      source = await Source.start(version, [...HISTORY, ...STABLE]);
      await source.etcd.ctl('snapshot', 'save', file);
      fileHead = source.writer.head;
    });
    after(() => source.end());

    it('of a moment ago: the base of a snapshot, row for row, with the leases of the live source', async () => {
      const { sealed, notes } = await fromFile(source.client, dir, file);
      const streamed = await takeBase(source, dir, 'snapshot');
      expect(dataRows(sealed.out)).to.deep.equal(dataRows(streamed));
      expect(sealed).to.include({ head: fileHead, leases: 2 });
      expect(notes.join()).to.match(/history reaches back to it; (\d+) of \1 keys/);
    });

    it('of before: what came since is brought by the watch', async () => {
      await source.writer.all(SINCE);
      const made = await fromFile(source.client, dir, file);
      expect(
        compareRows(await rowsOf(source.etcd, PREFIXES), rowsOfFile(made.sealed.out, PREFIXES)),
      ).to.be.undefined;
      expect(made.sealed.compactRevision).to.equal(source.writer.compacted);
      if (version === newestVersion()) await followed(source, made);
    });

    it('of before, and what came since is compacted: bridged, exact from there on, nothing made up to be read', async () => {
      const compacted = source.writer.head;
      await source.client.compact(compacted);
      source.writer.compacted = compacted;
      await source.writer.all(SINCE.slice(0, 3));
      const made = await fromFile(source.client, dir, file);
      const told = made.notes.join('\n');
      expect(told).to.match(/compacted what came next: .*--from range reads no more than that/);
      expect(told).to.match(/; [1-9]\d* of \d+ keys that were asked for are the same/);
      expect(told).to.contain(`compacted away what came after revision ${fileHead}`);
      expect(told).to.contain(`bridged revisions ${fileHead + 1} to ${compacted}`);
      expect(made.sealed.compactRevision).to.equal(compacted);
      expect(
        compareRows(await rowsOf(source.etcd, PREFIXES), rowsOfFile(made.sealed.out, PREFIXES)),
      ).to.be.undefined;
      const old = rowsOfFile(made.sealed.out, PREFIXES).rows.filter(({ main }) => main < compacted);
      expect(old.filter(({ tombstone }) => tombstone)).to.deep.equal([]);
      expect(new Set(old.map(({ key }) => key.toString('latin1'))).size).to.equal(old.length);
      await followed(source, made);
    });
  });

/** A file is taken in the middle of a history, and how far that is compacted before it is read differs. */
interface Night {
  before: Op[];
  since: Op[];
  percent: number;
  kept: Op[];
  /** While it is read. */
  during: Op[];
}

const ops = (maxLength: number) => fc.array(arbitraryOp({ compact: false }), { maxLength });

const night: fc.Arbitrary<Night> = fc.record({
  before: fc.array(arbitraryOp(), { maxLength: 10 }),
  since: ops(10),
  percent: fc.oneof(fc.constant(0), fc.constant(100), fc.integer({ min: 30, max: 100 })),
  kept: ops(5),
  during: ops(4),
});

async function passes(source: Source, dir: string, drawn: Night): Promise<void> {
  const { etcd, client, writer } = source;
  await writer.all(drawn.before);
  const file = join(dir, `night-${++taken}.db`);
  await etcd.ctl('snapshot', 'save', file);
  await writer.all([...drawn.since, { kind: 'compact', percent: drawn.percent }, ...drawn.kept]);
  const [{ sealed }] = await Promise.all([fromFile(client, dir, file), writer.all(drawn.during)]);
  const base = rowsOfFile(sealed.out, PREFIXES);
  expect(await differsFromSource(etcd, base)).to.equal(undefined);
}

for (const { version, nights } of [
  { version: '3.5.16', nights: 5 },
  { version: '3.4.23', nights: 3 },
])
  describe(`seed --from FILE, whatever happened since (etcd ${version})`, () => {
    const dir = tempDir();
    let source: Source;
    before(async function () {
      if (!haveVersion(version)) this.skip();
      source = await Source.start(version, []);
    });
    after(() => source.end());

    it('has what the source has, row for row', async function () {
      const numRuns = LIVES || nights;
      this.timeout(numRuns * NIGHT_MS);
      await fc.assert(
        fc.asyncProperty(night, (drawn) => passes(source, dir, drawn)),
        { numRuns, endOnFailure: process.env['SHRINK'] === undefined },
      );
    });
  });

describe('seed --from FILE refuses', () => {
  const dir = tempDir();
  const version = newestVersion();
  /** As with default flags: the ids of cluster and member are the same. */
  const peer = 'http://127.0.0.1:2380';
  const args = [`--initial-cluster=rig=${peer}`, `--initial-advertise-peer-urls=${peer}`];
  const etcds: Etcd[] = [];
  const clients: EtcdClient[] = [];
  let source: Place;

  interface Place {
    etcd: Etcd;
    client: EtcdClient;
    writer: HistoryWriter;
  }

  function place(etcd: Etcd): Place {
    const client = new EtcdClient(etcd.endpoint, 'source');
    etcds.push(etcd);
    clients.push(client);
    return { etcd, client, writer: new HistoryWriter(etcd, client) };
  }

  async function started(history: Op[], more = args): Promise<Place> {
    const one = place(await Etcd.start({ version, args: more }));
    await one.writer.all(history);
    return one;
  }

  async function restored(file: string): Promise<Place> {
    return place(await startFromSnapshot(file, { version }));
  }

  async function snapshot({ etcd }: Place, name: string): Promise<string> {
    const file = join(dir, `${name}.db`);
    await etcd.ctl('snapshot', 'save', file);
    return file;
  }

  /** Refused with this code, and nothing is there that was not there before. */
  async function refuses(
    { client }: Place,
    file: string,
    code: string,
    more: Partial<SeedOptions> = {},
  ): Promise<LockstepError> {
    const before = readdirSync(dir).sort();
    const error = await refusal(fromFile(client, dir, file, more));
    expect(error.code, error.message).to.equal(code);
    expect(readdirSync(dir).sort()).to.deep.equal(before);
    return error;
  }

  before(async () => {
    source = await started([...HISTORY, ...STABLE]);
  });
  after(async () => {
    for (const client of clients) client.close();
    await Promise.all(etcds.map((etcd) => etcd.remove()));
  });

  it('one of another cluster with the same ids, whose history reaches back, or does not', async () => {
    // The same keys, put in another order: most have another revision.
    // The newest is ours and is told first: the foreign ones come at once, in any order, and some have other names.
    const last = { kind: 'put', key: 0, size: 'small', lease: false } as const;
    const file = await snapshot(await started([...STABLE, ...HISTORY, last]), 'another');
    await source.writer.apply({ kind: 'foreign', count: 5 });
    const early = await refuses(source, file, 'SNAPSHOT_OTHER');
    expect(early.message).to.match(/registry.* was another one at the source at revision \d+/);
    await source.client.compact(source.writer.head);
    const late = await refuses(source, file, 'SNAPSHOT_OTHER');
    expect(late.message).to.match(/was not changed at the source since, and is another one there/);
  });

  it('one of another cluster that has no key in common, by the members or by the bridge', async () => {
    const key = (i: number) => Buffer.from(`/registry/pods/only-there-${i}`);
    const writeOwn = async ({ client }: Place) => {
      for (let i = 0; i < 5; i++)
        await client.txn({ success: [{ requestPut: { key: key(i), value: Buffer.from('v') } }] });
    };
    const [same, other] = [await started([]), await started([], [])];
    await Promise.all([writeOwn(same), writeOwn(other)]);
    const compacted = await started([...HISTORY, { kind: 'compact', percent: 100 }]);
    const byMembers = await refuses(compacted, await snapshot(other, 'members'), 'SNAPSHOT_OTHER');
    expect(byMembers.message).to.match(/its members \(.*\) are none of the source's/);
    // Nothing is left to tell it by but the keys that the source had by then, and the file has not.
    const early = await started([
      { kind: 'txn', writes: [0, 6].map((i) => ({ key: i, size: 'small', delete: false })) },
      { kind: 'foreign', count: 30 },
      { kind: 'compact', percent: 100 },
    ]);
    await refuses(early, await snapshot(same, 'bridge'), 'GAP_NOT_EXACT');
  });

  it('one that ends above the head, and says at which endpoint', async () => {
    const before = await snapshot(source, 'before');
    await source.writer.apply({ kind: 'foreign', count: 2 });
    const file = await snapshot(source, 'ahead');
    const older = await restored(before);
    const { message } = await refuses(older, file, 'SNAPSHOT_OTHER');
    expect(message).to.contain(older.etcd.endpoint).and.to.contain('above the head');
  });

  it('one from before the source was restored from an older backup, and went on differently', async () => {
    const backup = await snapshot(source, 'fork');
    await source.writer.all(SINCE);
    const file = await snapshot(source, 'last-night');
    const fork = await restored(backup);
    fork.writer.head = (await fork.client.head()).revision;
    await fork.writer.all([{ kind: 'foreign', count: 2 }, ...SINCE, ...SINCE]);
    await refuses(fork, file, 'SNAPSHOT_OTHER');
    await fork.client.compact(fork.writer.head);
    await refuses(fork, file, 'GAP_NOT_EXACT');
  });

  it('a damaged one, one without its sha256, and one that is not there', async () => {
    const file = await snapshot(source, 'whole');
    const bytes = readFileSync(file);
    const flipped = Buffer.from(bytes);
    flipped[bytes.length >> 1]! ^= 1;
    const damaged = join(dir, 'damaged.db');
    writeFileSync(damaged, flipped);
    await refuses(source, damaged, 'SNAPSHOT_DAMAGED');
    writeFileSync(damaged, bytes.subarray(0, -32));
    await refuses(source, damaged, 'SNAPSHOT_NO_CHECKSUM');
    const { hint } = await refuses(source, join(dir, 'rnage'), 'BAD_PATH');
    expect(hint).to.contain('range, snapshot, or the path');
  });

  it('one that was cropped to other prefixes; one that was cropped to these is as good as the whole', async () => {
    const [leases = ''] = PREFIXES;
    await source.writer.all(SINCE);
    const cropped = async (prefixes: readonly string[], name: string) =>
      cropFile(await snapshot(source, `${name}-whole`), join(dir, `${name}.db`), prefixes);
    const others = await cropped([leases], 'others');
    const { message } = await refuses(source, others, 'SNAPSHOT_OTHER');
    expect(message).to.match(/make \d+ keys at revision \d+, and the source has \d+/);
    const ours = await cropped(PREFIXES, 'ours');
    const { sealed } = await fromFile(source.client, dir, ours);
    expect(compareRows(await rowsOf(source.etcd, PREFIXES), rowsOfFile(sealed.out, PREFIXES))).to.be
      .undefined;
    await source.writer.all(SINCE);
    await source.client.compact(source.writer.head);
    await refuses(source, others, 'GAP_NOT_EXACT');
  });

  it('another cluster’s, for a user who may only read the prefixes; of the own one those speak alone', async () => {
    const one = await started([...HISTORY, ...STABLE]);
    const other = await started([...STABLE, ...HISTORY]);
    const file = await snapshot(one, 'restricted');
    const another = await snapshot(other, 'restricted-other');
    const [key = ''] = PREFIXES.slice(-1);
    const roles = [{ name: 'pods', permissions: [{ kind: 'read', key, prefix: true }] as const }];
    const login = { name: 'reader', password: 'secret' };
    await enableAuth(one.etcd, [{ ...login, roles }]);
    const client = new EtcdClient({ endpoints: [one.etcd.endpoint], user: login }, 'source');
    clients.push(client);
    const prefixes = PrefixSet.of([key]);
    const { notes, sealed } = await fromFile(client, dir, file, { prefixes });
    expect(notes.join()).to.match(/ there, the others its user may not read$/);
    expect(sealed.keys).to.be.greaterThan(10);
    await refuses({ ...one, client }, another, 'SNAPSHOT_OTHER', { prefixes });
  });

  it('no prefix without keys, unless that is meant', async () => {
    const prefixes = PrefixSet.of(['/registry/none/']);
    const file = await snapshot(source, 'none');
    await refuses(source, file, 'NO_KEYS', { prefixes, allowEmpty: false });
    const { sealed, notes } = await fromFile(source.client, dir, file, { prefixes });
    expect(sealed.keys).to.equal(0);
    expect(notes.join()).to.contain('has no key of the prefixes');
  });

  it('going on with another --from; half a journal is begun anew, a whole one needs no file', async () => {
    const file = await snapshot(source, 'half');
    const journal = join(dir, 'half.journal');
    const { clusterId } = await source.client.status();
    const base = { how: 'file', done: false, file } as const;
    const start = { watchFrom: 2, base, compactRevision: 1 };
    await (
      await Journal.create(journal, { clusterId, prefixes: PrefixSet.of(PREFIXES) }, start)
    ).close();
    const error = await refusal(
      seed(source.client, { ...seedOptions(dir, 'range'), journal, out: join(dir, 'half-r.db') }),
    );
    expect(error.code).to.equal('JOURNAL_OTHER');
    expect(error.message).to.contain(`--from ${file}`);
    const { sealed } = await fromFile(source.client, dir, file, { journal });
    expect(compareRows(await rowsOf(source.etcd, PREFIXES), rowsOfFile(sealed.out, PREFIXES))).to.be
      .undefined;
    await source.writer.all(SINCE);
    const again = await fromFile(source.client, dir, join(dir, 'gone.db'), { journal });
    expect(compareRows(await rowsOf(source.etcd, PREFIXES), rowsOfFile(again.sealed.out, PREFIXES)))
      .to.be.undefined;
  });
});
