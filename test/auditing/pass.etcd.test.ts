/**
 * One pass over both sides: exact although its revision is compacted away, at its rate, and not taken in
 * by a channel that answers wrongly, is empty, or answers for somebody else.
 */
import { expect } from 'chai';
import { Pace } from '../../src/auditing/pace.js';
import { Pass } from '../../src/auditing/pass.js';
import {
  atTheBeginning,
  progressSchema,
  toJson,
  type Progress,
} from '../../src/auditing/progress.js';
import { keyOf } from '../../src/mvcc/keyvalue.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { EtcdClient, type RangeAnswer, type RangeQuery } from '../../src/wire/client.js';
import { failure, Pair } from '../cutover/pair.js';
import { PODS } from '../cli/stage.js';

const KEYS = 120;
const VALUE = 'x'.repeat(2000);
const FAST = 1024 ** 3;

/** Its pages can be meddled with, one by one; single keys come as they are. */
class MeddledReads extends EtcdClient {
  meddle: ((answer: RangeAnswer, page: number) => Promise<RangeAnswer> | RangeAnswer) | undefined;
  pages = 0;

  override async range(query: RangeQuery, timeoutMs?: number): Promise<RangeAnswer> {
    const answer = await super.range(query, timeoutMs);
    if (!query.rangeEnd) return answer;
    this.pages++;
    return this.meddle ? this.meddle(answer, this.pages) : answer;
  }
}

