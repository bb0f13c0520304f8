/** The listener by itself: whom it answers, what it refuses, and that nobody who looks can do it harm. */
import { expect } from 'chai';
import { request, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseListenAddress } from '../../src/config/listenaddress.js';
import { LockstepError } from '../../src/errors.js';
import { isOurHost } from '../../src/listen/hostcheck.js';
import { Listener, type Shown } from '../../src/listen/listener.js';
import type { View } from '../../src/listen/view.js';
import { followed } from './fixtures.js';

interface Answered {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

async function ask(url: string, options: RequestOptions = {}): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent: false, ...options }, (answer) => {
      let body = '';
      answer.on('data', (chunk: Buffer) => (body += chunk.toString()));
      answer.on('end', () => {
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body });
      });
      answer.on('error', reject);
    });
    asked.on('error', reject);
    asked.end();
  });
}

const LOOPBACK = { host: '127.0.0.1', port: 0 };

describe('the listener', () => {
  let listener: Listener | undefined;
  const notes: string[] = [];
  const sockets: Socket[] = [];
  afterEach(async () => {
    await listener?.close();
    listener = undefined;
    for (const socket of sockets.splice(0)) socket.destroy();
    notes.length = 0;
  });

  async function open(shown: Partial<Shown> = {}, address = LOOPBACK): Promise<string> {
    const all = { view: () => followed(), status: () => undefined, ...shown };
    listener = await Listener.open(address, all, (note) => notes.push(note));
    return listener.url;
  }

  /** A reader of /events that reads only what it is told to. */
  async function viewer(url: string): Promise<Socket> {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    return socket;
  }

  it('view, status, health and readiness, as text and JSON', async () => {
    let view: View = followed();
    const printed: object[] = [];
    const url = await open({ view: () => view, status: () => printed.at(-1) });
    const shown = await ask(`${url}view.json`);
    expect(shown.headers['content-type']).to.equal('application/json');
    expect(JSON.parse(shown.body)).to.deep.equal(view);
    expect((await ask(`${url}status.json`)).status).to.equal(503);
    printed.push({ state: 'x' });
    expect((await ask(`${url}status.json`)).body).to.equal('{"state":"x"}\n');
    expect(await ask(`${url}healthz?x=1`)).to.deep.include({ status: 200, body: 'ok\n' });
    expect(await ask(`${url}readyz`)).to.deep.include({
      ...{ status: 200, body: `ready: ${view.sentence}\n` },
    });
    view = { ...view, ready: false, sentence: 'It waits.' };
    expect(await ask(`${url}readyz`)).to.deep.include({
      ...{ status: 503, body: 'not ready: It waits.\n' },
    });
    expect((await ask(`${url}nothing`)).status).to.equal(404);
    expect((await ask(`${url}..%2f..%2fpackage.json`)).status).to.equal(404);
    expect((await ask(`${url}metrics`)).headers['content-type']).to.match(/^text\/plain; version=/);
    const head = await ask(`${url}metrics`, { method: 'HEAD' });
    expect(head).to.deep.include({ status: 200, body: '' });
  });

  it('only reads; and whatever it answers, a browser keeps it to itself', async () => {
    const url = await open();
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const { status, headers } = await ask(`${url}view.json`, { method });
      expect([status, headers.allow]).to.deep.equal([405, 'GET, HEAD']);
    }
    for (const path of ['', 'view.json', 'nothing', 'metrics']) {
      const { headers } = await ask(`${url}${path}`);
      expect(headers['content-security-policy']).to.match(
        /^default-src 'none'; script-src 'self';/,
      );
      expect(headers).to.deep.include({
        ...{ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' },
        ...{ 'cache-control': 'no-store', 'cross-origin-resource-policy': 'same-origin' },
      });
      expect(headers).not.to.have.property('access-control-allow-origin');
    }
  });

  it('answers under its own names alone', async () => {
    const url = await open();
    const { port } = new URL(url);
    const statusOf = async (host: string) =>
      (await ask(`${url}view.json`, { headers: { host } })).status;
    for (const host of [`localhost:${port}`, '127.0.0.1', 'LOCALHOST', '[::1]:8080', '127.9.9.9'])
      expect(await statusOf(host), host).to.equal(200);
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '10.0.0.1',
      'localhost.evil.example',
    ])
      expect(await statusOf(host), host).to.equal(421);
    for (const path of ['events', 'metrics', 'healthz'])
      expect((await ask(`${url}${path}`, { headers: { host: 'evil.example' } })).status).to.equal(
        421,
      );
  });

  it('listens at IPv6, too', async () => {
    const url = await open({}, { host: '::1', port: 0 });
    expect(url).to.match(/^http:\/\/\[::1\]:\d+\/$/);
    expect((await ask(`${url}healthz`)).status).to.equal(200);
  });

  it('an address that is in use, or not of this machine, is refused with what to do', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    for (const [address, why] of [
      [{ host: '127.0.0.1', port }, `cannot listen on 127.0.0.1:${port}: another process does`],
      [
        { host: '203.0.113.1', port: 0 },
        'cannot listen on 203.0.113.1:0: this machine has no such',
      ],
    ] as const) {
      const error = await open({}, address).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(LockstepError);
      expect(error).to.deep.include({ code: 'CANNOT_LISTEN', disposition: 'usage' });
      expect((error as LockstepError).message).to.contain(why);
      expect((error as LockstepError).hint).to.contain('--listen');
    }
    taken.close();
  });

  it('a view that cannot be made is an answer of 500 and is told once, and it goes on', async () => {
    let broken = true;
    const url = await open({
      view: () => {
        if (broken) throw new TypeError('a bug');
        return followed();
      },
    });
    expect((await ask(`${url}view.json`)).status).to.equal(500);
    expect((await ask(`${url}metrics`)).status).to.equal(500);
    expect((await ask(`${url}healthz`)).status).to.equal(200);
    expect(notes).to.have.lengthOf(1);
    expect(notes[0]).to.contain('a bug');
    broken = false;
    expect((await ask(`${url}view.json`)).status).to.equal(200);
  });

  it('events: the view at once, then each second', async () => {
    let lag = 0;
    const view = () => followed({ lagRevisions: lag++, lagSeconds: 0 });
    const socket = await viewer(await open({ view }));
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const events = () => [...text.matchAll(/^event: view\ndata: (.*)\n\n/gm)];
    while (events().length < 3) await sleep(20);
    expect(text).to.contain('content-type: text/event-stream');
    const lags = events().map(([, data]) => (JSON.parse(data ?? '') as View).lag?.revisions ?? 0);
    expect(lags).to.deep.equal([...new Set(lags)].sort((a, b) => a - b));
  });

  it('a reader of events that does not read is dropped, and little is kept for him', async () => {
    // More than the system takes for a socket, in the first event.
    const message = 'x'.repeat(16 * 1024 * 1024);
    const trouble = { code: 'UNAVAILABLE', message, hint: null, since: '2026-03-01T20:00:00.000Z' };
    const view = { ...followed(), trouble } as View;
    const url = await open({ view: () => view });
    const socket = await viewer(url);
    const closed = once(socket, 'close');
    // Long enough for some ticks, and for being dropped.
    await sleep(7000);
    let events = 0;
    socket.on(
      'data',
      (chunk: Buffer) => (events += chunk.toString().split('event: view').length - 1),
    );
    await closed;
    expect(events).to.be.lessThan(2);
    expect((await ask(`${url}healthz`)).status).to.equal(200);
  });

  it('no more than sixteen at once; who leaves makes room', async () => {
    const url = await open();
    const all = await Promise.all(Array.from({ length: 16 }, () => viewer(url)));
    await Promise.all(all.map((socket) => once(socket, 'data')));
    expect((await ask(`${url}events`)).status).to.equal(503);
    all[0]?.destroy();
    while ((await statusAlone(url)) === 503) await sleep(20);
    expect((await ask(`${url}healthz`)).status).to.equal(200);
  });

  /** Of /events, without waiting for its end. */
  async function statusAlone(url: string): Promise<number> {
    const socket = await viewer(url);
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    return Number(/^HTTP\/1\.1 (\d+)/.exec(chunk.toString())?.[1]);
  }

  it('closed, it tells the last view and waits for nobody', async () => {
    let view: View = followed();
    const url = await open({ view: () => view });
    const [reads, hangs] = [await viewer(url), await viewer(url)];
    let text = '';
    reads.on('data', (chunk: Buffer) => (text += chunk.toString()));
    while (!text.includes('event: view')) await sleep(20);
    hangs.pause();
    view = { ...view, state: 'failed' };
    const started = performance.now();
    await listener?.close();
    expect(performance.now() - started).to.be.lessThan(1000);
    listener = undefined;
    while (!text.includes('"state":"failed"')) await sleep(20);
    const refused = await ask(url).catch((error: unknown) => error);
    expect(refused).to.have.property('code', 'ECONNREFUSED');
  });
});

