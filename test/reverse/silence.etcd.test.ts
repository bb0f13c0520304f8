/** A source that answers nothing, or is not there, while the target is written; and a watch that is silent. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { EtcdClient } from '../../src/wire/client.js';
import { FaultProxy } from '../rig/proxy.js';
import { del, put, PREFIX, ReversePair, type RunningReverse } from './pair.js';

const WRITES = 50;
/** Many round trips of all that is not held back. */
const LONG_MS = 700;

describe('a source that is away for long while the target is written', () => {
  let pair: ReversePair;
  let running: RunningReverse;
  beforeEach(async () => {
    pair = await ReversePair.start();
    await pair.cutOver();
    running = pair.running();
    await running.until(({ state }) => state === 'the way back is open');
  });
  afterEach(async () => {
    await running.stop();
    await pair.end();
  });

  async function written(): Promise<void> {
    for (let i = 0; i < WRITES; i++) await pair.write('target', put(`k${i % 3}`, `${i}`));
    await pair.write('target', put('new', 'new'), del('k3'));
  }

  /** Each revision once, in order: so many versions, and nothing is taken for somebody else's. */
  async function comesOver(): Promise<void> {
    await running.caughtUp();
    await pair.expectBrought();
    const [there, here] = [await pair.held('source'), await pair.held('target')];
    for (const [key, { version }] of here) expect(there.get(key)?.version, key).to.equal(version);
    expect(running.alarms).to.deep.equal([]);
    await running.until(({ state, trouble }) => state === 'the way back is open' && !trouble);
  }

  it('it stands still: the state says so soon, and never that all is well; then all comes over', async () => {
    pair.etcds.source.pause();
    try {
      await written();
      const { position } = running.reverse.status;
      await running.until(({ state }) => state === 'waiting for the source');
      expect(running.reverse.status.position).to.equal(position);
      expect(running.reverse.status.lagRevisions).to.be.at.least(WRITES);
    } finally {
      pair.etcds.source.resume();
    }
    await comesOver();
  });

  it('it cannot be reached: that is told at once with what to do, and once when it is over', async () => {
    pair.proxies.source.refuse(true);
    pair.proxies.source.cut();
    await written();
    await running.until(({ trouble }) => trouble !== null);
    const { state, trouble } = running.reverse.status;
    expect(state).to.equal('waiting for the source');
    expect(trouble).to.include({ code: 'UNAVAILABLE' });
    expect(trouble?.message).to.contain('source');
    expect(trouble?.hint).to.contain('etcdctl');
    pair.proxies.source.refuse(false);
    await comesOver();
    const told = (text: string) => running.notes.filter((note) => note.includes(text));
    expect(told('trying again'), running.notes.join('\n')).to.have.length(1);
    expect(told('over after')).to.have.length(1);
  });
});

describe('the watch for late writes is silent, and the source takes writes', () => {
  let pair: ReversePair;
  let proxy: FaultProxy;
  let sourceWatch: EtcdClient;
  let running: RunningReverse;
  beforeEach(async () => {
    pair = await ReversePair.start();
    proxy = await FaultProxy.start({ host: '127.0.0.1', port: pair.etcds.source.clientPort });
    sourceWatch = new EtcdClient(proxy.endpoint, 'source');
    await pair.cutOver();
    running = pair.running({ sourceWatch });
    await running.until(({ state }) => state === 'the way back is open');
  });
  afterEach(async () => {
    await running.stop();
    sourceWatch.close();
    await proxy.close();
    await pair.end();
  });

  const valueOf = async (key: string) =>
    (await pair.held('source')).get(PREFIX + key)?.value.toString();

  it('no key is put over a late write before that is told, and the way back is not called open', async () => {
    proxy.stall(true);
    await pair.write('target', put('k0', 'ours'), put('k1', 'ours'));
    await running.caughtUp();
    // One that the reverse has written above what it has seen, one that it has never touched, and a new one.
    const late = ['k0', 'k2', 'new'];
    for (const key of late) await pair.write('source', put(key, 'late'));
    // What nobody has written late goes on, as often as it changes.
    await pair.write('target', put('k1', 'ours again'));
    const at = await pair.write('target', put('k3', 'ours'));
    await running.caughtUp();
    expect(await valueOf('k1')).to.equal('ours again');
    // The source has all that the target has; what else it has is not known.
    await running.until(({ state }) => state === 'catching up');
    expect(running.reverse.status).to.deep.include({ position: at, lagSeconds: 0 });
    expect(running.reverse.status.lateSeenSeconds).to.be.above(0);
    for (const key of late) await pair.write('target', put(key, 'there'));
    await pair.write('target', put('k1', 'behind them'));
    await sleep(LONG_MS);
    for (const key of late) expect(await valueOf(key), key).to.equal('late');
    expect(await valueOf('k1')).to.equal('ours again');
    expect(running.reverse.status.position).to.equal(at);
    expect(running.alarms).to.deep.equal([]);
    proxy.stall(false);
    await running.caughtUp();
    await pair.expectBrought();
    // Each was told before anything was put over it, and again then.
    const told = running.alarms.map((alarm) =>
      /^late write on the source(?=:)|replaced/.exec(alarm),
    );
    expect(told.map((found) => found?.[0])).to.deep.equal([
      ...late.map(() => 'late write on the source'),
      ...late.map(() => 'replaced'),
    ]);
    const { lateWrites } = running.reverse.status;
    expect(lateWrites).to.deep.equal({ count: 3, replaced: 3, open: [], all: true });
  });

  it('the source forgets meanwhile what was written late: each is named that is replaced, and no other', async () => {
    proxy.stall(true);
    await pair.write('target', put('k1', 'ours'));
    for (const key of ['k0', 'new']) await pair.write('source', put(key, 'late'));
    // What is brought behind them does not make them older than the reverse's own writes.
    await pair.write('target', put('k3', 'ours'));
    await running.caughtUp();
    await pair.loseHistory('source');
    // What this run has left there above that is no late write, although it is not as the target has it.
    const over = { yes: false };
    const busy = (async () => {
      for (let n = 0; !over.yes; n++) await pair.write('target', put('k1', `${n}`));
    })();
    proxy.cut();
    proxy.stall(false);
    await running.until(() => running.notes.some((note) => note.startsWith('compared')));
    over.yes = true;
    await busy;
    await pair.write('target', put('k2', 'and on'));
    await running.caughtUp();
    await pair.expectBrought();
    expect(running.alarms.map((alarm) => /pods\/(\w+)/.exec(alarm)?.[1])).to.deep.equal([
      'k0',
      'new',
    ]);
    expect(running.reverse.status.lateWrites).to.deep.equal({
      ...{ count: 2, replaced: 2, open: [], all: true },
    });
  });
});
