/** revisions$: the watch is made anew from where the last batch was stored, and over a gap. */
import { expect } from 'chai';
import { lastValueFrom } from 'rxjs';
import { LockstepError } from '../../src/errors.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { proven } from '../../src/position.js';
import { revisions$, type RevisionsOptions } from '../../src/source/revisions.js';
import type { WatchBatch } from '../../src/source/watch.js';
import { EtcdClient } from '../../src/wire/client.js';
import { CLUSTER, FakeEtcd, type FakeMessage } from './fake.js';

const AFTER = 10;
const CREATED: FakeMessage = { created: true };
const LOST: FakeMessage = { canceled: true, cancelReason: 'etcdserver: no leader' };
const put = (revision: number): FakeMessage => ({ events: [{ key: '/p/a', revision }] });

describe('revisions$', () => {
  let stop: AbortController;
  let position: number;
  let told: string[];
  let fake: Awaited<ReturnType<typeof FakeEtcd.start>> | undefined;

  beforeEach(() => {
    stop = new AbortController();
    position = AFTER;
    told = [];
  });
  afterEach(() => {
    fake?.stop();
  });

  const begins = () => fake?.created.map(({ startRevision }) => Number(startRevision));

  /** Runs the same script for each watch. */
  async function play(
    script: FakeMessage[],
    store: (batch: WatchBatch) => Promise<void> | void,
    bridge?: RevisionsOptions['bridge'],
  ): Promise<unknown> {
    fake = await FakeEtcd.start(30, script);
    const client = new EtcdClient(fake.endpoint, 'source');
    const limits = { version: 'fake', progressIsProof: true };
    const options = {
      prefixes: PrefixSet.of(['/p/']),
      clusterId: CLUSTER.toString(16),
      begin: () => Promise.resolve({ after: proven(position), limits }),
      bridge,
      signal: AbortSignal.any([stop.signal, AbortSignal.timeout(10_000)]),
      told: {
        failed: ({ code }: LockstepError) => {
          told.push(code);
          if (told.filter((one) => one === code).length === 2) stop.abort();
        },
        answered: () => told.push('answered'),
      },
    };
    try {
      await lastValueFrom(revisions$(client, options, store), { defaultValue: undefined });
      return undefined;
    } catch (error) {
      return error;
    } finally {
      client.close();
    }
  }

  it('goes on where the last batch was stored, and tells what stood in the way', async () => {
    const seen: number[] = [];
    const ended = await play([CREATED, put(11), put(12), LOST], async (batch) => {
      await new Promise((resolve) => setImmediate(resolve));
      seen.push((position = batch.position));
    });
    expect(ended).to.equal(undefined);
    expect(seen).to.deep.equal([11, 12]);
    expect(begins()).to.deep.equal([11, 13]);
    expect(told).to.deep.equal(['answered', 'answered', 'UNAVAILABLE', 'UNAVAILABLE']);
  });

  const GAP = [CREATED, { canceled: true, compactRevision: 20 }];

  it('goes on over a gap from where its bridge leads, and is in no trouble', async () => {
    const gaps: unknown[] = [];
    const ended = await play(
      GAP,
      () => undefined,
      (gap) => {
        gaps.push(gap.revision);
        if (gaps.length === 2) stop.abort();
        position = 25;
        return Promise.resolve();
      },
    );
    expect(ended).to.equal(undefined);
    expect(gaps).to.deep.equal([20, 20]);
    expect(begins()).to.deep.equal([11, 26]);
    expect(told).to.deep.equal([]);
  });

  it('a bridge that fails for a while finds the same gap again', async () => {
    const away = new LockstepError('UNAVAILABLE', 'no answer');
    const ended = await play(
      GAP,
      () => undefined,
      () => Promise.reject(away),
    );
    expect(ended).to.equal(undefined);
    expect([begins(), told]).to.deep.equal([
      [11, 11],
      ['UNAVAILABLE', 'UNAVAILABLE'],
    ]);
  });

  it('without a bridge a gap is the end, as is a bug where it is stored', async () => {
    expect(await play(GAP, () => undefined)).to.include({ code: 'HISTORY_GAP', revision: 20 });
    const bug = new TypeError('not a function');
    expect(await play([CREATED, put(11)], () => Promise.reject(bug))).to.equal(bug);
    expect([begins(), told]).to.deep.equal([[11], ['answered']]);
  });
});
