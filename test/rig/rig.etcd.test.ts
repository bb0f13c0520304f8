import { expect } from 'chai';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Etcd, freePorts, startFromSnapshot, versions } from './etcd.js';
import { FaultProxy } from './proxy.js';

function head(json: string): number {
  return (JSON.parse(json) as { header: { revision: number } }).header.revision;
}

describe('rig: etcd', () => {
  it('has at least one etcd to run on', () => {
    expect(versions()).to.not.be.empty;
  });

  for (const version of versions()) {
    describe(version, () => {
      let etcd: Etcd;
      beforeEach(async () => {
        etcd = await Etcd.start({ version });
      });
      afterEach(async () => {
        await etcd.remove();
      });

      it('starts, is the version that was asked for, stops and leaves nothing', async () => {
        expect(await etcd.ctl('version')).to.contain(version);
        expect(await etcd.ctl('get', 'nothing')).to.equal('');
        const pid = etcd.pid;
        await etcd.stop();
        expect(() => process.kill(pid, 0)).to.throw('ESRCH');
        await etcd.remove();
        expect(existsSync(etcd.dataDir)).to.be.false;
      });

      it('keeps data over a restart', async () => {
        await etcd.ctl('put', 'a', '1');
        const { pid, endpoint } = etcd;
        await etcd.restart();
        expect(etcd.pid).to.not.equal(pid);
        expect(etcd.endpoint).to.equal(endpoint);
        expect(await etcd.ctl('get', 'a', '--print-value-only')).to.equal('1\n');
      });

      // The rig turns fsync off; this is what makes that good enough for crash tests.
      it('keeps what it acknowledged over a SIGKILL', async () => {
        await Promise.all(Array.from({ length: 20 }, (_, i) => etcd.ctl('put', `k${i}`, 'v')));
        await etcd.kill();
        await etcd.restart();
        expect(await etcd.ctl('get', 'k', '--prefix', '--keys-only')).to.match(/^(k\d+\n\n){20}$/);
      });

      it('answers again after a pause, and can be stopped in one', async () => {
        etcd.pause();
        let answered = false as boolean;
        const put = etcd.ctl('put', 'a', '1').then(() => {
          answered = true;
        });
        await sleep(200); // what must not happen has no event to wait for
        expect(answered).to.be.false;
        etcd.resume();
        await put;
        etcd.pause();
        await etcd.stop();
      });

      it('starts from a snapshot, at its revision', async () => {
        for (const value of ['1', '2', '3']) await etcd.ctl('put', 'a', value);
        const dir = mkdtempSync(join(tmpdir(), 'rig-test-'));
        const file = join(dir, 'snapshot.db');
        await etcd.ctl('snapshot', 'save', file);
        const [clientPort] = await freePorts(1);
        const copy = await startFromSnapshot(file, { version, clientPort: clientPort! });
        try {
          expect(copy.endpoint).to.equal(`http://127.0.0.1:${clientPort!}`);
          const there = await etcd.ctl('get', 'a', '-w', 'json');
          const here = await copy.ctl('get', 'a', '-w', 'json');
          expect(head(here)).to.equal(head(there)).and.to.equal(4);
          expect(await copy.ctl('get', 'a', '--print-value-only')).to.equal('3\n');
        } finally {
          await copy.remove();
          rmSync(dir, { recursive: true });
        }
      });
    });
  }

  it('says why an etcd does not start', async () => {
    let message = '';
    try {
      await Etcd.start({ args: ['--no-such-flag'] });
    } catch (e) {
      message = (e as Error).message;
    }
    expect(message).to.match(/did not start.*no-such-flag/s);
  });
});

/** Collects what a socket receives, and lets a test wait for it. */
class Reader {
  text = '';
  closed = false;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.text += chunk.toString();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
    });
  }

  async until(text: string): Promise<void> {
    while (this.text !== text) await once(this.#socket, 'data');
  }
}

