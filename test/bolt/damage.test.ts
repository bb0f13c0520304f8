/**
 * Damaged files: whatever their bytes, the reader ends, and it ends well or with BOLT_DAMAGED.
 * Values may differ unnoticed: bbolt's pages have no checksum.
 */
import fs from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { BoltFile } from '../../src/bolt/boltreader.js';
import { hasCode } from '../../src/errors.js';
import {
  damageOf,
  numberedKey,
  readBuckets,
  tempDir,
  withPatches,
  writeBuckets,
  type Row,
} from './files.js';

const PAGE = 4096;

/** Half of the hits go where a page's structure is. */
const offsetInPage = fc.oneof(fc.nat(63), fc.nat(PAGE - 1));
const interesting = fc.oneof(fc.constantFrom(0, 1, 2, 4, 0x7f, 0x80, 0xff), fc.nat(255));

function anyDamage(pages: number) {
  const patch = fc.record({
    page: fc.oneof(fc.nat(Math.min(pages, 12) - 1), fc.nat(pages - 1)),
    offset: offsetInPage,
    bytes: fc.array(interesting, { minLength: 1, maxLength: 4 }),
  });
  return fc.array(patch, { minLength: 1, maxLength: 4 }).map((patches) =>
    patches.map(({ page, offset, bytes }) => ({
      at: Math.min(page * PAGE + offset, pages * PAGE - bytes.length),
      bytes: Buffer.from(bytes),
    })),
  );
}

describe('bolt reader on damaged files', function () {
  this.timeout(120_000);
  const dir = tempDir();
  const written = path.join(dir, 'written');
  const real = path.join(dir, 'real');

  before(async () => {
    const rows = Array.from({ length: 600 }, (_, i): Row => [
      numberedKey(i, 500),
      Buffer.alloc(i % 100 === 0 ? 50_000 : i, i),
    ]);
    await writeBuckets(
      written,
      new Map([
        ['a', rows.slice(0, 3)],
        ['b', rows],
        ['c', []],
      ]),
    );
    const packed = new URL('../data/k8s-1.20-200pods.db.gz', import.meta.url);
    fs.writeFileSync(real, gunzipSync(fs.readFileSync(packed)));
  });

  for (const [name, file, numRuns] of [
    ['a written file', written, 1000],
    ['a real file', real, 150],
  ] as const) {
    const pages = () => Math.floor(fs.statSync(file).size / PAGE);

    it(`survives overwritten bytes in ${name}`, () => {
      fc.assert(
        fc.property(anyDamage(pages()), (patches) => {
          withPatches(file, patches, () => damageOf(file));
        }),
        { numRuns },
      );
    });

    it(`survives pages over other pages in ${name}`, () => {
      const page = fc.nat(pages() - 1);
      const from = fs.openSync(file, 'r');
      fc.assert(
        fc.property(page, page, fc.boolean(), (source, target, renumber) => {
          const bytes = Buffer.alloc(PAGE);
          fs.readSync(from, bytes, 0, PAGE, source * PAGE);
          if (renumber) bytes.writeUInt32LE(target, 0);
          withPatches(file, [{ at: target * PAGE, bytes }], () => damageOf(file));
        }),
        { numRuns },
      );
      fs.closeSync(from);
    });

    it(`tells that ${name} is cut short`, () => {
      const { size } = fs.statSync(file);
      fc.assert(
        fc.property(fc.nat(pages() * PAGE - 1), (length) => {
          expect(() => BoltFile.open(file, { dataBytes: length }))
            .to.throw(/^page \d+: /)
            .that.satisfies((e: unknown) => hasCode(e, 'BOLT_DAMAGED'));
        }),
      );
      expect(fs.statSync(file).size).to.equal(size);
    });
  }

  it('survives files of random bytes', () => {
    const file = path.join(dir, 'random');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20_000 }), (bytes) => {
        fs.writeFileSync(file, bytes);
        expect(damageOf(file)).to.match(/^page 0: /);
      }),
    );
  });

  it('reads on with one meta page', () => {
    const whole = readBuckets(written);
    for (const at of [0, PAGE]) {
      const bytes = Buffer.alloc(PAGE, 0xff);
      withPatches(written, [{ at, bytes }], () => {
        expect(readBuckets(written)).to.deep.equal(whole);
      });
    }
  });
});
