/** Crop, without an etcd: from a file with a compaction half done, and from a real cluster's. */
import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { BoltWriter } from '../../src/bolt/boltwriter.js';
import { encodeKeyValue } from '../../src/mvcc/keyvalue.js';
import { encodeRevision } from '../../src/mvcc/revision.js';
import { parseCursor } from '../../src/target/cursor.js';
import { decodeKeyValue } from '../oracle/keyvalue.js';
import { compareRows, liveAt, readRaw, rowsOfFile, type RawRow } from '../oracle/rows.js';
import { cropFile, tempDir } from './sources.js';

/** A snapshot with these rows and compact revisions, checksum and all. */
async function writeSnapshot(
  file: string,
  rows: readonly RawRow[],
  compact: { scheduled: number; finished: number },
): Promise<string> {
  const writer = BoltWriter.create(file);
  writer.beginBucket('key');
  for (const { key, value } of rows) writer.put(key, value);
  writer.endBucket();
  writer.beginBucket('meta');
  if (compact.finished > 0)
    writer.put(Buffer.from('finishedCompactRev'), encodeRevision(compact.finished, 0));
  writer.put(Buffer.from('scheduledCompactRev'), encodeRevision(compact.scheduled, 0));
  writer.endBucket();
  await writer.finish();
  appendFileSync(file, createHash('sha256').update(readFileSync(file)).digest());
  return file;
}

const POD = (name: string) => Buffer.from(`/registry/pods/${name}`);

function put(main: number, sub: number, key: Buffer, create = main, version = 1): RawRow {
  const value = Buffer.from(`${main}/${sub}`);
  return {
    key: encodeRevision(main, sub),
    value: encodeKeyValue({ key, createRevision: create, modRevision: main, version, value }),
  };
}

function deletion(main: number, sub: number, key: Buffer): RawRow {
  return { key: encodeRevision(main, sub, true), value: encodeKeyValue({ key }) };
}

describe('crop', () => {
  const dir = tempDir();

  it('finishes a compaction that the snapshot caught half done', async () => {
    const rows = [
      put(2, 0, POD('a')),
      put(2, 1, POD('b')),
      put(3, 0, POD('a'), 2, 2), // superseded at 5, not yet removed
      put(4, 0, POD('gone')),
      put(4, 1, POD('b'), 2, 2),
      deletion(4, 2, POD('b')), // put and deleted in one revision
      put(5, 0, POD('a'), 2, 3),
      deletion(5, 1, POD('gone')),
      put(6, 0, Buffer.from('/registry/foreign')),
      put(7, 0, POD('a'), 2, 4),
      put(8, 0, Buffer.from('/registry/foreign'), 6, 2),
    ];
    for (const finished of [0, 3]) {
      const from = await writeSnapshot(join(dir, `half-${finished}`), rows, {
        scheduled: 6,
        finished,
      });
      const base = await cropFile(from, join(dir, `half-${finished}.db`), ['/registry/pods/']);
      const cropped = readRaw(base);
      expect([cropped.scheduled, cropped.finished]).to.deep.equal([6, 6]);
      const mains = cropped.rows.map((row) => Number(row.key.readBigUInt64BE()));
      expect(mains).to.deep.equal([5, 7, 8]); // a, a, and the cursor at the head
    }
  });

  it('keeps the head where the last row lies outside the prefixes, or was compacted away', async () => {
    const rows = [put(2, 0, POD('a')), put(9, 0, Buffer.from('/registry/foreign'))];
    for (const scheduled of [5, 9, 12]) {
      const compact = { scheduled, finished: scheduled };
      const from = await writeSnapshot(join(dir, `head-${scheduled}`), rows, compact);
      const base = await cropFile(from, join(dir, `head-${scheduled}.db`), ['/registry/pods/']);
      expect(rowsOfFile(base, ['/registry/pods/']).head).to.equal(Math.max(9, scheduled));
    }
  });

  it('leaves nothing behind, nor what a killed one has left', async () => {
    const folder = join(dir, 'killed');
    mkdirSync(join(folder, 'out.db.census'), { recursive: true });
    writeFileSync(join(folder, 'out.db.census', 'census'), 'half of one');
    writeFileSync(join(folder, 'out.db.part'), 'half of one');
    const compact = { scheduled: 2, finished: 2 };
    const from = await writeSnapshot(join(dir, 'killed.snap'), [put(2, 0, POD('a'))], compact);
    await cropFile(from, join(folder, 'out.db'), ['/registry/pods/']);
    expect(readdirSync(folder)).to.deep.equal(['out.db']);
  });

  it('takes the pods out of a real cluster', async () => {
    // Head and compact revision are those of the file; the text beside it was written later.
    const packed = new URL('../data/k8s-1.20-200pods.db.gz', import.meta.url);
    const from = join(dir, 'k8s.db');
    const data = gunzipSync(readFileSync(packed));
    writeFileSync(from, data);
    if (data.length % 512 === 0) appendFileSync(from, createHash('sha256').update(data).digest());
    const base = await cropFile(from, join(dir, 'pods.db'), ['/registry/pods/']);
    const [all, pods] = [from, base].map((file) => rowsOfFile(file, ['/registry/pods/']));
    expect(compareRows(all!, pods!)).to.be.undefined;
    expect(pods!.compactRevision).to.equal(all!.compactRevision);
    const live = liveAt(pods!.rows, pods!.head);
    expect(live.length).to.equal(213);
    const cursor = parseCursor(decodeKeyValue(readRaw(base).rows.at(-1)!.value).value);
    expect(cursor).to.include({ revision: pods!.head, keys: 213, source: null });
  });
});