describe('pass', () => {
  let pair: Pair;
  let source: MeddledReads;
  let target: MeddledReads;
  before(async () => {
    pair = await Pair.start(0);
  });
  after(() => pair.end());
  beforeEach(() => {
    source = new MeddledReads(pair.stage.source.endpoint, 'source');
    target = new MeddledReads(pair.target.endpoint, 'target');
  });
  afterEach(() => {
    source.close();
    target.close();
  });

  function passOver(
    progress: Progress,
    { rate = FAST, onPage = () => Promise.resolve() } = {},
  ): Promise<void> {
    const pace = () =>
      new Pace(
        () => rate,
        () => true,
        new AbortController().signal,
      );
    return new Pass({
      source: { client: source, pace: pace() },
      target: { client: target, pace: pace() },
      ...{ prefixes: PrefixSet.of([PODS]), progress, onPage },
    }).run();
  }

  it('of nothing: says that there was nothing', async () => {
    const progress = atTheBeginning();
    await passOver(progress);
    expect(progress.empty).to.deep.equal([PODS]);
    expect(progress.source.keys).to.equal(0);
  });

  describe('of many keys', () => {
    before(async () => {
      for (let i = 0; i < KEYS; i++)
        await pair.stage.put(`${PODS}ns/${String(i).padStart(4, '0')}`, VALUE);
      await pair.synced();
    });

    it('equal at one revision, and the cursor can be held against it', async () => {
      const progress = atTheBeginning();
      await passOver(progress);
      const { revision } = await pair.targetClient.head();
      expect(progress.ranges).to.have.lengthOf(1);
      expect(progress.ranges[0]?.revision).to.equal(revision);
      expect(progress).to.include({ differences: 0, over: 0 });
      expect(progress.source.keys).to.equal(KEYS);
      expect(progress.target.equals(progress.source)).to.equal(true);
      expect(progress.cursor).to.deep.equal({
        keys: progress.target.keys,
        checksum: progress.target.hex,
      });
      expect(progress.empty).to.deep.equal([]);
    });

    it('goes on at a newer revision where its own is compacted away, and reads nothing twice', async () => {
      const progress = atTheBeginning();
      const seen: string[] = [];
      target.meddle = (answer) => {
        seen.push(...answer.rows.map((row) => keyOf(row).toString()));
        return answer;
      };
      let pages = 0;
      await passOver(progress, {
        rate: 256 * 1024,
        onPage: async () => {
          if (++pages !== 2) return;
          // One that was passed, and one that is still to come.
          await pair.stage.put(`${PODS}ns/0000`, 'changed');
          await pair.stage.put(`${PODS}ns/0119`, 'changed');
          await pair.synced();
          const { target: head } = await pair.heads();
          for (const client of [pair.source, pair.targetClient]) await client.compact(head);
        },
      });
      const [first, second, ...more] = progress.ranges;
      expect(more).to.deep.equal([]);
      expect(second?.revision).to.be.greaterThan(first?.revision ?? 0);
      expect(Buffer.from(second?.from ?? '', 'base64').toString()).to.match(/ns\/\d{4}/);
      expect(progress).to.include({ differences: 0, over: 0 });
      expect(progress.source.keys).to.equal(KEYS);
      // Of a page that was read ahead in vain only one of both sides has come.
      expect(seen).to.have.lengthOf(KEYS);
      expect(new Set(seen).size).to.equal(KEYS);
    });

    it('goes on from where another process was', async () => {
      const progress = atTheBeginning();
      const halted = new Error('killed');
      let pages = 0;
      const killed = passOver(progress, {
        rate: 256 * 1024,
        onPage: () => (++pages === 3 ? Promise.reject(halted) : Promise.resolve()),
      });
      expect(await killed.catch((error: unknown) => error)).to.equal(halted);
      const before = progress.source.keys;
      expect(before).to.be.greaterThan(0).and.lessThan(KEYS);

      const stored = progressSchema.parse(JSON.parse(JSON.stringify(toJson(progress))));
      let first: string | undefined;
      source.meddle = (answer) => {
        first ??= answer.rows[0] && keyOf(answer.rows[0]).toString();
        return answer;
      };
      await passOver(stored);
      expect(first).to.equal(`${PODS}ns/${String(before).padStart(4, '0')}`);
      expect(stored.source.keys).to.equal(KEYS);
      expect(stored.ranges).to.have.lengthOf(1);
      expect(stored.target.hex).to.equal(stored.cursor?.checksum);
    });

    it('counts its last page once, too, where it ends right behind it', async () => {
      const progress = atTheBeginning();
      const halted = new Error('killed');
      const killed = passOver(progress, {
        rate: 256 * 1024,
        onPage: () => (progress.source.keys === KEYS ? Promise.reject(halted) : Promise.resolve()),
      });
      expect(await killed.catch((error: unknown) => error)).to.equal(halted);

      const stored = progressSchema.parse(JSON.parse(JSON.stringify(toJson(progress))));
      await passOver(stored);
      expect(stored.source.keys).to.equal(KEYS);
      expect(stored.target.hex).to.equal(stored.cursor?.checksum);
      expect(stored.empty).to.deep.equal([]);
    });

    const withoutFirst = (answer: RangeAnswer) => {
      return { ...answer, rows: answer.rows.slice(1), count: answer.count - 1 };
    };

    it('a difference that a later write has mended is told as such', async () => {
      const progress = atTheBeginning();
      target.meddle = async (answer, page) => {
        if (page > 1) return answer;
        await pair.stage.put(`${PODS}ns/0000`, VALUE);
        await pair.synced();
        return withoutFirst(answer);
      };
      await passOver(progress);
      expect(progress).to.include({ differences: 0, over: 1 });
      const [{ found, at, again } = { found: undefined, at: 0, again: 0 }] =
        progress.differentBefore;
      expect(found).to.include({ key: `${PODS}ns/0000`, kind: 'missing on target' });
      expect(again).to.be.greaterThan(at);
    });

    it('a side that answers with nothing, and then with something, has proven nothing', async () => {
      const progress = atTheBeginning();
      source.meddle = (answer) => ({ ...answer, rows: [], count: 0, more: false });
      const error = await failure(passOver(progress));
      expect(error).to.include({ code: 'SOURCE_INCONSISTENT', disposition: 'retry' });
      expect(progress).to.include({ next: null, differences: 0, over: 0, bytes: 0 });
    });

    it('likewise one that leaves out a row once', async () => {
      target.meddle = (answer, page) => (page === 1 ? withoutFirst(answer) : answer);
      const error = await failure(passOver(atTheBeginning()));
      expect(error).to.include({ code: 'SOURCE_INCONSISTENT' });
    });

    it('keeps its rate', async () => {
      const rate = 128 * 1024;
      const progress = atTheBeginning();
      // What is in time between two pages; the first one has nothing to wait for.
      const seen: { ms: number; bytes: number }[] = [];
      await passOver(progress, {
        rate,
        onPage: () => {
          seen.push({ ms: performance.now(), bytes: progress.bytes });
          return Promise.resolve();
        },
      });
      const [from, to] = [seen[2]!, seen.at(-1)!];
      const perSecond = ((to.bytes - from.bytes) * 1000) / (to.ms - from.ms);
      expect(perSecond).to.be.lessThan(rate * 1.1);
      expect(perSecond).to.be.greaterThan(rate * 0.8);
    });

    it('gives up where it is slower than the sides forget', async () => {
      const progress = atTheBeginning();
      source.meddle = async (answer) => {
        const revision = await pair.stage.put(`${PODS}ns/0000`, VALUE);
        await pair.synced();
        await pair.source.compact(revision);
        await pair.targetClient.compact(revision);
        return answer;
      };
      const error = await failure(passOver(progress));
      expect(error).to.include({ code: 'COMPACTED_MEANWHILE' });
      expect(error.hint).to.contain('--audit-rate');
    });
  });
});
