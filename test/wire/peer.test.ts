/** What is said to a peer port, byte for byte, and what is made of its answers. */
import { expect } from 'chai';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Peer } from '../../src/wire/peer.js';
import { readMessage } from '../target/raft.js';

/** Both round to the same number, and neither to itself. */
const ID = 0x8e9e05c52164694dn;
const NEXT_TO_IT = ID + 2n;
const ENTRIES = [Buffer.from([1, 2, 3]), Buffer.alloc(70_000, 'x'), Buffer.from('last')];

interface Answer {
  status: number;
  body?: string;
  /** Never ends, as etcd's do whose handler panics. */
  endless?: boolean;
}

interface Asked {
  path: string;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

describe('a peer port', () => {
  let server: Server;
  let asked: Asked[];
  let answers: Answer[];
  let peers: Peer[];

  before(async () => {
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { url: path = '', headers } = request;
        asked.push({ path, headers, body: Buffer.concat(chunks) });
        const { status, body = '', endless = false }: Answer = answers.shift() ?? { status: 204 };
        response.writeHead(status);
        if (endless) response.write(body);
        else response.end(body);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    [asked, answers, peers] = [[], [], []];
  });
  afterEach(() => {
    for (const peer of peers) peer.close();
  });

  function peer(...ids: bigint[]): Peer {
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    const made = new Peer({ url, ids, clusterId: 'cdf818194e3a8c32', version: '3.5.16', tls: {} });
    peers.push(made);
    return made;
  }

  async function refusal(what: Promise<void>): Promise<unknown> {
    return what.then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  it('is handed the entries in one message, in their order, and nothing else', async () => {
    await peer(ID).propose(ENTRIES);
    const [{ path, headers, body } = { path: '', headers: {}, body: Buffer.alloc(0) }] = asked;
    expect(path).to.equal('/raft');
    expect(headers).to.include({
      'x-etcd-cluster-id': 'cdf818194e3a8c32',
      'x-server-from': '8e9e05c52164694d',
      'x-server-version': '3.5.16',
      'x-min-cluster-version': '3.0.0',
      'content-length': String(body.length),
    });
    const { type, to, from, entries, ...rest } = readMessage(body);
    expect(rest, 'anything else').to.deep.equal({});
    expect([type, to, from]).to.deep.equal([2, String(ID), String(ID)]);
    expect(entries.map(({ Data }) => Data)).to.deep.equal(ENTRIES);
    expect(entries.flatMap(Object.keys)).to.deep.equal(['Data', 'Data', 'Data']);
  });

  it('uses one connection for all', async () => {
    const ports = new Set<number | undefined>();
    server.on('request', ({ socket }) => ports.add(socket.remotePort));
    const one = peer(ID);
    for (let i = 0; i < 5; i++) await one.propose(ENTRIES);
    expect(ports.size).to.equal(1);
  });

  it('is never handed a message without entries, at which raft panics', async () => {
    expect(await refusal(peer(ID).propose([]))).to.be.instanceOf(Error);
    expect(asked).to.deep.equal([]);
  });

  for (const [version, mismatch] of Object.entries({
    '3.5': { status: 500, body: 'error processing raft message\n', endless: true },
    'newer ones': { status: 403, body: 'cannot process message to mismatch member\n' },
  }))
    it(`of a member that is not known is asked as each in turn, as ${version} answers`, async () => {
      answers.push(mismatch, mismatch);
      const one = peer(ID, 2n, 3n);
      await one.propose(ENTRIES);
      await one.propose(ENTRIES);
      const to = asked.map(({ body }) => readMessage(body).to);
      expect(to).to.deep.equal([String(ID), '2', '3', '3']);
    }).timeout(4000);

  for (const [what, answer] of Object.entries({
    'another cluster': { status: 412, body: 'cluster ID mismatch\n' },
    'a member that was removed': {
      status: 403,
      body: 'cannot process message from removed member\n',
    },
    'no such page': { status: 404, body: 'not found' },
    'a fault': { status: 500, body: 'error processing raft message' },
    'a page': { status: 200, body: '<html>' },
  }))
    it(`answers with ${what}: PEER_PORT, with its words`, async () => {
      answers.push(answer);
      const error = await refusal(peer(ID).propose(ENTRIES));
      expect(error).to.include({ code: 'PEER_PORT', side: 'target' });
      expect((error as Error).message).to.contain(`${answer.status}: ${answer.body.trim()}`);
    });

  it('is greeted: the ids are compared to the last digit', async () => {
    const list = (id: bigint) => `[{"id":${id},"peerURLs":["http://a:2380"],"name":"m1"}]\n`;
    answers.push({ status: 200, body: list(ID) }, { status: 200, body: list(NEXT_TO_IT) });
    await peer(ID).greet();
    const error = await refusal(peer(ID).greet());
    expect(error).to.include({ code: 'PEER_PORT' });
    expect((error as Error).message).to.contain('a member of another cluster answers there');
    expect(asked.map(({ path }) => path)).to.deep.equal(['/members', '/members']);
  });

  it('that is none says so when it is greeted', async () => {
    answers.push({ status: 404 }, { status: 200, body: 'welcome' });
    for (let i = 0; i < 2; i++) {
      const error = await refusal(peer(ID).greet());
      expect((error as Error).message).to.match(/no etcd's peer port answers there/);
      expect(error).to.have.property('hint').that.contains('2380');
    }
  });
});
