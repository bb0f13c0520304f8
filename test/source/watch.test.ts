/** What the watch makes of a server that answers oddly: see facts about old etcds in limits.ts. */
import { expect } from 'chai';
import { LockstepError } from '../../src/errors.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { proven } from '../../src/position.js';
import { watchRevisions } from '../../src/source/watch.js';
import { EtcdClient } from '../../src/wire/client.js';
import { CLUSTER, FakeEtcd, type FakeEvent, type FakeMessage } from './fake.js';

const AFTER = 10;
const HEAD = 30;
const CREATED: FakeMessage = { created: true };

/** What came out of a watch: revisions as `11:a,b`, a deletion as `-a`, a position as `@11`. */
interface Seen {
  out: string[];
  error: LockstepError | undefined;
  fake: FakeEtcd;
}

interface Play {
  head?: number;
  progressIsProof?: boolean;
  /** Stops to read at this position; else at the error that the script must lead to. */
  until?: number;
}

async function play(
  script: FakeMessage[],
  { head = HEAD, progressIsProof = true, until }: Play = {},
): Promise<Seen> {
  const fake = await FakeEtcd.start(head, script);
  const client = new EtcdClient(fake.endpoint, 'source');
  const out: string[] = [];
  let error: LockstepError | undefined;
  try {
    const options = {
      prefixes: PrefixSet.of(['/p/']),
      after: proven(AFTER),
      limits: { version: 'fake', progressIsProof },
      clusterId: CLUSTER.toString(16),
      signal: AbortSignal.timeout(10_000),
    };
    for await (const { revisions, position } of watchRevisions(client, options)) {
      for (const { revision, records } of revisions) {
        expect(records.map(({ sub }) => sub)).to.deep.equal(records.map((_, i) => i));
        const keys = records.map((r) => `${r.tombstone ? '-' : ''}${r.key.toString().slice(3)}`);
        out.push(`${revision}:${keys.join(',')}`);
      }
      out.push(`@${position}`);
      if (until !== undefined && position >= until) break;
    }
    expect(options.signal.aborted, 'it waited for more').to.equal(false);
  } catch (thrown) {
    if (!(thrown instanceof LockstepError)) throw thrown;
    error = thrown;
  } finally {
    client.close();
    fake.stop();
  }
  return { out, error, fake };
}

const put = (revision: number, ...names: string[]): FakeEvent[] =>
  names.map((name) => ({ key: `/p/${name}`, revision }));
const foreign = (revision: number): FakeEvent => ({ key: '/q/x', revision });

