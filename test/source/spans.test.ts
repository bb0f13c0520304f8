/** Spans: nothing is left out or read twice, and no page makes etcd count much more than it reads. */
import { expect } from 'chai';
import fc from 'fast-check';
import { prefixRange, WHOLE_STORE, type KeyRange } from '../../src/mvcc/prefix.js';
import { Spans } from '../../src/source/spans.js';

interface Reading {
  keys: Buffer[];
  pages: number;
  /** Keys that a store would have counted. */
  counted: number;
}

/** Reads a sorted list of keys as it would be read from etcd. */
function readAll(all: readonly Buffer[], range: KeyRange, limit: number): Reading {
  const at = (key: Buffer) => {
    let [low, high] = [0, all.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (all[middle]!.compare(key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const reading: Reading = { keys: [], pages: 0, counted: 0 };
  const spans = new Spans(range);
  for (let asked = spans.range; asked; asked = spans.range) {
    const start = at(asked.key);
    const end = asked.rangeEnd.equals(Buffer.from([0])) ? all.length : at(asked.rangeEnd);
    const count = Math.max(0, end - start);
    const rows = all.slice(start, start + Math.min(limit, count));
    reading.keys.push(...rows);
    reading.pages++;
    reading.counted += count;
    const [first, last] = [rows[0], rows.at(-1)];
    spans.took({ first, last, rows: rows.length, count, more: count > limit, limit });
    expect(spans.left, 'left').to.equal(all.length - at(range.key) - reading.keys.length);
  }
  return reading;
}

function sorted(names: Iterable<string>): Buffer[] {
  return [...new Set(names)].map((name) => Buffer.from(name)).sort((a, b) => a.compare(b));
}

function* numbered(count: number, name: (i: number) => string): Generator<string> {
  for (let i = 0; i < count; i++) yield name(i);
}

const scattered = (i: number) => (Math.imul(i + 1, 2654435761) >>> 0).toString(36);

const SHAPES: Record<string, string[]> = {
  'one namespace': [...numbered(100_000, (i) => `/p/default/web-${scattered(i)}`)],
  'forty namespaces': [...numbered(100_000, (i) => `/p/team-${i % 40}/app-${scattered(i)}`)],
  'numbers with gaps': [...numbered(100_000, (i) => `/p/default/job-${i * (1 + (i % 7))}`)],
  'small namespaces and a large one among them': [
    ...numbered(60_000, (i) => `/p/user-${scattered(i % 20_000)}/${i}`),
    ...numbered(60_000, (i) => `/p/user-k/batch-job-with-a-long-name-${scattered(i)}`),
  ],
};

describe('spans', () => {
  it('folder by folder: each is found, and no key is counted for each that lies before it', () => {
    const names = Array.from({ length: 60 }, (_, i) => `/registry/kind-${scattered(i)}/`);
    const large = `/registry/pods/`;
    const all = sorted([
      ...names.flatMap((name) => [`${name}a`, `${name}b`]),
      ...numbered(50_000, (i) => `${large}${scattered(i)}`),
    ]);
    const spans = new Spans(WHOLE_STORE);
    const found: string[] = [];
    let [counted, asked] = [0, 0];
    for (let range = spans.range; range; range = spans.range) {
      const { key, rangeEnd } = range;
      const toTheEnd = rangeEnd.equals(Buffer.from([0]));
      const inside = all.filter(
        (name) => name.compare(key) >= 0 && (toTheEnd || name.compare(rangeEnd) < 0),
      );
      counted += inside.length;
      asked++;
      const [first] = inside;
      const rows = first ? 1 : 0;
      const page = { first, last: first, rows, count: inside.length, more: inside.length > 1 };
      spans.took({ ...page, limit: 64 });
      const folder = first && /^\/registry\/[^/]+\//.exec(first.toString())?.[0];
      if (folder === undefined) continue;
      found.push(folder);
      spans.skipTo(prefixRange(folder).rangeEnd);
    }
    expect(found).to.deep.equal([...names, large].sort());
    expect(counted / all.length, 'counts of each key').to.be.below(3);
    expect(asked / found.length, 'reads for each folder').to.be.below(2);
  });

  it('any keys: read once, in order, and all of them', () => {
    const key = fc.string({ unit: fc.constantFrom('a', 'b', '/', '\0', '\u{7f}'), maxLength: 9 });
    const names = fc.array(
      key.map((rest) => `/p/${rest}`),
      { maxLength: 400 },
    );
    fc.assert(
      fc.property(
        names,
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        (list, limit, everything) => {
          const all = sorted(list);
          const range = everything ? WHOLE_STORE : prefixRange('/p/');
          expect(readAll(all, range, limit).keys).to.deep.equal(all);
        },
      ),
    );
  });

  it('keys of bytes that are no text, up to the end of the key space', () => {
    const key = fc.array(fc.constantFrom(0, 1, 0xfe, 0xff), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(
        fc.array(key, { maxLength: 300 }),
        fc.integer({ min: 1, max: 3 }),
        (list, limit) => {
          const names = new Map(list.map((bytes) => [bytes.join(), Buffer.from(bytes)]));
          const all = [...names.values()].sort((a, b) => a.compare(b));
          expect(readAll(all, WHOLE_STORE, limit).keys).to.deep.equal(all);
        },
      ),
    );
  });

  for (const [shape, names] of Object.entries(SHAPES))
    it(`${shape}: pages are full mostly, and little is counted`, () => {
      const all = sorted(names);
      const { keys, pages, counted } = readAll(all, prefixRange('/p/'), 1000);
      expect(keys).to.have.lengthOf(all.length);
      expect(pages * 1000).to.be.below(all.length * 1.5);
      expect(counted).to.be.below(all.length * 15);
    });

  it('names of which each begins with the one before: no short span holds many, and it does no harm', () => {
    const all = sorted(numbered(100_000, (i) => `/p/${'x'.repeat(i % 50)}/${scattered(i)}`));
    const { pages, counted } = readAll(all, prefixRange('/p/'), 1000);
    expect(pages * 1000).to.be.below(all.length * 1.5);
    expect(counted).to.be.below(all.length * 30);
  });
});
