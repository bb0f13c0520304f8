/** How far a mirror is behind is told in time, whatever the source's watch does. */
import { expect } from 'chai';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { mirrorBehind } from '../../src/mirror/mirrorbehind.js';
import { encodeMirror, type MirrorCursor } from '../../src/mirror/mirrorcursor.js';
import { encodeKeyValue } from '../../src/mvcc/keyvalue.js';
import { EtcdClient } from '../../src/wire/client.js';
import { CLUSTER, FakeEtcd } from '../source/fake.js';

const WITHIN_SECONDS = 0.3;
const none = { keys: 0, names: '0'.repeat(16) };
const key = Buffer.from('etcd-lockstep/mirror/x');

describe('how far a mirror is behind', () => {
  let stop: AbortController;
  let fake: Awaited<ReturnType<typeof FakeEtcd.start>>;
  let source: EtcdClient;

  before(async () => {
    stop = new AbortController();
    fake = await FakeEtcd.start(30, [{ created: true }]);
    source = new EtcdClient(fake.endpoint, 'source').closeAt(stop.signal);
    const status = { version: '3.6.0', clusterId: CLUSTER.toString(16), head: 30 };
    Object.assign(source, { status: () => Promise.resolve(status) });
  });
  after(() => {
    stop.abort();
    fake.stop();
  });

  it('is not known where the watch stays silent; also when memory is tidied up meanwhile', async () => {
    const cursor: MirrorCursor = {
      ...{
        format: 1,
        source: CLUSTER.toString(16),
        prefix: '/p/',
        destPrefix: '/p/',
        revision: 10,
      },
      ...{ ours: none, foreign: none, mirror: 'm', at: '' },
    };
    const rows = [encodeKeyValue({ key, value: encodeMirror(cursor) })];
    const target = { few: () => Promise.resolve({ rows }) } as unknown as EtcdClient;
    setFlagsFromString('--expose-gc');
    const tidy = setInterval(runInNewContext('gc') as () => void, 20);
    // Of a watch that nobody ends this test ends the connection, and then it fails.
    const end = setTimeout(() => {
      stop.abort();
    }, 2500);
    const behind = await mirrorBehind(
      { key, cursor },
      { source, target },
      WITHIN_SECONDS,
      new AbortController().signal,
    ).finally(() => {
      clearInterval(tidy);
      clearTimeout(end);
    });
    expect(behind).to.deep.equal({ seconds: null, moves: false });
  });
});
