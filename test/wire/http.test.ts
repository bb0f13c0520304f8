/** Pages of an etcd that never become whole: what is asked over HTTP ends in time all the same. */
import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { exchange, getText } from '../../src/wire/http.js';
import { PeerFault } from '../../src/wire/peerfault.js';

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n';

/** What the server does behind a request. */
const WAYS: Record<string, (socket: Socket) => void> = {
  'breaks off in the middle': (socket) => {
    socket.end(`${HEAD}etcd_`);
  },
  'is reset in the middle': (socket) => {
    socket.write(`${HEAD}etcd_`, () => socket.resetAndDestroy());
  },
  'stops in the middle': (socket) => {
    socket.write(`${HEAD}etcd_`);
  },
  'drips for ever': (socket) => {
    socket.write(HEAD);
    const drip = setInterval(() => socket.write('#'), 50);
    socket.once('close', () => {
      clearInterval(drip);
    });
  },
  'never begins': () => undefined,
  'wants to speak something else': (socket) => {
    socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n');
  },
  'is none': (socket) => {
    socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
  },
  'never ends': (socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    const more = () => {
      while (socket.write('#'.repeat(65536)));
    };
    socket.on('drain', more);
    more();
  },
};

describe('a page of an etcd that', () => {
  let server: Server;
  let open: Set<Socket>;
  let answer: (socket: Socket) => void;
  before(async () => {
    open = new Set();
    server = createServer((socket) => {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => open.delete(socket));
      socket.once('data', () => {
        answer(socket);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });

  for (const [what, way] of Object.entries(WAYS))
    it(`${what} is an error within its time, and its connection is closed`, async () => {
      answer = way;
      const { port } = server.address() as AddressInfo;
      const asked = getText(`http://127.0.0.1:${port}`, '/metrics', undefined);
      expect(await asked.catch((error: unknown) => error)).to.be.instanceOf(PeerFault);
      while (open.size > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    }).timeout(10_000);

  it('a DELETE says how long its body is, which Node leaves out', async () => {
    let heard = '';
    answer = () => undefined;
    server.once('connection', (socket: Socket) => {
      socket.on('data', (chunk) => {
        heard += chunk.toString();
        if (heard.endsWith('{"a":1}')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    });
    const { port } = server.address() as AddressInfo;
    const limits = { withinMs: 5000, maxBytes: 100, agent: false } as const;
    const asked = { method: 'DELETE', body: '{"a":1}', ...limits };
    const { status, text } = await exchange(new URL(`http://127.0.0.1:${port}/x`), asked);
    expect([status, text]).to.deep.equal([200, 'ok']);
    expect(heard)
      .to.match(/^DELETE \/x HTTP\/1\.1/)
      .and.to.match(/content-length: 7\r\n/i);
    expect(heard).not.to.match(/transfer-encoding/i);
  });
});