describe('rig: fault proxy', () => {
  let echo: Server;
  let proxy: FaultProxy;
  /** What the echo server has received in all. */
  let received: string;
  let sockets: Socket[];

  beforeEach(async () => {
    received = '';
    sockets = [];
    echo = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => {
        received += chunk.toString();
        echo.emit('received');
      });
      socket.pipe(socket);
    });
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    const { port } = echo.address() as AddressInfo;
    proxy = await FaultProxy.start({ host: '127.0.0.1', port });
  });

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await proxy.close();
    echo.close();
  });

  function open(): { socket: Socket; reader: Reader } {
    const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
    sockets.push(socket);
    return { socket, reader: new Reader(socket) };
  }

  async function arrived(text: string): Promise<void> {
    while (received !== text) await once(echo, 'received');
  }

  it('passes bytes and ends', async () => {
    const { socket, reader } = open();
    socket.end('hello');
    await once(socket, 'close');
    expect(reader.text).to.equal('hello');
    expect(socket.errored).to.be.null;
  });

  it('passes more than any buffer holds, to a reader that is slow to begin', async () => {
    const socket = connect({ port: proxy.port, host: '127.0.0.1' });
    sockets.push(socket);
    const block = Buffer.alloc(1 << 20, 'x');
    let whole = true;
    for (let i = 0; i < 32; i++) whole = socket.write(block);
    expect(whole).to.be.false;
    let size = 0;
    socket.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size === 32 << 20) socket.end();
    });
    await once(socket, 'close');
    expect(size).to.equal(32 << 20);
  });

  it('cuts present connections with a reset and takes new ones', async () => {
    const { socket, reader } = open();
    socket.write('a');
    await reader.until('a');
    proxy.cut();
    await new Promise((resolve) => socket.once('close', resolve));
    expect(socket.errored).to.have.property('code', 'ECONNRESET');
    const next = open();
    next.socket.write('b');
    await next.reader.until('b');
  });

  it('refuses new connections only, and only as long as it should', async () => {
    const present = open();
    present.socket.write('a');
    await present.reader.until('a');
    proxy.refuse(true);
    const refused = open();
    await new Promise((resolve) => refused.socket.once('close', resolve));
    present.socket.write('b');
    await present.reader.until('ab');
    proxy.refuse(false);
    const next = open();
    next.socket.write('c');
    await next.reader.until('c');
  });

  it('stalls both directions without closing or losing anything', async () => {
    const { socket, reader } = open();
    socket.write('a');
    await reader.until('a');
    proxy.stall(true);
    socket.write('b');
    // A connection past the proxy shows that the echo server has had its turn.
    const direct = connect((echo.address() as AddressInfo).port, '127.0.0.1');
    sockets.push(direct);
    direct.write('!');
    await once(direct, 'data');
    expect(received).to.equal('a!');
    expect(reader.closed).to.be.false;
    proxy.stall(false);
    await reader.until('ab');
  });

  it('drops answers while requests go through', async () => {
    const { socket, reader } = open();
    socket.write('a');
    await reader.until('a');
    proxy.dropAnswers(true);
    socket.write('b');
    await arrived('ab');
    expect(reader.text).to.equal('a');
    expect(reader.closed).to.be.false;
    const next = open();
    proxy.dropAnswers(false);
    next.socket.write('c');
    await next.reader.until('c');
  });

  it('delays and keeps the order', async () => {
    const { socket, reader } = open();
    socket.write('a');
    await reader.until('a');
    proxy.delay(30);
    const start = Date.now();
    socket.write('b');
    await arrived('ab');
    proxy.delay(0);
    socket.write('c');
    await reader.until('abc');
    expect(Date.now() - start).to.be.at.least(29);
  });

  it('closes with connections open', async () => {
    const { socket, reader } = open();
    socket.write('a');
    await reader.until('a');
    const closed = once(socket, 'close').catch(() => undefined);
    await proxy.close();
    await closed;
    expect(proxy.connections).to.equal(0);
  });
});
