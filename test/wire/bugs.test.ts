/**
 * What the network says is tried again; a bug never is, wherever it comes up: it is thrown as it is, up to
 * exit code 70.
 */
import { expect } from 'chai';
import { createServer, type AddressInfo } from 'node:net';
import { LockstepError, type ErrorCode } from '../../src/errors.js';
import { kubeFault } from '../../src/kube/fault.js';
import { EtcdClient } from '../../src/wire/client.js';
import { mapError } from '../../src/wire/grpcerrors.js';
import { asPeerFault, PeerFault } from '../../src/wire/peerfault.js';
import { freePorts } from '../rig/ports.js';

const about = { side: 'target', endpoint: 'http://etcd:2379' } as const;

function coded(code: string, more: object = {}): Error {
  return Object.assign(new Error(`what ${code} says`), { code, ...more });
}

async function thrown(by: Promise<unknown>): Promise<unknown> {
  return by.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('bugs stay bugs', () => {
  const BUGS = {
    'a TypeError': new TypeError('x is not a function'),
    'a RangeError': new RangeError('out of range'),
    'an Error of ours': new Error('position 3 < 4'),
    "one that Node gives to its caller's mistake": coded('ERR_INVALID_ARG_TYPE'),
    'what we have said ourselves': new LockstepError('ETCD', 'an answer had no header'),
    'one with details, but no status': coded('ERR_DETAILS', { details: 'none' }),
  };
  for (const [what, bug] of Object.entries(BUGS))
    it(`${what} is left as it is`, () => {
      expect(mapError(bug, about)).to.equal(bug);
      expect(kubeFault(bug, 'GET /x', 'https://k:6443')).to.equal(bug);
      expect(asPeerFault(bug)).to.equal(bug);
    });

  const SAID: Record<string, ErrorCode> = {
    ECONNREFUSED: 'UNAVAILABLE',
    ECONNRESET: 'UNAVAILABLE',
    EAI_AGAIN: 'UNAVAILABLE',
    HPE_INVALID_CONSTANT: 'UNAVAILABLE',
    ERR_STREAM_PREMATURE_CLOSE: 'UNAVAILABLE',
    CERT_HAS_EXPIRED: 'TLS',
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'TLS',
  };
  for (const [code, ours] of Object.entries(SAID))
    it(`${code} is the network's, and says whose`, () => {
      const told = code.replace('UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'unable to verify');
      const error = mapError(Object.assign(new Error(told), { code }), about);
      expect(error).to.include({ code: ours, side: 'target' });
      const kube = kubeFault(Object.assign(new Error(told), { code }), 'GET /x', 'https://k');
      expect(kube).to.be.instanceOf(LockstepError).with.property('side', 'apiserver');
    });

  it('of several addresses the first one speaks', () => {
    const all = new AggregateError([coded('ECONNREFUSED'), coded('EHOSTUNREACH')]);
    expect(asPeerFault(all)).to.be.instanceOf(PeerFault).with.property('code', 'ECONNREFUSED');
  });

  it('TLS that worked before is tried again, and has a code of its own', () => {
    const expired = coded('CERT_HAS_EXPIRED');
    expect(mapError(expired, { ...about, answered: true })).to.include({
      code: 'TLS_LOST',
      disposition: 'retry',
    });
  });

  it('a request that cannot be written is no UNAVAILABLE: of a call, and on a stream', async () => {
    const [port] = await freePorts(1);
    const client = new EtcdClient(`http://127.0.0.1:${port}`, 'source');
    try {
      const impossible = { compare: [null as never] };
      expect(await thrown(client.txn(impossible))).to.be.instanceOf(TypeError);
      const stream = await client.watch();
      expect(() => {
        stream.send(null as never);
      }).to.throw(TypeError);
      stream.cancel();
    } finally {
      client.close();
    }
  });

  it('an etcd that is not there is told with its side', async () => {
    const [port] = await freePorts(1);
    for (const side of ['source', 'target'] as const) {
      const client = new EtcdClient(`http://127.0.0.1:${port}`, side);
      expect(await thrown(client.head())).to.include({ code: 'UNAVAILABLE', side });
      client.close();
    }
  });

  it('a proxy whose etcd is away is waited for, also by who comes there first', async () => {
    const proxy = createServer((socket) => socket.end('HTTP/1.1 503 Service Unavailable\r\n\r\n'));
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const client = new EtcdClient(
      `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
      'target',
    );
    const error = await thrown(client.head());
    expect(error).to.include({ code: 'UNAVAILABLE', side: 'target' });
    expect((error as LockstepError).message).to.contain('503 Service Unavailable');
    client.close();
    proxy.close();
  });

  it('only who has answered is taken for one that did', async () => {
    const plain = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const { port } = plain.address() as AddressInfo;
    const client = new EtcdClient(`https://127.0.0.1:${port}`, 'source');
    try {
      // Opening a stream asks nothing: what is wrong is found out by the first call behind it all the same.
      (await client.watch()).cancel();
      expect(await thrown(client.head())).to.include({ code: 'NOT_ETCD', disposition: 'fatal' });
    } finally {
      client.close();
      plain.close();
    }
  });
});
