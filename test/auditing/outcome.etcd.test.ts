/** What becomes of an audit: how long it took, what is not taken back, and what it does not go on from. */
import { expect } from 'chai';
import { Auditing, type AuditingOptions } from '../../src/auditing/auditing.js';
import type { AuditOutcome } from '../../src/auditing/outcome.js';
import { Place } from '../../src/auditing/place.js';
import { atTheBeginning } from '../../src/auditing/progress.js';
import {
  EtcdClient,
  type RangeAnswer,
  type RangeQuery,
  type StoreProgress,
} from '../../src/wire/client.js';
import { Pair, until } from '../cutover/pair.js';
import { PODS } from '../cli/stage.js';

const KEYS = 60;
const RATE = 64 * 1024;
const WATCH_FROM = 1;

/** Leaves a row out of its second page, once. */
class ForgetsOnce extends EtcdClient {
  /** Of each page, its first key. */
  readonly asked: string[] = [];
  #pages = 0;

  override another(): EtcdClient {
    return this;
  }

  override async range(query: RangeQuery, timeoutMs?: number): Promise<RangeAnswer> {
    const answer = await super.range(query, timeoutMs);
    if (!query.rangeEnd || query.limit === 1) return answer;
    this.asked.push(Buffer.from(query.key).toString());
    return ++this.#pages === 2 ? { ...answer, rows: answer.rows.slice(1) } : answer;
  }
}

/** From some moment on another one answers in its name. */
class LedElsewhere extends EtcdClient {
  elsewhere: EtcdClient | undefined;

  override another(): EtcdClient {
    return this;
  }

  override range(query: RangeQuery, timeoutMs?: number): Promise<RangeAnswer> {
    return this.elsewhere?.range(query, timeoutMs) ?? super.range(query, timeoutMs);
  }

  override standing(key: Uint8Array): Promise<StoreProgress> {
    return this.elsewhere?.standing(key) ?? super.standing(key);
  }
}

describe('what becomes of an audit', () => {
  let pair: Pair;
  let folder: string;
  let folders = 0;
  before(async () => {
    pair = await Pair.start(0);
    for (let i = 0; i < KEYS; i++)
      await pair.stage.put(`${PODS}ns/${String(i).padStart(4, '0')}`, 'x'.repeat(2000));
    await pair.synced();
  });
  after(() => pair.end());
  beforeEach(() => {
    folder = `${pair.seeded.journal}.${++folders}`;
  });

  function auditing(about: Partial<AuditingOptions> = {}): Auditing {
    return new Auditing({
      ...{ source: pair.source, target: pair.targetClient, folder },
      ...{ everySeconds: 3600, bytesPerSecond: RATE, watchFrom: WATCH_FROM },
      ...{ clusterId: pair.identity.source, prefixes: pair.identity.prefixes },
      calledAs: { command: 'test', environment: [] },
      ...{ inLockstep: () => true, onNote: () => undefined, onAlarm: () => undefined },
      ...about,
    });
  }

  /** Of the first audit that ends. */
  async function first(source = pair.source): Promise<{ it: Auditing; outcome: AuditOutcome }> {
    const stop = new AbortController();
    const it = auditing({ source });
    const running = it.run(stop.signal);
    await until(() => it.status.audits.length > 0);
    stop.abort();
    await running;
    return { it, outcome: it.status.audits[0]! };
  }

  it('says how long it took, also behind what was written down last', async () => {
    const { outcome } = await first();
    expect(outcome).to.include({ result: 'equal', keys: KEYS });
    expect(outcome.seconds).to.be.greaterThan(1);
  });

  it('a difference that was seen twice is not taken back where it cannot go on', async () => {
    const { revision } = await pair.targetClient.head();
    const owner = {
      ...{ source: pair.identity.source, target: pair.targetClient.clusterId ?? '' },
      ...{ watchFrom: WATCH_FROM, prefixes: [PODS] },
    };
    const place = await Place.open(folder, owner, () => undefined);
    const ranges = Array.from({ length: 720 }, () => ({ from: 'YQ==', revision: 2 }));
    place.running = { ...atTheBeginning(), differences: 1, alarmed: true, ranges };
    await place.save();
    for (const client of [pair.source, pair.targetClient]) await client.compact(revision);

    const { it: ended, outcome } = await first();
    expect(outcome).to.include({ result: 'different', differences: 1, revision: null });
    expect(outcome.message).to.contain('reads too slowly');
    expect(ended.status.auditing).to.equal(null);
  });

  it('what was read of a side that contradicts itself is not gone on from', async () => {
    const source = new ForgetsOnce(pair.stage.source.endpoint, 'source');
    const { it: ended, outcome } = await first(source);
    expect(source.asked.at(-1)).not.to.equal(PODS);
    expect(outcome.result).to.equal('failed');
    expect(outcome.message).to.contain('does not answer the same twice');
    expect(ended.status.auditing).to.equal(null);
  });

  it('a source in whose name the target answers, weeks later, is not equal to it', async () => {
    const source = new LedElsewhere(pair.stage.source.endpoint, 'source');
    const { clusterId } = await pair.targetClient.head();
    const stop = new AbortController();
    const it = auditing({ source, clusterId, everySeconds: 1, bytesPerSecond: 1024 ** 3 });
    const running = it.run(stop.signal);
    await until(() => it.status.audits[0]?.result === 'equal');
    source.elsewhere = pair.targetClient;
    await until(() => it.status.audits[0]?.result === 'failed');
    stop.abort();
    await running;
    expect(it.status.audits[0]?.message).to.contain('are the same etcd');
  });
});
