/** The way back is kept open: what is written on the target comes to the source, above its revision there. */
import { expect } from 'chai';
import { parseKeyValue, type KeyValue } from '../../src/mvcc/keyvalue.js';
import { prefixRange } from '../../src/mvcc/prefix.js';
import { look } from '../../src/target/claim.js';
import { reverseKey } from '../../src/target/reversecursor.js';
import { put as putOp } from '../../src/target/txn.js';
import { failure, MeddledClient } from '../cutover/pair.js';
import { del, MARGIN, PREFIX, put, ReversePair, type RunningReverse } from './pair.js';

/** As long as a reverse goes on behind the claim of a rollback. */
const BUSY_MS = 700;

describe('the reverse', () => {
  let pair: ReversePair;
  beforeEach(async () => {
    pair = await ReversePair.start();
  });
  afterEach(async () => pair.end());

  it('brings puts, deletions and what is made anew, revision by revision, above where they were', async () => {
    await pair.cutOver();
    await pair.write('target', put('k0', 'before it began'));
    const running = pair.running();
    await pair.write('target', put('k1', 'one'), put('k2', 'two'), put('new', 'three'));
    await pair.write('target', del('k1'));
    await pair.write('target', put('k1', 'anew'));
    await pair.write('target', del('new'), del('k2'));
    await running.caughtUp();
    await pair.expectBrought();
    // What nobody has touched has the revision that it always had.
    const [there, here] = [await pair.held('source'), await pair.held('target')];
    expect(there.get(`${PREFIX}k3`)).to.deep.equal(here.get(`${PREFIX}k3`));
    // As often as on the target: nothing was left out, nothing came twice.
    expect(there.get(`${PREFIX}k1`)?.version).to.equal(1);
    const { puts, deletions, transactions, margin, lateWrites } = running.reverse.status;
    expect({ puts, deletions, transactions }).to.deep.equal({
      ...{ puts: 5, deletions: 3 },
      transactions,
    });
    expect(margin).to.be.at.least(MARGIN / 2);
    expect(lateWrites.count).to.equal(0);
    await running.until(({ state }) => state === 'the way back is open');
    const status = await running.stop();
    expect(status.state).to.equal('the way back is open');
    const cursor = await pair.cursor();
    expect(cursor?.revision).to.equal(status.position);
    // Begun again it has nothing to do, and does nothing.
    const again = pair.running();
    await again.caughtUp();
    expect((await again.stop()).puts).to.equal(0);
    expect(again.alarms).to.deep.equal([]);
  });
});

describe('a revision of many keys', () => {
  /** Above what is guarded key by key, and above what etcd takes in one transaction. */
  const MANY = [60, 300];
  let pair: ReversePair;
  before(async () => {
    pair = await ReversePair.start();
    await pair.cutOver();
  });
  after(async () => pair.end());

  const name = (n: number) => `many${String(n).padStart(3, '0')}`;
  const revisionsOf = (side: Map<string, KeyValue>) => {
    const many = [...side].filter(([key]) => key.startsWith(`${PREFIX}many`));
    return [many.length, new Set(many.map(([, { modRevision }]) => modRevision)).size];
  };

  it('is one revision of the source, put or deleted, and never put over a late write unseen', async () => {
    const running = pair.running();
    for (const keys of MANY) {
      const puts = Array.from({ length: keys }, (_, n) => put(name(n), `${keys}`));
      const nested = [puts.slice(0, 100), puts.slice(100, 200), puts.slice(200)].map((success) => ({
        requestTxn: { success },
      }));
      await pair.write('source', put(name(0), 'late'));
      await pair.write('target', ...nested);
      await running.caughtUp();
      await pair.expectBrought();
      expect(revisionsOf(await pair.held('source'))).to.deep.equal([keys, 1]);
    }
    await pair.write('target', { requestDeleteRange: prefixRange(`${PREFIX}many`) });
    await running.caughtUp();
    await pair.expectBrought();
    const { rows } = await pair.source.few({ key: reverseKey(pair.prefixes) });
    const { modRevision } = parseKeyValue(rows[0]!);
    const range = { ...prefixRange(`${PREFIX}many`), countOnly: true };
    const before = await pair.source.range({ ...range, revision: modRevision - 1 });
    const behind = await pair.source.range({ ...range, revision: modRevision });
    expect([before.count, behind.count]).to.deep.equal([300, 0]);
    const { puts, deletions, lateWrites } = await running.stop();
    expect({ puts, deletions }).to.deep.equal({ puts: 360, deletions: 300 });
    expect(lateWrites).to.deep.equal({ count: 2, replaced: 2, open: [], all: true });
  });
});

describe('late writes on the source', () => {
  let pair: ReversePair;
  let running: RunningReverse;
  beforeEach(async () => {
    pair = await ReversePair.start();
    await pair.cutOver();
    await pair.write('target', put('k0', 'changed'));
  });
  afterEach(async () => {
    await running.stop();
    await pair.end();
  });

  it('are told, and left until the target changes the key; then that is told, too', async () => {
    running = pair.running();
    await running.caughtUp();
    await pair.write('source', put('k0', 'late'), put('late', 'late'));
    await pair.write('source', put('k0', 'late'));
    const at = await pair.write('source', del('k3'));
    await running.until(({ lateWrites }) => lateWrites.count === 4);
    await pair.write('target', put('k1', 'another'));
    await running.caughtUp();
    await pair.expectBrought(['k0', 'k3', 'late']);
    expect((await pair.held('source')).get(`${PREFIX}k0`)?.value.toString()).to.equal('late');
    expect(running.alarms).to.have.length(4);
    expect(running.alarms[3]).to.equal(
      `late write on the source: ${PREFIX}k3 deleted at revision ${at}`,
    );
    await pair.write('target', put('k0', 'again'), put('k3', 'again'), put('late', 'again'));
    await running.caughtUp();
    await pair.expectBrought();
    expect(running.alarms.slice(4)).to.have.length(3);
    expect(running.alarms.at(-1)).to.match(/replaced: .*pods\/late, written there at revision/);
    const { lateWrites } = await running.stop();
    expect(lateWrites).to.deep.equal({ count: 4, replaced: 3, open: [], all: true });
    expect((await pair.cursor())?.late).to.deep.equal(lateWrites);
  });

  it('are found when it begins, and while its watch hears nothing no key is put over one', async () => {
    await pair.write('source', put('k0', 'late'));
    running = pair.running();
    await running.caughtUp();
    // The change of k0 on the target came before it began, and is what clients see.
    await pair.expectBrought();
    expect(running.alarms).to.have.length(2);
    expect((await running.stop()).lateWrites).to.deep.include({ count: 1, replaced: 1 });
  });
});

