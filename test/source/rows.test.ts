/**
 * Two streams of rows side by side, however they fall into pages.
 *
 * What it catches. Each of these was put into rows.ts, found, and taken out again:
 *   a key of both sides shown twice; an empty page taken for the last; an end when one side ends
 *   the walk does not wait for who looks at a row
 */
import { expect } from 'chai';
import fc from 'fast-check';
import { encodeKeyValue, keyOf } from '../../src/mvcc/keyvalue.js';
import type { Page } from '../../src/source/pages.js';
import { sideBySide } from '../../src/source/rows.js';

const RUNS = 500;

/** Keys by number; two bytes, so that the order of bytes is not that of UTF-8 text. */
const row = (key: number, side: number) =>
  Buffer.from(
    encodeKeyValue({ key: Buffer.from([key >> 8, key & 255]), value: Buffer.from([side]) }),
  );

/** The keys of one side, and where its pages end; an empty page is one, too. */
const stream = fc
  .uniqueArray(fc.nat(400), { maxLength: 30 })
  .chain((keys) =>
    fc.tuple(
      fc.constant([...keys].sort((a, b) => a - b)),
      fc.array(fc.nat(keys.length), { maxLength: 8 }),
    ),
  );

async function* pages([keys, cuts]: [number[], number[]], side: number): AsyncGenerator<Page> {
  const ends = [...cuts].sort((a, b) => a - b).concat(keys.length);
  let from = 0;
  for (const end of ends) {
    await Promise.resolve();
    const rows = keys.slice(from, end).map((key) => row(key, side));
    yield { rows, next: undefined, remaining: keys.length - from };
    from = end;
  }
}

const number = (bytes: Buffer | undefined) => bytes && keyOf(bytes).readUInt16BE();

describe('rows side by side', () => {
  it('each key once, in order, with the row of each side that has it', () =>
    fc.assert(
      fc.asyncProperty(stream, stream, fc.boolean(), async (left, right, slow) => {
        const seen: (readonly [number, boolean, boolean])[] = [];
        let pagesOfLeft = 0;
        let visiting = false;
        await sideBySide(
          pages(left, 1),
          pages(right, 2),
          (l, r) => {
            expect(visiting, 'the walk waits').to.equal(false);
            if (l && r) expect(number(l)).to.equal(number(r));
            if (l) expect(l).to.deep.equal(row(number(l)!, 1));
            if (r) expect(r).to.deep.equal(row(number(r)!, 2));
            seen.push([(number(l) ?? number(r))!, l !== undefined, r !== undefined]);
            if (!slow) return undefined;
            visiting = true;
            return Promise.resolve().then(() => {
              visiting = false;
            });
          },
          () => pagesOfLeft++,
        );
        const [there, here] = [new Set(left[0]), new Set(right[0])];
        const all = [...new Set([...there, ...here])].sort((a, b) => a - b);
        expect(seen).to.deep.equal(all.map((key) => [key, there.has(key), here.has(key)]));
        expect(pagesOfLeft).to.equal(left[1].length + 1);
      }),
      { numRuns: RUNS },
    ));

  it('a page that cannot be read ends the walk', async () => {
    async function* broken(): AsyncGenerator<Page> {
      yield { rows: [row(1, 1)], next: undefined, remaining: 1 };
      await Promise.resolve();
      throw new Error('compacted');
    }
    const seen: (number | undefined)[] = [];
    const walk = sideBySide(broken(), pages([[1, 2], []], 2), (l, r): undefined => {
      seen.push(number(l ?? r));
    });
    const error = await walk.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(String(error)).to.contain('compacted');
    expect(seen).to.deep.equal([1]);
  });
});
