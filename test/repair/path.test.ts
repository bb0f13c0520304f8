/**
 * The made-up history of one key (base/bridge.ts): whatever the source did to it in the gap, it ends in
 * the source's exact row, within revisions that the gap has, also when it was cut short and begun anew.
 */
import { expect } from 'chai';
import fc from 'fast-check';
import { path } from '../../src/base/bridge.js';
import { LockstepError } from '../../src/errors.js';
import { encodeKeyValue, parseKeyValue, type KeyValue } from '../../src/mvcc/keyvalue.js';
import type { Record } from '../../src/mvcc/record.js';

const RUNS = 20_000;
const KEY = Buffer.from('/registry/pods/a');

/** What happens to the key at one revision; a gap of revisions stands before it. */
interface Happening {
  wait: number;
  delete: boolean;
}

const happenings = fc.array(
  fc.record<Happening>({ wait: fc.nat({ max: 3 }), delete: fc.boolean() }),
  { maxLength: 30 },
);

/** The key's row after each revision, as etcd would have it: index 0 is before the first. */
function live(history: readonly Happening[]): (KeyValue | undefined)[] {
  const rows: (KeyValue | undefined)[] = [undefined];
  for (const { wait, delete: gone } of history) {
    for (let i = 0; i < wait; i++) rows.push(rows.at(-1));
    const revision = rows.length;
    rows.push(gone ? undefined : after(rows.at(-1), revision, Buffer.from(`v${revision}`)));
  }
  return rows;
}

function after(old: KeyValue | undefined, revision: number, value: Buffer): KeyValue {
  return {
    key: KEY,
    createRevision: old?.createRevision ?? revision,
    modRevision: revision,
    version: (old?.version ?? 0) + 1,
    value,
    lease: 0n,
  };
}

/** Carries the records out on a store that has `row`, up to `end`; each takes a revision of its own. */
function carryOut(
  row: KeyValue | undefined,
  records: readonly Record[],
  above: number,
  end: number,
): KeyValue | undefined {
  let now = row;
  let last = above;
  for (const { main, tombstone, bytes } of records) {
    if (main > end) break;
    expect(main, 'in order, above the gap').to.be.greaterThan(last);
    last = main;
    const { value, ...said } = parseKeyValue(bytes);
    now = tombstone ? undefined : after(now, main, value);
    if (now)
      expect(said).to.deep.include({ version: now.version, createRevision: now.createRevision });
  }
  return now;
}

function pathTo(before: KeyValue | undefined, now: KeyValue | undefined, gap: [number, number]) {
  const [from, to] = gap;
  if (now) return path(before, now, encodeKeyValue(now), { after: from, to });
  // Deletions are placed by the plan, anywhere.
  return before && to > from
    ? [{ main: from + 1, sub: 0, tombstone: true, key: KEY, bytes: encodeKeyValue({ key: KEY }) }]
    : [];
}

describe('a bridge over a gap, key by key', () => {
  it('ends in the exact row', () => {
    const property = fc.property(happenings, fc.nat(), (history, at) => {
      const rows = live(history);
      const gapStart = at % rows.length;
      const to = rows.length - 1;
      const [before, now] = [rows[gapStart], rows[to]];
      if (before === now) return;
      const records = pathTo(before, now, [gapStart, to]);
      expect(carryOut(before, records, gapStart, to)).to.deep.equal(now);
    });
    fc.assert(property, { numRuns: RUNS });
  });

  it('ends in the exact row when an earlier bridge was cut anywhere', () => {
    const property = fc.property(happenings, fc.nat(), fc.nat(), fc.nat(), (history, a, b, c) => {
      const rows = live(history);
      const [gapStart, cut, first] = [a, b, c]
        .map((n) => n % rows.length)
        .sort((x, y) => x - y) as [number, number, number];
      const to = rows.length - 1;
      const before = rows[gapStart];
      const unfinished =
        before === rows[first] ? [] : pathTo(before, rows[first], [gapStart, first]);
      const half = carryOut(before, unfinished, gapStart, cut);
      const now = rows[to];
      // Equal as rows: then nothing is planned.
      if (half && now && encodeKeyValue(half).equals(encodeKeyValue(now))) return;
      const records = pathTo(half, now, [cut, to]);
      expect(carryOut(half, records, cut, to)).to.deep.equal(now);
    });
    fc.assert(property, { numRuns: RUNS });
  });

  const GAP = { after: 10, to: 20 };
  const row = (create: number, mod: number, version: number): KeyValue => ({
    key: KEY,
    createRevision: create,
    modRevision: mod,
    version,
    value: Buffer.from('v'),
    lease: 0n,
  });
  const IMPOSSIBLE: { [what: string]: [KeyValue | undefined, KeyValue] } = {
    'more puts than there are revisions': [row(5, 9, 3), row(5, 12, 6)],
    'another value at an old revision': [row(5, 9, 3), row(5, 9, 3)],
    'a version that went back': [row(5, 9, 3), row(5, 12, 2)],
    'created before the gap, and not known': [undefined, row(8, 12, 2)],
    'created anew with no room for its deletion': [row(5, 9, 3), row(11, 11, 1)],
    'a first version that is not its creation': [undefined, row(12, 14, 1)],
  };
  for (const [what, [before, now]] of Object.entries(IMPOSSIBLE))
    it(`names a key that does not follow: ${what}`, () => {
      expect(() => path(before, now, encodeKeyValue(now), GAP))
        .to.throw(LockstepError, '/registry/pods/a')
        .with.property('code', 'GAP_NOT_EXACT');
    });
});
