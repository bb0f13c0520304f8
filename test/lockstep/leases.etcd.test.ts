/** Leases on the target are kept alive, also when a refresh fails once. */
import { expect } from 'chai';
import { setTimeout as delay } from 'node:timers/promises';
import { LockstepError } from '../../src/errors.js';
import { LeaseKeeper } from '../../src/lockstep/leases.js';
import { toLong } from '../../src/mvcc/keyvalue.js';
import { EtcdClient } from '../../src/wire/client.js';
import { Etcd } from '../rig/etcd.js';

const TTL_SECONDS = 2;
const LEASES = 200;

/** The first refresh meets an election. */
class OnceUnavailable extends EtcdClient {
  refreshes = 0;

  override async leaseKeepAlive(ids: readonly bigint[]): Promise<void> {
    if (ids.length > 0 && this.refreshes++ === 0)
      throw new LockstepError('UNAVAILABLE', 'etcdserver: leader changed', {
        disposition: 'retry',
      });
    await super.leaseKeepAlive(ids);
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
});
