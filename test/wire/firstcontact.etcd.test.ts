/**
 * What answers at an address and is no etcd, or not its port for clients, is called by its name; a socket
 * of this machine is dialled.
 */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createSecureServer, createServer as createHttp2 } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTls } from 'node:tls';
import { LockstepError } from '../../src/errors.js';
import { EtcdClient } from '../../src/wire/client.js';
import { makeCerts, type Certs } from '../rig/certs.js';
import { Etcd, freePorts } from '../rig/etcd.js';

/** From the first packet on; only what takes its time to be given up may take more. */
const TOLD_WITHIN_MS = 3000;

interface Case {
  /** Called for each connection; what it does is what the client sees. */
  serve: (certs: { key: Buffer; cert: Buffer }) => Server;
  http: [code: string, says: RegExp];
  https: [code: string, says: RegExp];
}

function talking(talk: (socket: Socket) => void): Server {
  return createServer((socket) => {
    socket.on('error', () => undefined);
    socket.resume();
    talk(socket);
  });
}

const CASES: Record<string, Case> = {
  'a web server': {
    serve: () => createHttp((_, answer) => answer.writeHead(404).end()),
    http: ['NOT_ETCD', /: an HTTP server \(HTTP\/1\.1 400 Bad Request\) answers there, and not/],
    https: ['NOT_ETCD', /: an HTTP server \(HTTP\/1\.1 400 Bad Request\) answers there, and not/],
  },
  'a web server with TLS, and no HTTP/2': {
    serve: (tls) => createHttps(tls, (_, answer) => answer.writeHead(404).end()),
    http: ['TLS', /it speaks TLS, and the endpoint says http:/],
    https: ['NOT_ETCD', /a TLS server that does not speak HTTP\/2/],
  },
  'TLS without a protocol inside': {
    serve: (tls) => createTls(tls, (socket) => socket.on('error', () => undefined).end('hello')),
    http: ['TLS', /it speaks TLS, and the endpoint says http:/],
    https: ['NOT_ETCD', /a TLS server that does not speak HTTP\/2/],
  },
  'an apiserver, which asks who one is': {
    serve: (tls) => createSecureServer(tls, (_, answer) => answer.writeHead(401).end()),
    http: ['TLS', /it speaks TLS, and the endpoint says http:/],
    https: ['NOT_ETCD', /: an HTTP server \(401\) answers there, and not/],
  },
  'a proxy with nothing behind it': {
    serve: () => createHttp2((_, answer) => answer.writeHead(503).end()),
    http: ['UNAVAILABLE', /: an HTTP server \(503\) answers there in place of etcd/],
    https: ['TLS', /it speaks no TLS, and the endpoint says https:/],
  },
  ssh: {
    serve: () => talking((socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n')),
    http: ['NOT_ETCD', /: an ssh server answers there/],
    https: ['NOT_ETCD', /: an ssh server answers there/],
  },
  'something that is not known here': {
    serve: () => talking((socket) => socket.end('\x01\x02HELLO WORLD\r\n')),
    http: ['NOT_ETCD', /: something that says "\.HELLO WORLD\." answers there/],
    https: ['NOT_ETCD', /: something that says "\.HELLO WORLD\." answers there/],
  },
  'a balancer with nothing behind it': {
    serve: () => talking((socket) => socket.destroy()),
    http: ['UNAVAILABLE', /: it takes connections and ends them at once/],
    https: ['UNAVAILABLE', /: it takes connections and ends them at once/],
  },
};

describe('first contact', () => {
  let certs: Certs;
  before(async () => {
    certs = await makeCerts();
  });
  after(() => {
    certs.remove();
  });

  async function told(endpoint: string, tls: object = {}): Promise<LockstepError> {
    const client = new EtcdClient({ endpoints: [endpoint], tls }, 'target');
    try {
      const error: unknown = await client.status().catch((thrown: unknown) => thrown);
      if (!(error instanceof LockstepError)) throw error;
      expect(error.message).to.satisfy((text: string) => text.startsWith(`target ${endpoint}: `));
      expect(`${error.message} ${error.hint}`).not.to.match(/undefined|object Object/);
      return error;
    } finally {
      client.close();
    }
  }

  for (const [what, { serve, ...says }] of Object.entries(CASES))
    it(`${what}: it is called by its name, with TLS and without`, async () => {
      const pair = { key: readFileSync(certs.server.key), cert: readFileSync(certs.server.cert) };
      const server = serve(pair).listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      const { port } = server.address() as AddressInfo;
      for (const scheme of ['http', 'https'] as const) {
        const from = Date.now();
        const error = await told(`${scheme}://127.0.0.1:${port}`, { cacert: certs.ca.cert });
        expect(Date.now() - from).to.be.below(TOLD_WITHIN_MS);
        const [code, text] = says[scheme];
        expect([code, error.disposition]).to.deep.equal([
          error.code,
          code === 'UNAVAILABLE' ? 'retry' : 'fatal',
        ]);
        expect(error.message).to.match(text);
        if (code === 'NOT_ETCD') expect(error.hint).to.match(/--dest-endpoints .*2379/);
      }
      server.close();
    });

  it('what says nothing, in ten seconds: that, and no word of grpc-js', async () => {
    const server = talking(() => undefined).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const both = ['http', 'https'].map((scheme) => told(`${scheme}://127.0.0.1:${port}`));
    for (const { code, message } of await Promise.all(both)) {
      expect(code).to.equal('UNAVAILABLE');
      expect(message).to.match(/: it takes connections and says nothing$/);
    }
    server.close();
  });

  for (const [endpoint, says, hint] of [
    ['http://127.0.0.1:1', /nothing listens there \(connect ECONNREFUSED/, /endpoint status/],
    ['http://[::1]:1', /nothing listens there|no way to/, /endpoint status/],
    ['http://no-such-host.invalid:2379', /its name cannot be resolved/, /how it is spelled/],
    ['unix:///no/such.sock', /there is no such socket \(connect ENOENT \/no\/such\.sock/, /./],
  ] as const)
    it(`${endpoint}: a sentence, and the system's word for it`, async () => {
      const error = await told(endpoint);
      expect(error.code).to.equal('UNAVAILABLE');
      expect(error.message).to.match(says);
      expect(error.hint).to.match(hint);
    });

  it('an etcd at a socket is an etcd; at its port for metrics it is not', async () => {
    const [client, metrics] = await freePorts(2);
    const socket = join(certs.ca.cert, '..', 'etcd.sock');
    const etcd = await Etcd.start({
      clientPort: client!,
      args: [
        `--listen-client-urls=http://127.0.0.1:${client},unix://${socket}`,
        `--listen-metrics-urls=http://127.0.0.1:${metrics}`,
      ],
    });
    const here = new EtcdClient({ endpoints: [`unix://${socket}`] }, 'source');
    try {
      expect((await here.status()).version).to.equal(etcd.version);
      expect(await here.memberList()).to.have.length(1);
      expect((await here.http('/version')).text).to.contain(etcd.version);
      const port = await told(`http://127.0.0.1:${metrics}`);
      expect(port.code).to.equal('NOT_ETCD');
      expect(port.message).to.match(/the port where an etcd tells its metrics over HTTP/);
      const secure = await told(`unixs://${socket}`);
      expect([secure.code, secure.message]).to.satisfy(
        ([code, message]: string[]) =>
          code === 'TLS' && /no TLS, and the endpoint says unixs:/.test(message ?? ''),
      );
    } finally {
      here.close();
      await etcd.remove();
    }
  });

  it('a certificate that is not for servers: that, and not another CA', async () => {
    const pair = {
      key: readFileSync(certs.clientOnly.key),
      cert: readFileSync(certs.clientOnly.cert),
    };
    const server = createTls({ ...pair, ALPNProtocols: ['h2'] }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const error = await told(`https://127.0.0.1:${port}`, { cacert: certs.ca.cert });
    expect(error.message).to.match(/its certificate is not for servers: .* lacks serverAuth/);
    server.close();
  });
});
