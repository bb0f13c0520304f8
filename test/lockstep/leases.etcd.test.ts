/** Leases on the target are kept alive, also when a refresh fails once. */
import { expect } from 'chai';
import { setTimeout as delay } from 'node:timers/promises';
import { LockstepError } from '../../src/errors.js';
import { LeaseKeeper } from '../../src/leases/keeper.js';
import { encodeKeyValue, toLong } from '../../src/mvcc/keyvalue.js';
import { EtcdClient } from '../../src/wire/client.js';
import { eventually } from '../cli/stage.js';
import { Etcd } from '../rig/etcd.js';
import { GrpcProxy } from '../rig/grpcproxy.js';

const TTL_SECONDS = 2;
const LEASES = 200;

/** The first refresh meets an election. */
class OnceUnavailable extends EtcdClient {
  refreshes = 0;

  override async leaseKeepAlive(ids: readonly bigint[]): Promise<Set<bigint>> {
    if (ids.length > 0 && this.refreshes++ === 0)
      throw new LockstepError('UNAVAILABLE', 'etcdserver: leader changed');
    return super.leaseKeepAlive(ids);
  }
}

/** Takes refreshes, as a proxy does, and loses those of some. */
class Losing extends EtcdClient {
  loses = (_id: bigint): boolean => true;

  override async leaseKeepAlive(ids: readonly bigint[]): Promise<Set<bigint>> {
    return super.leaseKeepAlive(ids.filter((id) => !this.loses(id)));
  }
}

/** Knows no lease. */
class Forgetful extends EtcdClient {
  override leaseTtl(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
}

describe('leases on the target', () => {
  let etcd: Etcd;
  let client: OnceUnavailable;

  before(async () => {
    etcd = await Etcd.start();
    client = new OnceUnavailable(etcd.endpoint, 'target');
  });
  after(async () => {
    client.close();
    await etcd.remove();
  });

  it('outlive their TTL many times, although a refresh failed; those without keys do not', async () => {
    const ids = Array.from({ length: LEASES }, (_, i) => BigInt(i + 1));
    for (const id of ids) await client.leaseGrant(id, TTL_SECONDS);
    const held = ids.slice(1);
    for (const id of held)
      await client.txn({
        success: [{ requestPut: { key: Buffer.from(`k${id}`), lease: toLong(id) } }],
      });
    const { revision } = await client.head();
    const keeper = new LeaseKeeper(client, client);
    keeper.begin();
    const stop = new AbortController();
    const running = keeper.run(stop.signal);
    // Time itself is what is tested here: three TTLs have to pass.
    await delay(3 * TTL_SECONDS * 1000);
    stop.abort();
    await running;
    expect((await client.leases()).sort((a, b) => Number(a - b))).to.deep.equal(held);
    expect((await client.head()).revision).to.equal(revision);
    expect(client.refreshes).to.be.greaterThan(1);
  });

  /** A key that hangs on a new lease. */
  async function hold(name: string, id: bigint, ttlSeconds: number): Promise<void> {
    await client.leaseGrant(id, ttlSeconds);
    const put = { requestPut: { key: Buffer.from(name), lease: toLong(id) } };
    await client.txn({ success: [put] });
  }

  it('a refresh that is lost on its way: told at the second one, with the time that is left', async () => {
    await hold('lost', 1001n, 20);
    await hold('kept', 1002n, 20);
    const losing = new Losing(etcd.endpoint, 'target');
    losing.loses = (id) => id === 1001n;
    const told: LockstepError[] = [];
    const keeper = new LeaseKeeper(client, losing, {
      list: () => Promise.resolve([1001n, 1002n]),
      onTrouble: (error) => told.push(error),
    });
    keeper.begin();
    const stop = new AbortController();
    const running = keeper.run(stop.signal);
    await eventually(() => Promise.resolve(keeper.trouble !== undefined));
    expect(keeper.trouble?.message).to.match(/^a lease on the target .* ends in 1\d s/);
    losing.loses = () => false;
    await eventually(() => Promise.resolve(keeper.trouble === undefined));
    stop.abort();
    await running;
    losing.close();
    expect(told).to.have.lengthOf(1);
    expect((await client.leaseInfo(1001n))?.leftSeconds).to.be.greaterThan(18);
  });

  it('behind etcd grpc-proxy are refreshed, each of them', async () => {
    const proxy = await GrpcProxy.start(etcd);
    const through = new EtcdClient(proxy.endpoint, 'target');
    try {
      const ids = Array.from({ length: 20 }, (_, i) => BigInt(2001 + i));
      for (const id of ids) await client.leaseGrant(id, 600);
      await eventually(async () => (await client.leaseInfo(2001n))!.leftSeconds < 599);
      // The proxy counts a question behind the one that asks for it, and may have its answer before that: then
      // it keeps it. The keeper asks again, too, before it calls anything trouble.
      const refreshed = new Set<bigint>();
      await eventually(async () => {
        for (const id of await through.leaseKeepAlive(ids)) refreshed.add(id);
        return refreshed.size === ids.length;
      });
      expect([...refreshed].sort()).to.deep.equal(ids);
      for (const id of ids) expect((await client.leaseInfo(id))?.leftSeconds).to.be.at.least(598);
    } finally {
      through.close();
      await proxy.stop();
    }
  });

  it('one that the source does not have never deletes a key', async () => {
    const source = new Forgetful(etcd.endpoint, 'source');
    const keeper = new LeaseKeeper(source, client);
    const bytes = encodeKeyValue({ key: Buffer.from('lost'), lease: 3001n });
    const record = { main: 2, sub: 0, tombstone: false, key: Buffer.from('lost'), bytes };
    await keeper.ensure({ revision: 2, records: [record] });
    source.close();
    const years = ((await client.leaseTtl(3001n)) ?? 0) / (365 * 86400);
    expect(years).to.be.greaterThan(50);
    // A member that is started anew has it for as long.
    await etcd.restart();
    expect((await client.leaseInfo(3001n))?.leftSeconds).to.be.greaterThan(50 * 365 * 86400);
  });
});
