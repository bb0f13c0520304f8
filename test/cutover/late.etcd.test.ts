/**
 * Late writes: each is named, with its revision, whatever happens to the source meanwhile.
 *
 * What it catches. Each of these was put into latewrites.ts or revisions.ts, found, and taken out again:
 *   what was compacted never looked up; the position left behind afterwards; all rows taken for late
 *   deletions ignored; a source that is away when it begins ends it
 */
import { expect } from 'chai';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { LateWrites, type LateWrite } from '../../src/proof/latewrites.js';
import { put } from '../../src/target/txn.js';
import { EtcdClient } from '../../src/wire/client.js';
import { PODS, Stage } from '../cli/stage.js';
import { FaultProxy } from '../rig/proxy.js';
import { failure, silent, until } from './pair.js';

const LEASES = '/registry/leases/';
const prefixes = PrefixSet.of([LEASES, PODS]);

describe('late writes', () => {
  let stage: Stage;
  let proxy: FaultProxy;
  let behind: EtcdClient;
  before(async () => {
    stage = await Stage.start();
    proxy = await FaultProxy.start({ host: '127.0.0.1', port: stage.source.clientPort });
    behind = new EtcdClient(proxy.endpoint, 'source');
  });
  after(async () => {
    behind.close();
    await proxy.close();
    await stage.end();
  });

  /** Watches from `after` until it has passed what `write` does; what was told, and all of it. */
  async function watched(
    after: number,
    write: (late: LateWrites) => Promise<unknown>,
  ): Promise<{ late: LateWrites; told: LateWrite[] }> {
    const told: LateWrite[] = [];
    const { clusterId } = await stage.client.head();
    const late = new LateWrites({
      ...{ client: behind, clusterId, prefixes, after, tell: silent },
      onWrite: (found) => told.push(found),
      onNote: () => undefined,
    });
    const stop = new AbortController();
    const running = late.run(stop.signal);
    // If it fails, nothing would ever be passed.
    await Promise.race([running, write(late).then(() => passed(late))]);
    stop.abort();
    await running;
    return { late, told };
  }

  async function passed(late: LateWrites): Promise<void> {
    let head: number | undefined;
    await until(async () => (head ??= await stage.head()) <= late.position);
  }

  it('puts, deletions and transactions, by key and revision; foreign ones are none', async () => {
    await stage.put(`${PODS}old`);
    const after = await stage.put(`${PODS}gone`);
    const first = await stage.put(`${PODS}old`, 'late');
    await stage.foreign(3);
    await stage.source.ctl('del', `${PODS}gone`);
    const { late, told } = await watched(after, async (one) => {
      await passed(one);
      await stage.client.txn({
        success: [
          put(Buffer.from(`${PODS}a`), Buffer.from('1')),
          put(Buffer.from('/registry/minions/n'), Buffer.from('1')),
          put(Buffer.from(`${LEASES}\xff`, 'latin1'), Buffer.from('1')),
        ],
      });
    });
    const head = await stage.head();
    expect(told).to.deep.equal([
      { key: `${PODS}old`, revision: first, deleted: false },
      { key: `${PODS}gone`, revision: first + 4, deleted: true },
      { key: `${PODS}a`, revision: head, deleted: false },
      {
        key: `${LEASES}\ufffd`,
        keyBase64: Buffer.from(`${LEASES}\xff`, 'latin1').toString('base64'),
        revision: head,
        deleted: false,
      },
    ]);
    expect(late.named).to.deep.equal(told);
    expect(late.count).to.equal(4);
    const refused = await failure(
      Promise.resolve().then(() => {
        late.refuseAny();
      }),
    );
    expect(refused).to.include({ code: 'LATE_WRITE', revision: first });
    expect(refused.message).to.match(/^4 keys .* first \/registry\/pods\/old at revision/);
  });

  it('none: refuses nothing', async () => {
    const { late, told } = await watched(await stage.head(), () => stage.foreign(2));
    expect(told).to.deep.equal([]);
    late.refuseAny();
  });

  it('compacted away before it was looked: they are looked up', async () => {
    const after = await stage.head();
    await stage.put(`${PODS}b`, 'first');
    const last = await stage.put(`${PODS}b`, 'last');
    await stage.source.ctl('del', `${PODS}a`);
    await stage.client.compact(await stage.put('/registry/events/e'));
    const { told } = await watched(after, () => Promise.resolve());
    expect(told).to.deep.equal([{ key: `${PODS}b`, revision: last, deleted: false }]);
  });

  it('compacted away while the source could not be reached: nothing is missing, nothing is told twice', async () => {
    let during = 0;
    const { told } = await watched(await stage.head(), async (late) => {
      await stage.put(`${PODS}before`);
      await passed(late);
      proxy.refuse(true);
      proxy.cut();
      during = await stage.put(`${PODS}during`);
      await stage.client.compact(await stage.put('/registry/events/e'));
      proxy.refuse(false);
      await passed(late);
      await stage.put(`${PODS}afterwards`);
    });
    expect(told.map(({ key }) => key.slice(PODS.length))).to.deep.equal([
      ...['before', 'during', 'afterwards'],
    ]);
    expect(told[1]?.revision).to.equal(during);
  });

  it('goes on over cut connections and a restart of the source, each told once', async () => {
    const names = ['1', '2', '3', '4'];
    const { told } = await watched(await stage.head(), async (late) => {
      for (const name of names) {
        await until(() => stage.put(`${PODS}${name}`).then(() => true));
        if (name === '1') proxy.cut();
        else if (name === '2') await stage.source.restart();
        else await passed(late);
      }
    });
    expect(told.map(({ key }) => key.slice(PODS.length))).to.deep.equal(names);
  });

  it('a source that is away when it begins is waited for', async () => {
    const after = await stage.head();
    proxy.refuse(true);
    proxy.cut();
    const { told } = await watched(after, async () => {
      const tried = proxy.refused;
      await until(() => proxy.refused > tried + 1);
      await stage.put(`${PODS}c`);
      proxy.refuse(false);
    });
    expect(told.map(({ key }) => key)).to.deep.equal([`${PODS}c`]);
  });

  it('counts all, and keeps a hundred by name', async () => {
    const after = await stage.head();
    const { late, told } = await watched(after, async () => {
      for (let i = 0; i < 120; i++) await stage.put(`${PODS}${i}`);
    });
    expect(told.length).to.equal(120);
    expect(late.count).to.equal(120);
    expect(late.named).to.deep.equal(told.slice(0, 100));
    late.forget();
    expect(late).to.include({ count: 0 });
    late.refuseAny();
  });
});
