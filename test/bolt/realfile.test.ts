import fs from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { readBuckets, tempDir, withFile, type Buckets } from './files.js';

/** A snapshot that etcd 3.5.30 wrote: live pages among free ones, inline buckets, no freelist. */
const PACKED = new URL('../data/k8s-1.20-200pods.db.gz', import.meta.url);

describe("bolt reader on etcd's own file", () => {
  const file = path.join(tempDir(), 'db');
  let buckets: Buckets;

  before(() => {
    fs.writeFileSync(file, gunzipSync(fs.readFileSync(PACKED)));
    buckets = readBuckets(file);
  });

  it('finds all buckets', () => {
    expect([...buckets.keys()]).to.include.members([
      'alarm',
      'auth',
      'cluster',
      'key',
      'lease',
      'meta',
    ]);
  });

  it('reads all rows, ascending', () => {
    const keys = buckets.get('key')!.map(([key]) => key);
    expect(keys.length).to.be.greaterThan(2900);
    const sorted = keys.every((key, i) => i === 0 || Buffer.compare(keys[i - 1]!, key) < 0);
    expect(sorted).to.be.true;
  });

  it('finds each row by its key', () => {
    withFile(file, (db) => {
      for (const [name, rows] of buckets) {
        const bucket = db.bucket(name)!;
        expect(bucket.lastKey()).to.deep.equal(rows.at(-1)?.[0]);
        for (const [key, value] of rows) expect(bucket.get(key)?.equals(value)).to.be.true;
      }
    });
  });
});
