/** Real servers that are told of an event: what they get, and that each is over in time, whatever it does. */
import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import { post, shownUrl } from '../../src/hooks/webhook.js';
import { freePorts } from '../rig/ports.js';

const BODY = JSON.stringify({ event: 'alarm' });
/** Of what is waited for; what never answers is given less. */
const LONG_MS = 60_000;
const SHORT_MS = 500;

async function* endless() {
  while (true) {
    yield '#'.repeat(65_536);
    await new Promise(setImmediate);
  }
}

interface Got {
  method: string | undefined;
  path: string | undefined;
  headers: IncomingMessage['headers'];
  body: string;
}

describe('a server that is told of an event', () => {
  let server: Server;
  let url: URL;
  let got: Got[];
  let answer: (response: ServerResponse, nth: number) => void;
  beforeEach(async () => {
    got = [];
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        const { method, url: path, headers } = request;
        got.push({ method, path, headers, body });
        answer(response, got.length);
      });
      response.on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/T0/secret?k=s`);
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const tell = (withinMs = LONG_MS, signal = new AbortController().signal) =>
    post(url, BODY, signal, withinMs);
  const status = (code: number, headers = {}) => {
    answer = (response) => {
      response.writeHead(code, headers).end('so it is');
    };
  };

  it('gets JSON by POST at the whole address, with user and password where it names them', async () => {
    status(204);
    expect(await tell()).to.equal('');
    url.username = 'a b';
    url.password = 'p%40ss';
    expect(await tell()).to.equal('');
    const [first, second] = got;
    expect(first).to.deep.include({ method: 'POST', path: '/T0/secret?k=s', body: BODY });
    expect(first?.headers).to.include({ 'content-type': 'application/json' });
    expect(first?.headers['user-agent']).to.match(/^etcd-lockstep\/\d/);
    const basic = `Basic ${Buffer.from('a b:p@ss').toString('base64')}`;
    expect([first, second].map((one) => one?.headers.authorization)).to.deep.equal([
      ...[undefined, basic],
    ]);
  });

  it('that has no time, or an error of its own, is asked again', async () => {
    for (const code of [500, 503, 429]) {
      const before = got.length;
      answer = (response, nth) => {
        response.writeHead(nth === before + 1 ? code : 200).end();
      };
      expect(await tell()).to.equal('');
      expect(got.length).to.equal(before + 2);
    }
  });

  it('that says no, or sends us elsewhere, is asked once', async () => {
    status(403);
    expect(await tell()).to.equal('answered with 403');
    status(302, { location: '/elsewhere' });
    expect(await tell()).to.match(/^answered with 302, which is not followed/);
    expect(got.map(({ path }) => path)).to.deep.equal(['/T0/secret?k=s', '/T0/secret?k=s']);
  });

  it('whose answer never ends, or breaks off, has been told', async () => {
    answer = (response) => {
      response.writeHead(200);
      pipeline(endless, response, () => undefined);
    };
    expect(await tell()).to.equal('');
    answer = (response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('#', () => response.destroy());
    };
    expect(await tell()).to.equal('');
  });

  it('that is silent, always fails, or is away, is given up in time', async () => {
    answer = () => undefined;
    expect(await tell(SHORT_MS)).to.equal('gave no answer in time');
    status(502);
    expect(await tell(SHORT_MS)).to.equal('answered with 502');
    const [port = 0] = await freePorts(1);
    url.port = String(port);
    expect(await tell(SHORT_MS))
      .to.match(/ECONNREFUSED/)
      .and.not.to.contain('secret');
  });

  it('is given up at once where the command ends', async () => {
    answer = () => undefined;
    const stop = new AbortController();
    const told = tell(LONG_MS, stop.signal);
    while (got.length === 0) await new Promise(setImmediate);
    stop.abort();
    expect(await told).to.equal('gave no answer in time');
  });

  it('of its address nothing is shown but where it is', () => {
    const shown = shownUrl(new URL('https://u:p@hooks.example.com:8443/T0/secret?k=s#x'));
    expect(shown).to.equal('https://hooks.example.com:8443/…');
  });
});