describe('what was written on the target beyond its history', () => {
  let pair: ReversePair;
  beforeEach(async () => {
    pair = await ReversePair.start();
    await pair.cutOver();
  });
  afterEach(async () => pair.end());

  it('is compared where the target is compacted, and nothing of it is taken for a late write', async () => {
    await pair.write('target', put('k0', 'changed'), put('new', 'new'), del('k1'));
    await pair.write('target', put('k2', 'as it was'));
    await pair.loseHistory('target');
    const running = pair.running();
    await running.caughtUp();
    await pair.expectBrought();
    await pair.write('target', put('k0', 'and more'));
    await running.caughtUp();
    await pair.expectBrought();
    const { puts, deletions } = await running.stop();
    expect(running.alarms).to.deep.equal([]);
    // k3 is as it was; of what was put with the same content the revision would have been below.
    expect({ puts, deletions }).to.deep.equal({ puts: 4, deletions: 1 });
  });

  it('is compared where the source is, and what was written late there is named', async () => {
    const first = pair.running();
    await pair.write('target', put('k0', 'changed'));
    await first.caughtUp();
    await first.stop();
    await pair.write(
      'source',
      put('k1', 'late'),
      put('k0', 'late'),
      put('late', 'late'),
      del('k2'),
    );
    await pair.loseHistory('source');
    await pair.write('target', put('k3', 'changed'));
    const running = pair.running();
    await running.until(({ state }) => state === 'the way back is open');
    await pair.expectBrought();
    expect((await running.stop()).lateWrites).to.deep.equal({
      ...{ count: 4, replaced: 4, open: [], all: true },
    });
    expect(running.alarms).to.have.length(4);
  });
});

describe('the reverse is refused', () => {
  let pair: ReversePair;
  before(async () => {
    pair = await ReversePair.start();
  });
  after(async () => pair.end());

  async function refused(code: string): Promise<void> {
    const { source } = pair;
    const { revision } = await source.head();
    const error = await failure(pair.running().ended);
    expect(error.code).to.equal(code);
    expect((await source.head()).revision).to.equal(revision);
  }

  it('where no cutover was done, or it is not done, or over; and nothing is written', async () => {
    await refused('TARGET_NOT_OURS');
    for (const phase of ['fenced', 'switched', 'rolling back', 'rolled back', 'retired'] as const) {
      await pair.cutOver(phase);
      await refused('TARGET_CUT_OVER');
    }
  });

  it('behind its claim, where a rollback has begun meanwhile: the cursor stays, with what it says', async () => {
    await pair.cutOver();
    const first = pair.running();
    await pair.write('target', put('k0', 'changed'));
    await first.caughtUp();
    await first.stop();
    const before = await pair.cursor();
    const source = new MeddledClient(pair.etcds.source.endpoint, 'source');
    source.meddle = async (send) => {
      await pair.cutOver('rolling back');
      return send();
    };
    expect((await pair.running({ source }).ended).endedBy).to.equal('rolling back');
    const { revision, seen, late } = (await pair.cursor()) ?? {};
    expect({ revision, seen, late }).to.deep.equal({
      ...{ revision: before?.revision, seen: before?.seen, late: before?.late },
    });
    expect(revision).to.be.a('number');
    source.close();
  });

  it("does not refuse a rollback's own one, which waits until a busy one has ended", async () => {
    await pair.cutOver();
    const first = pair.running();
    await first.caughtUp();
    await first.stop();
    const { rows } = await pair.source.few({ key: reverseKey(pair.prefixes) });
    const cursor = putOp(reverseKey(pair.prefixes), parseKeyValue(rows[0]!).value);
    const source = new MeddledClient(pair.etcds.source.endpoint, 'source');
    const busyUntil = Date.now() + BUSY_MS;
    source.meddle = async (send) => {
      if (Date.now() < busyUntil) await pair.write('source', cursor);
      return send();
    };
    const { stored } = await look(pair.target);
    const [from, to] = await Promise.all([pair.source.head(), pair.target.head()]);
    const heads = { source: from.revision, target: to.revision };
    const night = { check: () => Promise.resolve() };
    const rollback = { stored, prefixes: pair.prefixes, heads, night };
    const running = pair.running({ source, rollback });
    await running.caughtUp();
    expect(Date.now()).to.be.at.least(busyUntil);
    await running.stop();
    source.close();
  });

  it('ends quietly when a rollback begins, and when another one takes its place', async () => {
    await pair.cutOver();
    const first = pair.running();
    await first.caughtUp();
    const second = pair.running();
    await second.caughtUp();
    expect((await failure(first.ended)).code).to.equal('TARGET_TAKEN_OVER');
    await pair.cutOver('rolling back');
    expect((await second.ended).endedBy).to.equal('rolling back');
  });
});
