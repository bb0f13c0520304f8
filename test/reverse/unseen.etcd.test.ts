/**
 * The source forgets what was written late there while nobody watched, and runs die at any point before that was
 * compared to its end: each late write is named, and what a run has written itself is not.
 */
import { expect } from 'chai';
import { LockstepError } from '../../src/errors.js';
import { EtcdClient } from '../../src/wire/client.js';
import { MeddledClient } from '../cutover/pair.js';
import { FaultProxy } from '../rig/proxy.js';
import { put, ReversePair, type RunningReverse } from './pair.js';

describe('what nobody has watched on the source', () => {
  let pair: ReversePair;
  let source: MeddledClient;
  beforeEach(async () => {
    pair = await ReversePair.start();
    source = new MeddledClient(pair.proxies.source.endpoint, 'source');
    await pair.cutOver();
    const first = pair.running();
    await pair.write('target', put('k0', 'changed'));
    await first.until(({ state }) => state === 'the way back is open');
    await first.stop();
    // The target goes on, so that what is not there may have been deleted since.
    await pair.foreign('target');
  });
  afterEach(async () => {
    source.close();
    await pair.end();
  });

  /** Dies instead of sending, as soon as that holds. */
  async function dies(when: (n: number) => Promise<boolean> | boolean): Promise<void> {
    source.meddle = async (send, n) => {
      if (await when(n)) throw new Error('killed');
      return send();
    };
    expect(await pair.running({ source }).ended.then(() => 'done', String)).to.contain('killed');
    await pair.foreign('target');
  }

  const named = ({ alarms }: RunningReverse) =>
    alarms.map((alarm) => /pods\/(\w+)/.exec(alarm)?.[1]);

  async function endsNaming(...names: string[]): Promise<void> {
    const running = pair.running();
    await running.until(({ state }) => state === 'the way back is open');
    await pair.expectBrought();
    const { lateWrites } = await running.stop();
    expect(named(running)).to.deep.equal(names);
    expect(lateWrites).to.deep.include({ count: names.length, replaced: names.length, open: [] });
    expect((await pair.cursor())?.comparing).to.equal(false);
  }

  it('a run dies while it compares, before it comes to it: the next one names it', async () => {
    await pair.write('source', put('late', 'late'));
    await pair.loseHistory('source');
    await dies(async () => (await pair.cursor())?.comparing === true);
    await endsNaming('late');
  });

  it('a run dies behind its claim, and the history is lost then: the next one names it', async () => {
    await pair.write('source', put('late', 'late'));
    await pair.write('target', put('k1', 'on its way'));
    await dies((n) => n > 1);
    await pair.loseHistory('source');
    await endsNaming('late');
  });

  it('a history is lost once more while it is compared: named once, by the same run', async () => {
    await pair.write('source', put('k2', 'late'), put('late', 'late'));
    await pair.loseHistory('source');
    const proxy = pair.proxies.source;
    let lost = false;
    const told = () => running.notes.filter((note) => note.includes('comparing both sides'));
    source.meddle = async (send) => {
      if (!lost && (await pair.cursor())?.comparing) {
        lost = true;
        proxy.refuse(true);
        proxy.cut();
        await pair.loseHistory('source');
        proxy.refuse(false);
      }
      // Nothing is written before that is noticed.
      if (lost && told().length < 2) throw new LockstepError('UNAVAILABLE', 'not yet');
      return send();
    };
    const running = pair.running({ source });
    await running.until(({ state }) => state === 'the way back is open');
    await pair.expectBrought();
    await running.stop();
    expect(lost).to.equal(true);
    expect(named(running)).to.deep.equal(['k2', 'late']);
  });

  it('what a run knows by name already it does not forget where the history is lost', async () => {
    const running = pair.running({ source });
    const told = () => running.notes.some((note) => note.includes('comparing both sides'));
    await running.until(({ state }) => state === 'the way back is open');
    source.meddle = (send) =>
      told() ? send() : Promise.reject(new LockstepError('UNAVAILABLE', 'not yet'));
    await pair.write('source', put('late', 'late'));
    await running.until(({ lateWrites }) => lateWrites.count === 1);
    const proxy = pair.proxies.source;
    proxy.refuse(true);
    proxy.cut();
    await pair.loseHistory('source');
    await pair.foreign('target');
    proxy.refuse(false);
    await running.until(({ state }) => told() && state === 'the way back is open');
    await pair.expectBrought();
    const { lateWrites } = await running.stop();
    expect(lateWrites).to.deep.equal({ count: 1, replaced: 1, open: [], all: true });
    expect((await pair.cursor())?.late).to.deep.equal(lateWrites);
    expect(named(running)).to.deep.equal(['late', 'late']);
  });

  it('what a run had written that has died before it saw it is no late write', async () => {
    const proxy = await FaultProxy.start({
      ...{ host: '127.0.0.1', port: pair.etcds.source.clientPort },
    });
    const sourceWatch = new EtcdClient(proxy.endpoint, 'source');
    const silent = pair.running({ source, sourceWatch });
    await silent.until(({ state }) => state === 'the way back is open');
    proxy.stall(true);
    const gone = await pair.foreign('source');
    await pair.foreign('source');
    await pair.write('source', put('late', 'late'));
    await pair.write('target', put('k1', 'ours'));
    await silent.caughtUp();
    source.meddle = () => Promise.reject(new Error('killed'));
    await pair.write('target', put('k1', 'on its way'));
    expect(await silent.ended.then(() => 'done', String)).to.contain('killed');
    const { seen = 0 } = (await pair.cursor()) ?? {};
    expect(seen).to.be.below(gone + 1);
    await pair.source.compact(gone + 1);
    await pair.loseHistory('target');
    await endsNaming('late');
    sourceWatch.close();
    await proxy.close();
  });
});