describe('the address to listen on', () => {
  it('a port alone is of loopback; a host is what was given', () => {
    for (const [typed, host, port] of [
      [':2390', '127.0.0.1', 2390],
      ['2390', '127.0.0.1', 2390],
      ['0', '127.0.0.1', 0],
      ['0.0.0.0:2390', '0.0.0.0', 2390],
      ['[::1]:2390', '::1', 2390],
      ['node-1.example:80', 'node-1.example', 80],
    ] as const)
      expect(parseListenAddress(typed), typed).to.deep.equal({ host, port });
    for (const typed of [
      '',
      'x',
      '::1:2390',
      '[::1]',
      '[x]:1',
      ':65536',
      'a:b',
      'http://a:1',
      '-1',
    ])
      expect(parseListenAddress(typed), typed).to.equal(undefined);
  });

  it('a name of a request is ours, or it is not', () => {
    expect(isOurHost('10.0.0.9:2390', '0.0.0.0', '10.0.0.9')).to.equal(true);
    expect(isOurHost('10.0.0.8:2390', '0.0.0.0', '10.0.0.9')).to.equal(false);
    expect(isOurHost('10.0.0.9', '::', '::ffff:10.0.0.9')).to.equal(true);
    expect(isOurHost('[fd00::1]:1', '::', 'fd00:0:0::1')).to.equal(true);
    expect(isOurHost('node-1.example', 'Node-1.example', '10.0.0.9')).to.equal(true);
    for (const header of [undefined, '', ' ', 'a@localhost', 'localhost/x', '0x7f.1.evil.example'])
      expect(isOurHost(header, '0.0.0.0', '10.0.0.9'), header).to.equal(false);
  });
});
