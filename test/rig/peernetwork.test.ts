import { expect } from 'chai';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { PeerNetwork } from './peernetwork.js';

const PROBE = 'GET /raft/probing HTTP/1.1\r\nHost: x\r\n\r\n';

function message(from: string): string {
  return `POST /raft HTTP/1.1\r\nHost: x\r\nX-Server-From: ${from}\r\n\r\n`;
}

describe('rig: peer network', () => {
  let listener: Server;
  let listens: number;
  let network: PeerNetwork;
  let port: number;
  let received: string;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    received = '';
    listener = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => {
        received += chunk.toString();
        socket.write('ok');
      });
    });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    listens = (listener.address() as AddressInfo).port;
    network = new PeerNetwork();
    port = await network.front(listens);
  });

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await network.close();
    listener.close();
  });

  function dial(): Socket {
    const socket = connect({ port, host: '127.0.0.1' });
    sockets.push(socket);
    return socket.on('error', () => undefined);
  }

  async function answered(socket: Socket, request: string): Promise<boolean> {
    const ended = new Promise<boolean>((resolve) => {
      socket.once('data', () => {
        resolve(true);
      });
      socket.once('close', () => {
        resolve(false);
      });
    });
    socket.write(request);
    return ended;
  }

  it('cuts what an isolated member has open to others, and only that', async () => {
    const [mine, theirs] = [dial(), dial()];
    expect(await answered(mine, message('a1'))).to.be.true;
    expect(await answered(theirs, message('b2'))).to.be.true;
    const cut = new Promise((resolve) => mine.once('close', resolve));
    network.isolate({ id: 'a1', peerPort: 1 });
    await cut;
    expect(await answered(theirs, message('b2'))).to.be.true;
  });

  it('passes nothing that says it is from an isolated member, however its connection began', async () => {
    const peer = { id: 'a1', peerPort: 1 };
    network.isolate(peer);
    const kept = dial();
    expect(await answered(kept, PROBE)).to.be.true;
    expect(await answered(kept, message('a1'))).to.be.false;
    expect(await answered(dial(), message('a1'))).to.be.false;
    expect(received).to.equal(PROBE);
    network.rejoin(peer);
    expect(await answered(dial(), message('a1'))).to.be.true;
  });

  it('lets nobody reach an isolated member', async () => {
    const open = dial();
    expect(await answered(open, message('b2'))).to.be.true;
    network.isolate({ id: 'a1', peerPort: listens });
    expect(await answered(open, message('b2'))).to.be.false;
    expect(await answered(dial(), PROBE)).to.be.false;
  });
});
