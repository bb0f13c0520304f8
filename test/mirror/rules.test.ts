/** The rules that a mirror stands on, without any etcd. */
import { expect } from 'chai';
import fc from 'fast-check';
import { Backlog } from '../../src/mirror/backlog.js';
import { Batch, type Limits } from '../../src/mirror/batch.js';
import { KeyMap } from '../../src/mirror/keymap.js';
import { mergeWalk } from '../../src/mirror/merge.js';
import { addsUp } from '../../src/mirror/survey.js';
import { keepUp } from '../../src/mirror/namesink.js';
import { encodeKeyValue, keyOf } from '../../src/mvcc/keyvalue.js';
import type { Record, WholeRevision } from '../../src/mvcc/record.js';
import { digest, Tally } from '../../src/mvcc/tally.js';
import { proven } from '../../src/position.js';
import type { Page } from '../../src/source/pages.js';

const MAP = new KeyMap('/p/', '/q/');

interface Change {
  key: number;
  tombstone: boolean;
  size: number;
}

const revisions = fc.array(
  fc.array(
    fc.record({
      key: fc.nat(12),
      tombstone: fc.boolean(),
      size: fc.oneof({ weight: 9, arbitrary: fc.nat(60) }, fc.constant(900)),
    }),
    { minLength: 1, maxLength: 12 },
  ),
  { maxLength: 30 },
);

const limits = fc.record({ ops: fc.integer({ min: 8, max: 20 }), bytes: fc.constant(800) });

function wholes(changes: Change[][]): WholeRevision[] {
  return changes.map((list, i) => ({
    revision: i + 10,
    records: list.map(({ key, tombstone, size }, sub): Record => {
      const name = Buffer.from(`/p/${key}`);
      const value = Buffer.alloc(size);
      const bytes = encodeKeyValue(tombstone ? { key: name } : { key: name, value });
      return { main: i + 10, sub, tombstone, key: name, bytes };
    }),
  }));
}

describe('what goes into one transaction', () => {
  it('whole revisions in their order, none lost; within the limits and no key twice, or one alone', async () => {
    await fc.assert(
      fc.asyncProperty(revisions, limits, async (changes, limit) => {
        const all = wholes(changes);
        const backlog = new Backlog(MAP, proven(9));
        const end = proven(1000);
        const never = new AbortController().signal;
        await backlog.add({ revisions: all, position: end }, never);
        const seen: Record[] = [];
        for (let position = 9; position < 1000;) {
          const load = backlog.take(limit);
          position = load.position;
          check(load.records, limit);
          seen.push(...load.records);
          const last = all.filter(({ revision }) => revision <= position).flatMap((w) => w.records);
          expect(seen.map(place)).to.deep.equal(last.map(place));
        }
        expect(backlog.take(limit).records).to.deep.equal([]);
      }),
    );
  });

  function place({ main, sub }: Record): string {
    return `${main}/${sub}`;
  }

  function check(records: readonly Record[], { ops, bytes }: Limits): void {
    if (new Set(records.map(({ main }) => main)).size < 2) return;
    expect(records.length).to.be.lessThan(ops);
    expect(new Set(records.map(({ key }) => key.toString())).size).to.equal(records.length);
    const sum = records.reduce((n, { key, bytes: row }) => n + key.length + row.length, 0);
    expect(sum).to.be.at.most(bytes);
  }

  it('as many as fit: the next one would have been too many', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(200), { minLength: 1 }), limits, (sizes, limit) => {
        const batch = new Batch(limit);
        const records = wholes(sizes.map((size, key) => [{ key, tombstone: false, size }]));
        const refused = records.find(({ records: one }) => !batch.take(one));
        if (!refused) return;
        const all = [...batch.records, ...refused.records];
        const sum = all.reduce((n, { key, bytes }) => n + key.length + bytes.length + 32, 0);
        expect(all.length >= limit.ops || sum > limit.bytes).to.equal(true);
      }),
    );
  });
});

describe('keys of both sides side by side', () => {
  const names = fc.uniqueArray(fc.string({ maxLength: 3 }), { maxLength: 30 });

  it('each name once, in order, with what each side has of it', async () => {
    await fc.assert(
      fc.asyncProperty(names, names, fc.integer({ min: 1, max: 7 }), async (here, there, size) => {
        const found: string[] = [];
        await mergeWalk(pages('/p/', here, size), pages('/q/', there, size), MAP, (a, b) => {
          for (const one of [a, b])
            if (one) expect(keyOf(one.row).subarray(3).equals(one.name.subarray(3))).to.equal(true);
          found.push(`${(a ?? b)!.name.toString('hex')} ${a ? 1 : 0}${b ? 1 : 0}`);
          return found.length % 2 === 0 ? Promise.resolve() : undefined;
        });
        const all = sorted([...new Set([...here, ...there])]);
        expect(found).to.deep.equal(
          all.map((name) => {
            const hex = Buffer.from(`/q/${name}`).toString('hex');
            return `${hex} ${here.includes(name) ? 1 : 0}${there.includes(name) ? 1 : 0}`;
          }),
        );
      }),
    );
  });

  function sorted(list: string[]): string[] {
    return list.sort((a, b) => Buffer.from(a).compare(Buffer.from(b)));
  }

  /** Pages of this size, some of them empty. */
  async function* pages(prefix: string, list: string[], size: number): AsyncGenerator<Page> {
    const rows = sorted([...list]).map((name) =>
      encodeKeyValue({ key: Buffer.from(prefix + name) }),
    );
    for (let i = 0; i <= rows.length; i += size) {
      await Promise.resolve();
      yield { rows: [], next: undefined, remaining: 0 };
      yield { rows: rows.slice(i, i + size), next: undefined, remaining: rows.length - i };
    }
  }

  it('our own keys, and a name that nothing is left of, take no part', () => {
    const everything = new KeyMap('');
    expect(everything.toTarget(Buffer.from('etcd-lockstep/cursor'))).to.equal(undefined);
    expect(everything.isTargets(Buffer.from('etcd-lockstep/mirror/x'))).to.equal(false);
    const bare = new KeyMap('/p/', '');
    expect(bare.toTarget(Buffer.from('/p/'))).to.equal(undefined);
    expect(bare.toTarget(Buffer.from('/p/etcd-lockstep/x'))).to.equal(undefined);
    expect(bare.toTarget(Buffer.from('/p/x'))?.toString()).to.equal('x');
  });
});

describe("the sum of the mirror's own names", () => {
  it('is kept up with puts and deletions in any order', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(5), fc.boolean())), (changes) => {
        const ours = new Tally();
        const versions = new Map<string, number>();
        for (const [n, remove] of changes) {
          const name = `/q/${n}`;
          const before = versions.get(name);
          if (remove && before === undefined) continue; // etcd has no event for that
          if (remove) versions.delete(name);
          else versions.set(name, (before ?? 0) + 1);
          const key = Buffer.from(name);
          const bytes = encodeKeyValue({ key, version: versions.get(name) ?? 0 });
          keepUp(ours, [{ main: 1, sub: 0, tombstone: remove, key, bytes }]);
        }
        const there = new Tally();
        for (const name of versions.keys()) there.add(digest(Buffer.from(name)));
        expect(addsUp(there, ours)).to.equal(true);
        there.add(digest(Buffer.from('/q/foreign')));
        expect(addsUp(there, ours)).to.equal(false);
      }),
    );
  });
});
