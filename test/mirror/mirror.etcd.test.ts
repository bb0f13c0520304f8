/** A mirror's base and tail: keys, values and leases are the source's, whatever a revision holds. */
import { expect } from 'chai';
import { KeyMap } from '../../src/mirror/keymap.js';
import { haveVersion } from '../rig/etcd.js';
import { del, Pair, put } from './pair.js';

describe('mirror', () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.start();
  });
  after(() => pair.end());

  const MAPS: Record<string, KeyMap> = {
    'under the same prefix': new KeyMap('/same/'),
    'under another one': new KeyMap('/other/', '/elsewhere/deep/'),
    'under a shorter one that is part of it': new KeyMap('/long/er/', '/long/'),
    'without any': new KeyMap('/none/', ''),
  };

  for (const [how, map] of Object.entries(MAPS))
    it(`base and tail, ${how}`, async () => {
      const p = map.prefix;
      await pair.fill(p, 700);
      await pair.from.leaseGrant(77n, 600).catch(() => undefined);
      await pair.write(put(`${p}leased`, 'held', 77n), put(`${p}empty`, ''), put(`${p}gone`));
      // Without its prefix it would have no name.
      await pair.write(put(p.slice(0, -1), 'not in the prefix'));
      const running = pair.running(map);
      await running.caughtUp(pair);
      await pair.write(put(`${p}000001`, 'changed'), del(`${p}gone`));
      await pair.write(put(`${p}later`), put(`${p}empty`, 'no more'));
      await pair.write(put(`${p}leased`, 'not any more'), put(`${p}leased-too`, 'held', 77n));
      await pair.write(put('/foreign', 'on the source'));
      await running.caughtUp(pair);
      const { status } = await running.stop();
      const [source, target] = [await pair.held('source', map), await pair.held('target', map)];
      for (const [name, { value, lease }] of source) {
        expect(target.get(name), name).to.include({ value, lease });
        target.delete(name);
      }
      if (map.destPrefix !== '') expect([...target.keys()]).to.deep.equal([]);
      expect(status.position).to.equal((await pair.from.head()).revision);
      expect((await pair.cursor(map))?.revision).to.equal(status.position);
    });

  it('of everything, without our own keys', async () => {
    const own = await Pair.start();
    try {
      await own.write(put('a'), put('etcd-lockstep/cursor', 'not for others'), put('z'));
      const map = new KeyMap('');
      const running = own.running(map);
      await running.caughtUp(own);
      await own.write(put('b'), put('etcd-lockstep/slot/00'));
      await running.caughtUp(own);
      await running.stop();
      await own.expectEqual(map, 3);
      const { count } = await own.to.few({ key: Buffer.from('etcd-lockstep/cursor') });
      expect(count).to.equal(0);
    } finally {
      await own.end();
    }
  });

  it('a second base of equal data writes nothing, and one that differs only what differs', async () => {
    const map = new KeyMap('/twice/');
    await pair.fill('/twice/', 300);
    await pair.sync(map);
    const before = await pair.held('target', map);
    await forget(map);
    const again = await pair.sync(map);
    expect(again.status.puts).to.equal(0);
    expect(await pair.held('target', map)).to.deep.equal(before);
    await pair.to.txn({ success: [put('/twice/000007', 'damaged'), del('/twice/000200')] });
    await forget(map);
    expect((await pair.sync(map)).status.puts).to.equal(2);
    await pair.expectEqual(map, 300);
  });

  /** As if it had never been mirrored. */
  async function forget(map: KeyMap): Promise<void> {
    const { clusterId } = await pair.from.status();
    const name = `etcd-lockstep/mirror/${clusterId}:${map.prefix}:${map.destPrefix}`;
    await pair.to.txn({ success: [del(name)] });
  }

  it('a revision with more operations than a transaction takes, and put and delete of one key', async () => {
    const map = new KeyMap('/large/');
    await pair.from.leaseGrant(78n, 600);
    for (let i = 0; i < 500; i += 100)
      await pair.write(
        ...Array.from({ length: 100 }, (_, j) => put(`/large/held-${i + j}`, 'v', 78n)),
      );
    const running = pair.running(map);
    await running.caughtUp(pair);
    await pair.expectEqual(map, 500);
    // A lease that ends deletes all of its keys in one revision.
    await pair.source.ctl('lease', 'revoke', 78n.toString(16));
    await pair.write(
      { requestTxn: { success: [put('/large/short', 'lived')] } },
      { requestTxn: { success: [del('/large/short')] } },
      put('/large/stays'),
    );
    await running.caughtUp(pair);
    const { status } = await running.stop();
    await pair.expectEqual(map, 1);
    expect(status.deletions).to.equal(501);
  });

  it('of one cluster, beside itself', async () => {
    const map = new KeyMap('/here/', '/there/');
    await pair.fill('/here/', 50);
    await pair.sync(map, { target: pair.source.endpoint });
    const { rows } = await pair.from.range({
      key: Buffer.from('/there/'),
      rangeEnd: Buffer.from('/there0'),
    });
    expect(rows).to.have.lengthOf(50);
  });

  it('from --rev on: with the right names, and nothing of what was before', async () => {
    const map = new KeyMap('/rev/', '/copy/');
    await pair.write(put('/rev/before'));
    const rev = await pair.write(put('/rev/at'));
    await pair.write(put('/rev/after'));
    await pair.sync(map, { rev });
    expect([...(await pair.held('target', map)).keys()]).to.deep.equal(['/copy/after', '/copy/at']);
    await pair.write(del('/rev/at'));
    const again = await pair.sync(map, { rev });
    expect(again.notes.join()).to.contain('going on from there');
    expect([...(await pair.held('target', map)).keys()]).to.deep.equal(['/copy/after']);
  });

  it('of a quiet prefix on a busy source: the cursor is moved once a minute', async () => {
    const map = new KeyMap('/quiet/');
    await pair.write(put('/quiet/a'));
    const running = pair.running(map);
    await running.caughtUp(pair);
    const before = (await pair.cursor(map))?.revision ?? 0;
    await pair.write(put('/foreign'));
    await running.caughtUp(pair);
    expect((await pair.cursor(map))?.revision).to.equal(before);
    const now = performance.now.bind(performance);
    performance.now = () => now() + 60_000;
    try {
      const last = await pair.write(put('/foreign'));
      await running.until(async () => (await pair.cursor(map))?.revision === last);
    } finally {
      performance.now = now;
      await running.stop();
    }
  });

  it('values of a megabyte, and thousands of small ones at once', async () => {
    const map = new KeyMap('/sizes/');
    for (let i = 0; i < 4; i++) await pair.write(put(`/sizes/big-${i}`, 'x'.repeat(1_300_000)));
    const running = pair.running(map);
    await running.caughtUp(pair);
    await pair.write(put('/sizes/big-0', 'y'.repeat(1_400_000)));
    await pair.fill('/sizes/small-', 3000);
    await running.caughtUp(pair);
    const { status } = await running.stop();
    await pair.expectEqual(map, 3004);
    expect(status.transactions).to.be.lessThan(3000);
  });

  it('a target that takes small transactions: named, and --max-txn-ops does', async () => {
    const small = await Pair.start({}, { args: ['--max-txn-ops=16'] });
    try {
      const map = new KeyMap('/small/');
      await small.fill('/small/', 120);
      const error: unknown = await small.sync(map).catch((e: unknown) => e);
      expect(error).to.have.property('code', 'REQUEST_TOO_LARGE');
      expect(error).to.have.property('hint').that.contains('--max-txn-ops');
      await small.sync(map, { maxTxnOps: 16 });
      await small.write(...Array.from({ length: 100 }, (_, i) => put(`/small/more-${i}`)));
      await small.sync(map, { maxTxnOps: 16 });
      await small.expectEqual(map, 220);
    } finally {
      await small.end();
    }
  });

  it('a target that takes small requests: smaller batches; what fits none is named', async () => {
    const small = await Pair.start({}, { args: ['--max-request-bytes=100000'] });
    try {
      const map = new KeyMap('/few/');
      const value = 'x'.repeat(9000);
      await small.fill('/few/', 200, value);
      const { notes } = await small.sync(map);
      expect(notes.join()).to.contain('--max-request-bytes');
      expect(notes.join()).not.to.contain('are not in the source');
      for (let i = 0; i < 40; i++) await small.write(put(`/few/later-${i}`, value));
      // Away for all of them: they come as one batch.
      const { status } = await small.sync(map);
      await small.expectEqual(map, 240);
      expect(status).to.include({ revisions: 40, puts: 40 });

      const torn = await small.write(
        put('/few/half', 'y'.repeat(70_000)),
        put('/few/other', value.repeat(4)),
      );
      const apart: unknown = await small.sync(map).catch((e: unknown) => e);
      expect(apart).to.include({ code: 'REQUEST_TOO_LARGE', revision: torn });
      expect(apart).to.have.property('message').that.contains(`revision ${torn}`);
      await small.loseHistory();
      // Compared, they come one by one.
      await small.sync(map);
      await small.expectEqual(map, 242);

      await small.write(put('/few/alone', 'z'.repeat(150_000)));
      const large: unknown = await small.sync(map).catch((e: unknown) => e);
      expect(large).to.have.property('code', 'REQUEST_TOO_LARGE');
      expect(large).to.have.property('hint').that.contains('--max-request-bytes');
      expect(large).to.have.property('message').that.contains('"/few/alone" (150000 bytes)');
      expect(large).to.have.property('message').that.not.contains('zzz');
    } finally {
      await small.end();
    }
  });

  it('of a source with known watch faults, 3.4.23', async function () {
    if (!haveVersion('3.4.23')) this.skip();
    const old = await Pair.start({ version: '3.4.23' });
    try {
      const map = new KeyMap('/old/');
      await old.fill('/old/', 200);
      const running = old.running(map);
      await running.caughtUp(old);
      await old.write(put('/old/later'), put('/foreign'));
      await old.write(del('/old/000003'));
      await running.caughtUp(old);
      await old.loseHistory();
      await old.write(put('/old/last'));
      await running.caughtUp(old);
      const { notes } = await running.stop();
      await old.expectEqual(map, 201);
      expect(notes.join()).to.contain('known watch faults');
    } finally {
      await old.end();
    }
  });
});
