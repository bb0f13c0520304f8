/** The pace of a seed while its source answers slowly: by a clock of its own, and through a network that is late. */
import { expect } from 'chai';
import { SeedPace } from '../../src/base/seedpace.js';
import { prefixRange } from '../../src/mvcc/prefix.js';
import { readPages } from '../../src/source/pages.js';
import { EtcdClient } from '../../src/wire/client.js';
import { Etcd } from '../rig/etcd.js';
import { FaultProxy } from '../rig/proxy.js';

const WHOLE = 64 * 1024;
const NEVER = new AbortController().signal;

describe('the pace of a seed', () => {
  it('rests as long as slow pages take, longer where that does not help, and says when it begins and ends', async () => {
    const notes: string[] = [];
    const pace = new SeedPace((note) => notes.push(note), NEVER, WHOLE);
    /** How long the next page is waited for, in whole ms. */
    const rest = async () => {
      const from = performance.now();
      await pace.turn();
      return performance.now() - from;
    };
    const took = (ms: number, times = 1) => {
      for (let i = 0; i < times; i++) pace.took(WHOLE, ms);
    };
    took(20, 10);
    took(300, 2);
    expect(await rest(), 'a hiccup').to.be.below(100);
    took(20);
    took(300, 3);
    expect(await rest()).to.be.within(290, 3000);
    expect(notes).to.deep.equal([
      'the source answers slowly (a page in 300 ms, usually 51 ms): reading it more slowly',
    ]);
    took(300, 5);
    expect(await rest(), 'four times at most').to.be.within(1190, 5000);
    took(20, 3);
    expect(await rest()).to.be.below(100);
    expect(notes[1]).to.equal('the source answers as usual again: reading it as fast as it goes');
    expect(notes).to.have.lengthOf(2);
  });

  it('small pages, and a way that is long, are no reason', async () => {
    const notes: string[] = [];
    const pace = new SeedPace((note) => notes.push(note), NEVER, WHOLE);
    for (let i = 0; i < 20; i++) pace.took(WHOLE, 600);
    for (let i = 0; i < 20; i++) pace.took(100, 5000);
    for (let i = 0; i < 20; i++) pace.took(WHOLE / 4, 600);
    await pace.turn();
    expect(notes).to.deep.equal([]);
  });

  it('a source that has become slow for good is read as fast as it goes in the end', () => {
    const notes: string[] = [];
    const pace = new SeedPace((note) => notes.push(note), NEVER, WHOLE);
    for (let i = 0; i < 10; i++) pace.took(WHOLE, 20);
    for (let i = 0; i < 200; i++) pace.took(WHOLE, 400);
    expect(notes).to.have.lengthOf(2);
  });

  it('a network that is late for a while: told once, and every key is read', async () => {
    const etcd = await Etcd.start();
    const proxy = await FaultProxy.start({ host: '127.0.0.1', port: etcd.clientPort });
    const [direct, client] = [etcd.endpoint, proxy.endpoint].map(
      (endpoint) => new EtcdClient(endpoint, 'source'),
    ) as [EtcdClient, EtcdClient];
    try {
      const keys = 3000;
      for (let i = 0; i < keys; i += 100) {
        const puts = Array.from({ length: 100 }, (_, k) => ({
          requestPut: { key: Buffer.from(`/p/${i + k}`), value: Buffer.alloc(1024, 'x') },
        }));
        await direct.txn({ success: puts });
      }
      const notes: string[] = [];
      const pace = new SeedPace((note) => notes.push(note), NEVER, WHOLE);
      let [read, pages] = [0, 0];
      const range = prefixRange('/p/');
      for await (const { rows } of readPages(client, range, 0, undefined, false, pace)) {
        read += rows.length;
        if (++pages === 10) proxy.delay(150);
        if (notes.length === 1) proxy.delay(0);
      }
      expect(read).to.equal(keys);
      expect(notes).to.have.lengthOf(2);
    } finally {
      for (const one of [direct, client]) one.close();
      await proxy.close();
      await etcd.remove();
    }
  });
});
