/** What happens while a mirror is away, with and without the source's history, and to keys of others. */
import { expect } from 'chai';
import { KeyMap } from '../../src/mirror/keymap.js';
import { eventually } from '../cli/stage.js';
import { FaultProxy } from '../rig/proxy.js';
import { del, Pair, put } from './pair.js';

describe('a mirror that was away', () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.start();
  });
  after(() => pair.end());

  it('with history: deletions arrive, and nothing else is written', async () => {
    const map = new KeyMap('/a/');
    await pair.fill('/a/', 50);
    await pair.sync(map);
    await pair.write(del('/a/000000'), del('/a/000049'), put('/a/000001', 'new'));
    await pair.compactBefore();
    const { status, notes } = await pair.sync(map);
    expect(status).to.include({ puts: 1, deletions: 2 });
    expect(notes.join()).not.to.contain('compar');
    await pair.expectEqual(map, 48);
  });

  it('without: both sides are compared, said once, and deletions are certain and arrive', async () => {
    const map = new KeyMap('/b/', '/copy-b/');
    await pair.fill('/b/', 50);
    await pair.sync(map);
    await pair.write(del('/b/000000'), del('/b/000049'), put('/b/000001', 'new'), put('/b/new'));
    await pair.loseHistory();
    const { status, notes, foreign } = await pair.sync(map);
    expect(notes.filter((note) => note.includes('comparing both sides'))).to.have.lengthOf(1);
    expect(status).to.include({ puts: 2, deletions: 2, foreign: 0 });
    expect(foreign).to.deep.equal([]);
    await pair.expectEqual(map, 49);
  });

  it('without, where others have a key in the prefix: nothing is certain, all are listed and stay', async () => {
    const map = new KeyMap('/c/');
    await pair.fill('/c/', 20);
    await pair.sync(map);
    await pair.to.txn({ success: [put('/c/others', 'theirs')] });
    await pair.write(del('/c/000000'), put('/c/000001', 'new'));
    await pair.loseHistory();
    const first = await pair.sync(map);
    expect(first.status).to.include({ puts: 1, deletions: 0, foreign: 2 });
    expect(first.foreign).to.deep.equal(['/c/000000', '/c/others']);
    expect(first.notes.join()).to.match(/2 keys .* stay: "\/c\/000000", "\/c\/others"/);
    // They are known now: a resume does not compare again for them.
    const second = await pair.sync(map);
    expect(second.notes.join()).not.to.contain('compar');
    expect((await pair.cursor(map))?.foreign.keys).to.equal(2);
    const pruned = await pair.sync(map, { prune: true });
    expect(pruned.status).to.include({ puts: 0, deletions: 2, foreign: 0 });
    await pair.expectEqual(map, 19);
  });

  it('a target that already has keys of others in the prefix: kept, or pruned', async () => {
    const map = new KeyMap('/d/');
    await pair.fill('/d/', 10);
    await pair.to.txn({ success: [put('/d/000003', 'overwritten'), put('/d/theirs')] });
    const { status, foreign } = await pair.sync(map);
    expect(status).to.include({ puts: 10, deletions: 0, foreign: 1 });
    expect(foreign).to.deep.equal(['/d/theirs']);
    expect((await pair.sync(map, { prune: true })).status.deletions).to.equal(1);
    await pair.expectEqual(map, 10);
  });

  it('--rev, then without history: nothing is certain', async () => {
    const map = new KeyMap('/e/');
    const rev = await pair.write(put('/e/a'), put('/e/b'));
    await pair.sync(map, { rev });
    await pair.write(del('/e/a'));
    await pair.loseHistory();
    expect((await pair.sync(map)).foreign).to.deep.equal(['/e/a']);
  });

  it('somebody has taken keys from the target: it is noticed at the next start, and mended', async () => {
    const map = new KeyMap('/f/');
    await pair.fill('/f/', 10);
    await pair.sync(map);
    await pair.to.txn({ success: [del('/f/000005')] });
    const { notes, status } = await pair.sync(map);
    expect(notes.join()).to.contain('the target has 9 keys where the mirror has left 10');
    expect(status.puts).to.equal(1);
    await pair.expectEqual(map, 10);
  });

  it('longer than a lease lives: what the target deleted by itself is there again', async () => {
    const map = new KeyMap('/g/');
    await pair.from.leaseGrant(91n, 1);
    await pair.write(put('/g/leased', 'v', 91n), put('/g/free'));
    const keepAlive = setInterval(() => void pair.from.leaseKeepAlive([91n]), 200);
    try {
      await pair.sync(map);
      await eventually(async () => (await pair.held('target', map)).size === 1);
      const { status } = await pair.sync(map);
      expect(status).to.include({ puts: 1, foreign: 0 });
      await pair.expectEqual(map, 2);
    } finally {
      clearInterval(keepAlive);
    }
  });

  it('while it runs, cut off from a source that is compacted: compares, says so once, goes on', async () => {
    const map = new KeyMap('/h/');
    await pair.fill('/h/', 30);
    const proxy = await FaultProxy.start({ host: '127.0.0.1', port: pair.source.clientPort });
    const running = pair.running(map, { source: proxy.endpoint });
    await running.caughtUp(pair);
    proxy.refuse(true);
    proxy.cut();
    await pair.write(del('/h/000000'));
    await pair.loseHistory();
    await running.until(({ state }) => state === 'waiting for the source');
    // Nothing is known to be missing, and all the same that is no time at which all is well.
    expect(running.mirror.status).to.deep.include({ lagRevisions: 0 });
    expect(running.mirror.status.trouble?.code).to.equal('UNAVAILABLE');
    proxy.refuse(false);
    await running.caughtUp(pair);
    await pair.write(del('/h/000001'));
    await running.caughtUp(pair);
    const { notes } = await running.stop();
    await proxy.close();
    await pair.expectEqual(map, 28);
    expect(notes.filter((note) => note.includes('comparing both sides'))).to.have.lengthOf(1);
  });

  it('leases of others on the target run out, its own do not; one that does all the same is noticed', async () => {
    const map = new KeyMap('/i/');
    await pair.to.leaseGrant(93n, 1);
    await pair.to.txn({ success: [put('/others/leased', 'v', 93n)] });
    await pair.from.leaseGrant(94n, 1);
    await pair.write(put('/i/leased', 'v', 94n));
    const keepAlive = setInterval(() => void pair.from.leaseKeepAlive([94n]), 200);
    const running = pair.running(map);
    try {
      await running.caughtUp(pair);
      await running.until(async () => !(await pair.to.leases()).includes(93n));
      await pair.expectEqual(map, 1);
      await pair.target.ctl('lease', 'revoke', 94n.toString(16));
      expect((await pair.held('target', map)).size).to.equal(0);
      await running.until(async () => (await pair.held('target', map)).size === 1);
      expect(running.notes.join()).to.contain('lease 5e has ended on the target');
    } finally {
      clearInterval(keepAlive);
      await running.stop();
    }
  });
});
