/** What is asked through etcd3: it tells what is so, by our connection, and harms none of our rules. */
import { status } from '@grpc/grpc-js';
import { expect } from 'chai';
import { LockstepError } from '../../src/errors.js';
import { EtcdClient } from '../../src/wire/client.js';
import { until } from '../cutover/pair.js';
import { enableAuth, ROOT } from '../rig/auth.js';
import { Etcd, newestVersion } from '../rig/etcd.js';
import { AlarmAction, AlarmType, withEtcd3 } from '../rig/etcd3.js';
import { FaultProxy } from '../rig/proxy.js';

const SOON_MS = 2000;

describe('members, by etcd3', () => {
  let etcd: Etcd;
  let proxy: FaultProxy;
  let client: EtcdClient;
  before(async () => {
    etcd = await Etcd.start({ version: newestVersion() });
    proxy = await FaultProxy.start({ host: '127.0.0.1', port: etcd.clientPort });
  });
  beforeEach(() => {
    client = new EtcdClient(proxy.endpoint, 'target');
  });
  afterEach(() => {
    client.close();
    proxy.stall(false);
  });
  after(async () => {
    await proxy.close();
    await etcd.remove();
  });

  const failed = async (asked: Promise<unknown>): Promise<LockstepError> => {
    const error: unknown = await asked.catch((thrown: unknown) => thrown);
    if (!(error instanceof LockstepError)) throw new Error(`not ours: ${String(error)}`);
    return error;
  };

  it('ids are exact; alarms come with the status', async () => {
    const { memberId } = await client.memberStatus();
    expect(await client.memberList()).to.deep.equal([
      {
        ...{ memberId, name: etcd.name, clientUrls: [etcd.endpoint] },
        peerUrls: [`http://127.0.0.1:${etcd.peerPort}`],
      },
    ]);
    expect((await client.memberStatus()).alarms).to.deep.equal([]);
    const alarm = { memberID: BigInt(`0x${memberId}`).toString(), alarm: AlarmType.Nospace };
    await withEtcd3(etcd, ({ maintenance }) =>
      maintenance.alarm({ ...alarm, action: AlarmAction.Activate }),
    );
    expect((await client.memberStatus()).alarms).to.deep.equal([{ memberId, alarm: 'NOSPACE' }]);
    await withEtcd3(etcd, ({ maintenance }) =>
      maintenance.alarm({ ...alarm, action: AlarmAction.Deactivate }),
    );
  });

  it('makes no connection of its own, and leaves ours open', async () => {
    await client.head();
    const before = proxy.connections;
    await client.memberList();
    await client.head();
    expect(proxy.connections).to.equal(before);
  });

  it('whose connection is cut leaves our channel as it is: the next call connects anew', async () => {
    await client.memberList();
    proxy.refuse(true);
    proxy.cut();
    const { code, cause } = await failed(client.memberList());
    proxy.refuse(false);
    expect(code).to.equal('UNAVAILABLE');
    expect(cause).to.have.property('code', status.UNAVAILABLE);
    await until(async () => (await client.head()).revision > 0);
  });

  it('ends with our connection, at once', async () => {
    await client.memberList();
    proxy.stall(true);
    const asked = failed(client.memberList());
    await new Promise(setImmediate);
    const closed = performance.now();
    client.close();
    expect((await asked).code).to.equal('UNAVAILABLE');
    expect(performance.now() - closed).to.be.lessThan(SOON_MS);
  });

  it('whose server is gone: UNAVAILABLE, as of any other call', async () => {
    const nobody = new EtcdClient('http://127.0.0.1:1', 'target');
    const error = await failed(nobody.memberList());
    nobody.close();
    expect(error.code).to.equal('UNAVAILABLE');
    expect(error.message).to.contain('ECONNREFUSED');
  });

  it('comes with our token; whoever may not ask is told what it takes', async () => {
    const password = 'reader';
    await enableAuth(etcd, [{ name: 'reader', password, roles: [] }]);
    const connection = { endpoints: [proxy.endpoint] };
    const root = new EtcdClient({ ...connection, user: ROOT }, 'target');
    const reader = new EtcdClient({ ...connection, user: { name: 'reader', password } }, 'target');
    try {
      expect(await root.memberList()).to.have.length(1);
      const asked = await reader.memberList().catch((error: unknown) => error);
      // Older servers tell it to anybody.
      if (!Array.isArray(asked)) expect(String(asked)).to.match(/PERMISSION|permission denied/);
    } finally {
      root.close();
      reader.close();
    }
  });
});
