/** Own writes told from late ones, where a write is refused because the watch is behind. */
import { expect } from 'chai';
import type { Record, WholeRevision } from '../../src/mvcc/record.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { OwnWrites } from '../../src/reverse/ownwrites.js';
import { EtcdClient } from '../../src/wire/client.js';
import { PREFIX } from './pair.js';

const LATE = 20;
/** Less than it takes if each of them waits for an answer that does not come. */
const SOON_MS = 1000;

/** The cursor was never put. */
class NoCursor extends EtcdClient {
  override few(): ReturnType<EtcdClient['few']> {
    const header = { revision: 1, clusterId: '1' };
    return Promise.resolve({ header, rows: [], count: 0, more: false });
  }
}

describe('own writes', () => {
  it('one that is refused waits for the watch, and what is late there does not wait for its answer', async () => {
    const source = new NoCursor('http://127.0.0.1:1', 'source');
    const prefixes = PrefixSet.of([PREFIX]);
    const own = new OwnWrites({
      ...{ source, prefixes, key: Buffer.from('cursor'), onWrote: () => undefined },
    });
    const record: Record = {
      ...{ main: 1, sub: 0, tombstone: true, key: Buffer.from(`${PREFIX}k`) },
      bytes: Buffer.alloc(0),
    };
    const passed = async () => {
      for (let revision = 1; revision <= LATE; revision++) {
        const whole: WholeRevision = { revision, records: [] };
        expect(await own.isOwn(whole)).to.equal(false);
      }
      return LATE;
    };
    own.begin({ position: 0, passed }, new AbortController().signal);
    await own.compare([record], false);
    const started = performance.now();
    await own.compare([record], true);
    expect(performance.now() - started).to.be.below(SOON_MS);
    source.close();
  });
});
