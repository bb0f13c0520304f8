/** Prefixes, against the plain definition: a key is under a prefix if it begins with it. */
import { expect } from 'chai';
import fc from 'fast-check';
import { LockstepError } from '../../src/errors.js';
import { hull, PrefixSet, prefixRange, type KeyRange } from '../../src/mvcc/prefix.js';

/** Characters whose bytes lie at the edges: zero, slash and its neighbours, several bytes long. */
const text = fc.string({ unit: fc.constantFrom('\0', '/', '.', '0', 'a', '\x7f', 'ÿ', '￿', '💾') });
const prefix = text.filter((p) => p !== '');
const key = fc.oneof(
  text.map((t) => Buffer.from(t)),
  fc.uint8Array({ maxLength: 6 }).map((array) => Buffer.from(array)),
);

const begins = (k: Buffer, p: string) =>
  k.subarray(0, Buffer.from(p).length).equals(Buffer.from(p));

/** As etcd has it: half open, and a single zero byte is the end of everything. */
function inside(k: Buffer, { key: from, rangeEnd }: KeyRange): boolean {
  const open = rangeEnd.equals(Buffer.from([0]));
  return k.compare(from) >= 0 && (open || k.compare(rangeEnd) < 0);
}

function setOf(prefixes: readonly string[]): PrefixSet | undefined {
  try {
    return PrefixSet.of(prefixes);
  } catch (error) {
    if (error instanceof LockstepError) return undefined;
    throw error;
  }
}

describe('prefixRange', () => {
  it('holds exactly the keys that begin so', () => {
    fc.assert(
      fc.property(prefix, key, text, (p, k, more) => {
        expect(inside(k, prefixRange(p))).to.equal(begins(k, p));
        expect(inside(Buffer.from(p + more), prefixRange(p))).to.equal(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('ends where etcdctl ends it', () => {
    expect(prefixRange('/registry/pods/').rangeEnd.toString()).to.equal('/registry/pods0');
    expect(prefixRange('').rangeEnd).to.deep.equal(Buffer.from([0]));
  });
});

describe('PrefixSet', () => {
  it('covers what begins with one of them; its hull is the smallest range that holds them all', () => {
    fc.assert(
      fc.property(fc.array(prefix, { minLength: 1, maxLength: 4 }), fc.array(key), (list, keys) => {
        const set = setOf(list);
        fc.pre(set !== undefined);
        const all = hull(set);
        for (const k of [...keys, ...list.map((p) => Buffer.from(`${p}x`))]) {
          const covered = list.some((p) => begins(k, p));
          expect(set.covers(k)).to.equal(covered);
          if (covered) expect(inside(k, all)).to.equal(true);
        }
        const ranges = set.list.map(prefixRange);
        expect(ranges.some((r) => r.key.equals(all.key))).to.equal(true);
        expect(ranges.some((r) => r.rangeEnd.equals(all.rangeEnd))).to.equal(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('is refused exactly where one prefix lies inside another, or over our own keys', () => {
    const clean = prefix.filter((p) => !p.startsWith('e'));
    fc.assert(
      fc.property(fc.array(clean, { minLength: 1, maxLength: 4 }), (list) => {
        const different = [...new Set(list)];
        const nested = different.some((p) => different.some((q) => p !== q && p.startsWith(q)));
        expect(setOf(list) === undefined).to.equal(nested);
      }),
      { numRuns: 1000 },
    );
  });

  it('is the same set in any order and however often one is named', () => {
    const set = PrefixSet.of(['/b/', '/a/', '/b/']);
    expect(set.list).to.deep.equal(['/a/', '/b/']);
    expect(set.equals(['/a/', '/b/'])).to.equal(true);
    expect(set.equals(['/a/'])).to.equal(false);
    expect(set.equals(['/a/', '/c/'])).to.equal(false);
  });

  it('sorts by bytes, as etcd does, not by UTF-16', () => {
    expect(PrefixSet.of(['💾', '￿']).list).to.deep.equal(['￿', '💾']);
  });

  for (const [what, list] of Object.entries({
    'no prefix': [],
    'the empty prefix': [''],
    'one inside another': ['/a/', '/a/b/'],
    ours: ['etcd-lockstep/'],
    'inside ours': ['etcd-lockstep/slot/'],
    'around ours': ['etcd'],
  }))
    it(`refuses ${what}`, () => {
      expect(() => PrefixSet.of(list))
        .to.throw(LockstepError)
        .with.property('code', 'BAD_ARGUMENT');
    });

  it('takes what only looks like ours', () => {
    expect(PrefixSet.of(['/etcd-lockstep/', 'etcd-lockstep2/']).list).to.have.lengthOf(2);
  });
});