describe('watchRevisions', () => {
  it('takes no position from the header of `created` or of an event', async () => {
    const { out, fake } = await play(
      [
        { created: true, revision: 29 },
        { events: put(12, 'a'), revision: 29 },
      ],
      { until: 12 },
    );
    expect(out).to.deep.equal(['12:a', '@12']);
    expect(Number(fake.created[0]?.startRevision)).to.equal(AFTER + 1);
  });

  it('asks for the prefixes where progress is proof, for the whole store where it is none', async () => {
    const script = [CREATED, { events: put(11, 'a') }];
    const good = (await play(script, { until: 11 })).fake.created[0];
    expect(good?.key?.toString()).to.equal('/p/');
    const old = (await play(script, { until: 11, progressIsProof: false })).fake.created[0];
    expect(old?.key).to.have.lengthOf(1);
    expect(old?.rangeEnd).to.have.lengthOf(1);
    expect(old?.fragment).to.equal(true);
  });

  it('takes a position from a progress answer that is proof', async () => {
    const { out } = await play([CREATED, { events: put(12, 'a') }, { revision: 20 }], {
      until: 20,
    });
    expect(out).to.deep.equal(['12:a', '@12', '@20']);
  });

  it('takes none from one that is no proof', async () => {
    const { out } = await play(
      [CREATED, { revision: 20 }, { events: [...put(11, 'a'), foreign(12)] }],
      { progressIsProof: false, until: 12 },
    );
    expect(out).to.deep.equal(['11:a', '@12']);
  });

  it('goes no way back for a progress answer that is late', async () => {
    const { out } = await play(
      [CREATED, { events: put(15, 'a') }, { revision: 12 }, { revision: 16 }],
      {
        until: 16,
      },
    );
    expect(out).to.deep.equal(['15:a', '@15', '@16']);
  });

  it('puts a revision together from its fragments; its position is proven by the last', async () => {
    const { out } = await play(
      [
        CREATED,
        { fragment: true, events: [...put(11, 'a'), ...put(13, 'b')] },
        { fragment: true, events: put(13, 'c', 'd') },
        { events: [...put(13, 'e'), ...put(14, 'f')] },
      ],
      { until: 14 },
    );
    expect(out.filter((line) => !line.startsWith('@'))).to.deep.equal([
      '11:a',
      '13:b,c,d,e',
      '14:f',
    ]);
    expect(out[1]).to.equal('@12');
    expect(out).not.to.include('@13');
  });

  it('drops events that it has seen, also in the middle of a message', async () => {
    const { out } = await play(
      [
        CREATED,
        { events: [...put(9, 'old'), ...put(11, 'a')] },
        { events: [...put(11, 'a'), ...put(12, 'b')] },
        { events: put(12, 'b') },
        { events: put(13, 'c') },
      ],
      { until: 13 },
    );
    expect(out).to.deep.equal(['11:a', '@11', '12:b', '@12', '13:c', '@13']);
  });

  it('keeps the order of events inside a revision, a key put and deleted too', async () => {
    const events = [...put(11, 'b', 'a'), { key: '/p/b', revision: 11, delete: true }];
    const { out } = await play([CREATED, { events }], { until: 11 });
    expect(out).to.deep.equal(['11:b,a,-b', '@11']);
  });

  it('leaves out what lies between the prefixes, and still moves on by it', async () => {
    const events = [foreign(11), ...put(12, 'a'), foreign(12), foreign(13)];
    const { out } = await play([CREATED, { events }], { until: 13 });
    expect(out).to.deep.equal(['12:a', '@13']);
  });

  const FAULTS: Record<string, [code: string, script: FakeMessage[], options?: Play]> = {
    'a revision that was left out, where every revision must show up': [
      'SOURCE_INCONSISTENT',
      [CREATED, { events: put(11, 'a') }, { events: put(13, 'b') }],
      { progressIsProof: false },
    ],
    'the first revision left out': [
      'SOURCE_INCONSISTENT',
      [CREATED, { events: put(12, 'a') }],
      { progressIsProof: false },
    ],
    'revisions out of order in one message': [
      'SOURCE_INCONSISTENT',
      [CREATED, { events: [...put(13, 'a'), ...put(12, 'b')] }],
    ],
    'progress between the fragments of a revision': [
      'SOURCE_INCONSISTENT',
      [CREATED, { fragment: true, events: put(13, 'a') }, { revision: 20 }],
    ],
    'cancelled with a compact revision': [
      'HISTORY_GAP',
      [CREATED, { canceled: true, compactRevision: 17 }],
    ],
    'cancelled at once with a compact revision': [
      'HISTORY_GAP',
      [{ created: true, canceled: true, compactRevision: 17 }],
    ],
    'cancelled for another reason': [
      'UNAVAILABLE',
      [CREATED, { canceled: true, cancelReason: 'no leader' }],
    ],
    'another cluster in a later header': [
      'SOURCE_CHANGED',
      [CREATED, { events: put(11, 'a') }, { cluster: 0xbad, events: put(12, 'b') }],
    ],
    'a head below the position': ['SOURCE_CHANGED', [CREATED], { head: 9 }],
  };

  for (const [what, [code, script, options]] of Object.entries(FAULTS))
    it(`${what}: ${code}`, async () => {
      const { error, out } = await play(script, options);
      expect(error?.code).to.equal(code);
      if (code === 'HISTORY_GAP') expect(error?.revision).to.equal(17);
      if (code === 'UNAVAILABLE') expect(error?.message).to.contain('no leader');
      // Whatever was fine before the fault may have come out, nothing behind it.
      expect(out.filter((line) => !['11:a', '@11', '@12'].includes(line))).to.be.empty;
      expect(out).not.to.include('12:a').and.not.to.include('12:b');
    });

  it('asks for progress again only when the last question was answered', async () => {
    const quiet = await play([CREATED, { events: put(11, 'a') }, { events: put(12, 'b') }], {
      until: 12,
    });
    expect(quiet.fake.progressRequests).to.be.lessThan(2);
  });

  it('ends quietly when it is aborted', async () => {
    const fake = await FakeEtcd.start(HEAD, [CREATED, { events: put(11, 'a') }]);
    const client = new EtcdClient(fake.endpoint, 'source');
    const stop = new AbortController();
    const positions: number[] = [];
    const options = {
      prefixes: PrefixSet.of(['/p/']),
      after: proven(AFTER),
      limits: { version: 'fake', progressIsProof: true },
      clusterId: CLUSTER.toString(16),
      signal: stop.signal,
    };
    for await (const { position } of watchRevisions(client, options)) {
      positions.push(position);
      stop.abort();
    }
    expect(positions).to.deep.equal([11]);
    client.close();
    fake.stop();
  });

  it('a bug of ours beside the stream is thrown, not taken for a stream that broke', async () => {
    const fake = await FakeEtcd.start(HEAD, [CREATED]);
    const client = new EtcdClient(fake.endpoint, 'source');
    const bug = new TypeError('not a function');
    const watch = client.watch.bind(client);
    let opened = 0;
    // The second one looks whether questions for progress are answered at all.
    client.watch = () => (++opened === 1 ? watch() : Promise.reject(bug));
    const options = {
      prefixes: PrefixSet.of(['/p/']),
      after: proven(AFTER),
      limits: { version: 'fake', progressIsProof: true },
      clusterId: CLUSTER.toString(16),
      signal: AbortSignal.timeout(20_000),
    };
    try {
      const first = watchRevisions(client, options).next();
      expect(await first.catch((error: unknown) => error)).to.equal(bug);
    } finally {
      client.close();
      fake.stop();
    }
  }).timeout(20_000);
});
