import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { BoltFile } from '../../src/bolt/boltreader.js';
import { BoltWriter } from '../../src/bolt/boltwriter.js';
import { hasCode } from '../../src/errors.js';
import {
  numberedKey,
  readBuckets,
  tempDir,
  withFile,
  writeBuckets,
  type Buckets,
  type Row,
} from './files.js';

const valueBytes = fc.oneof(
  { weight: 20, arbitrary: fc.nat(300) },
  { weight: 5, arbitrary: fc.nat(9000) },
  { weight: 1, arbitrary: fc.nat(100_000) },
);

const rows = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), valueBytes), { maxLength: 400 })
  .map((drawn) => {
    const byKey = new Map(drawn.map(([key, n]) => [Buffer.from(key).toString('latin1'), n]));
    return [...byKey]
      .map(([key, n]): Row => [Buffer.from(key, 'latin1'), Buffer.alloc(n, key, 'latin1')])
      .sort((a, b) => Buffer.compare(a[0], b[0]));
  });

const someBuckets = fc
  .dictionary(fc.stringMatching(/^[a-z]{1,12}$/), rows, { maxKeys: 4 })
  .map((drawn): Buckets => new Map(Object.entries(drawn).sort(([a], [b]) => (a < b ? -1 : 1))));

describe('bolt round trip', function () {
  this.timeout(60_000);
  const file = path.join(tempDir(), 'db');

  async function expectRoundTrip(buckets: Buckets): Promise<void> {
    const size = await writeBuckets(file, buckets);
    expect(fs.statSync(file).size).to.equal(size);
    expect(readBuckets(file)).to.deep.equal(buckets);
    withFile(file, (db) => {
      expect(db.pageCount * db.pageSize).to.equal(size);
      for (const [name, expected] of buckets) {
        const bucket = db.bucket(name)!;
        expect(bucket.lastKey()).to.deep.equal(expected.at(-1)?.[0]);
        for (const [key, value] of expected.slice(-20)) {
          expect(bucket.get(key)).to.deep.equal(value);
          const missing = Buffer.concat([key, Buffer.from([0])]);
          if (!expected.some(([k]) => k.equals(missing))) {
            expect(bucket.get(missing)).to.equal(undefined);
          }
        }
      }
    });
  }

  it('reads back what was written, whatever it was', async () => {
    await fc.assert(fc.asyncProperty(someBuckets, expectRoundTrip), { numRuns: 60 });
  });

  it('reads back a tree of four levels', async () => {
    // Keys of 700 bytes: five children to a branch; values of 2 KiB: 23 rows to a leaf.
    const many = Array.from({ length: 3000 }, (_, i): Row => [
      numberedKey(i, 700),
      Buffer.alloc(2048, i),
    ]);
    await expectRoundTrip(new Map([['key', many]]));
    const leaves = withFile(file, (db) => [...db.bucket('key')!.leaves()].length);
    expect(leaves).to.be.greaterThan(5 * 5 * 5);
  });

  it('finds every key of a tree, and none between them', async () => {
    const count = 5000;
    const even = Array.from({ length: count }, (_, i): Row => [numberedKey(2 * i), numberedKey(i)]);
    await writeBuckets(file, new Map([['key', even]]));
    withFile(file, (db) => {
      const bucket = db.bucket('key')!;
      for (let i = 0; i < count; i += 7) {
        expect(bucket.get(numberedKey(2 * i))).to.deep.equal(numberedKey(i));
        expect(bucket.get(numberedKey(2 * i + 1))).to.equal(undefined);
      }
    });
  });

  it('keeps keys larger than a page', async () => {
    const huge = Array.from({ length: 40 }, (_, i): Row => [
      numberedKey(i, 32768),
      Buffer.from([i]),
    ]);
    await expectRoundTrip(new Map([['key', huge]]));
  });

  it('reads empty databases and empty buckets', async () => {
    await expectRoundTrip(new Map());
    await expectRoundTrip(new Map([['a', []]]));
    withFile(file, (db) => {
      expect(db.bucket('b')).to.equal(undefined);
      expect(db.bucket('a')!.get(Buffer.from('k'))).to.equal(undefined);
    });
  });

  it('ignores what lies behind the data', async () => {
    const buckets: Buckets = new Map([['a', [[Buffer.from('k'), Buffer.from('v')]]]]);
    const size = await writeBuckets(file, buckets);
    fs.appendFileSync(file, Buffer.alloc(32, 0xff));
    expect(readBuckets(file)).to.deep.equal(buckets);
    expect(withFile(file, (db) => db.bucketNames().map(String), size)).to.deep.equal(['a']);
  });
});

describe('bolt writer', () => {
  const dir = tempDir();

  async function writing(
    name: string,
    use: (writer: BoltWriter) => void | Promise<void>,
  ): Promise<void> {
    const writer = BoltWriter.create(path.join(dir, name));
    try {
      await use(writer);
    } finally {
      await writer.abort();
    }
  }

  it('refuses keys out of order, and calls out of order', async () => {
    const [a, b, none] = [Buffer.from('a'), Buffer.from('b'), Buffer.alloc(0)];
    await writing('order', async (writer) => {
      expect(() => {
        writer.put(a, none);
      }).to.throw('no bucket');
      writer.beginBucket('x');
      writer.put(b, none);
      expect(() => {
        writer.put(a, none);
      }).to.throw('ascending');
      expect(() => {
        writer.put(b, none);
      }).to.throw('ascending');
      expect(() => {
        writer.put(none, none);
      }).to.throw('1 to 32768');
      expect(() => {
        writer.beginBucket('y');
      }).to.throw('has not ended');
      const early: unknown = await writer.finish().catch((error: unknown) => error);
      expect(String(early)).to.contain('has not ended');
      writer.endBucket();
      writer.beginBucket('w');
      expect(() => {
        writer.endBucket();
      }).to.throw('ascending');
    });
  });

  it('copies what it is given', async () => {
    const file = path.join(dir, 'reused');
    const writer = BoltWriter.create(file);
    const key = Buffer.alloc(4);
    writer.beginBucket('x');
    for (let i = 0; i < 10; i++) {
      key.writeUInt32BE(i);
      writer.put(key, key);
    }
    writer.endBucket();
    await writer.finish();
    const written = readBuckets(file).get('x')!;
    expect(written.map(([k]) => k.readUInt32BE())).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('leaves no valid database when it is aborted', async () => {
    await writing('aborted', (writer) => {
      writer.beginBucket('x');
      for (let i = 0; i < 500; i++) writer.put(numberedKey(i), Buffer.alloc(5000));
      writer.endBucket();
    });
    expect(() => BoltFile.open(path.join(dir, 'aborted')))
      .to.throw()
      .that.satisfies((e: unknown) => hasCode(e, 'BOLT_DAMAGED'));
  });

  it('never overwrites a file', () => {
    const file = path.join(dir, 'taken');
    fs.writeFileSync(file, 'mine');
    expect(() => BoltWriter.create(file))
      .to.throw('taken')
      .that.satisfies((e: unknown) => hasCode(e, 'IO'));
    expect(fs.readFileSync(file, 'utf8')).to.equal('mine');
  });
});
