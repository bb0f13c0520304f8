/** The base of a mirror while the source is written and compacted under it, at every page. */
import { expect } from 'chai';
import { BATCH_BYTES } from '../../src/mirror/batch.js';
import { KeyMap } from '../../src/mirror/keymap.js';
import { Comparison } from '../../src/mirror/mirrorbase.js';
import { mirrorFormat, mirrorKey, NO_KEYS, tallyOf } from '../../src/mirror/mirrorcursor.js';
import { addsUp, survey } from '../../src/mirror/survey.js';
import { Writer } from '../../src/mirror/writer.js';
import { MAX_TXN_OPS } from '../../src/target/txn.js';
import { EtcdClient, type RangeAnswer, type RangeQuery } from '../../src/wire/client.js';
import { del, Pair, put } from './pair.js';

/** Something happens each time a page at a revision has been read. */
class Busy extends EtcdClient {
  onPage: (page: number) => Promise<void> = () => Promise.resolve();
  #pages = 0;

  override async range(query: RangeQuery): Promise<RangeAnswer> {
    const answer = await super.range(query);
    if (query.revision !== undefined && query.revision > 0) await this.onPage(++this.#pages);
    return answer;
  }
}

describe('a comparison under which the source is compacted', () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.start();
  });
  after(() => pair.end());

  for (const compactAt of [[1], [3, 5], [2, 4, 6, 9, 11, 12]])
    it(`at pages ${compactAt.join(', ')}: the target has one revision of it in the end`, async () => {
      const map = new KeyMap(`/p${compactAt.length}/`, `/q${compactAt.length}/`);
      const name = (i: number) => `${map.prefix}${String(i).padStart(6, '0')}`;
      await pair.fill(map.prefix, 2000);
      const source = new Busy(pair.source.endpoint, 'source');
      let notes = 0;
      source.onPage = async (page) => {
        if (!compactAt.includes(page)) return;
        // A key before the page, one behind it, one that goes and one that comes.
        await pair.write(put(name(0), `at ${page}`), put(name(1999), `at ${page}`));
        await pair.write(del(name(page * 10)), put(`${map.prefix}new-${page}`));
        await pair.loseHistory();
      };
      const { clusterId } = await pair.from.status();
      const leases = { ensure: () => Promise.resolve(), forget: () => undefined };
      const key = mirrorKey(clusterId, map);
      const { prefix, destPrefix } = map;
      const writer = new Writer({
        ...{ target: pair.to, key, maxTxnOps: MAX_TXN_OPS, leases },
        format: mirrorFormat(key, { source: clusterId, prefix, destPrefix }),
        onRetry: () => undefined,
        onWritten: () => undefined,
      });
      await writer.claim({ revision: null, ours: NO_KEYS, foreign: NO_KEYS });
      const { signal } = new AbortController();
      const comparison = new Comparison({
        ...{ source, target: pair.to, map, writer, signal, prune: false },
        limits: { ops: MAX_TXN_OPS, bytes: BATCH_BYTES },
        ours: tallyOf(NO_KEYS),
        // The target was empty: all that is there has come from the source.
        certainUpTo: writer.cursorMod,
        onForeign: () => undefined,
        onRetry: () => undefined,
        onNote: () => notes++,
      });
      const revision = await comparison.run();
      source.close();
      expect(notes).to.be.at.least(1);
      await pair.expectEqual(map, 2000);
      expect(writer.state).to.deep.include({ revision, foreign: NO_KEYS });
      const { names } = await survey(pair.to, map, signal);
      expect(addsUp(names, tallyOf(writer.state.ours!))).to.equal(true);
      // Nothing was put twice but what has changed.
      expect(comparison.removed).to.be.at.most(compactAt.length);
      expect(writer.written.puts).to.be.at.most(2000 + 3 * compactAt.length);
    });
});
