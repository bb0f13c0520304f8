/** What a peer, or a proxy before it, makes of gRPC is its doing, however odd, and none of our bugs. */
import { expect } from 'chai';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { LockstepError } from '../../src/errors.js';
import { EtcdClient } from '../../src/wire/client.js';

const HEADERS = { ':status': 200, 'content-type': 'application/grpc' };

/** A message with its frame; the first byte says whether it is compressed. */
function framed(compressed: 0 | 1, bytes = 10): Buffer {
  return Buffer.from([compressed, 0, 0, 0, bytes, ...Buffer.alloc(bytes)]);
}

function ends(stream: ServerHttp2Stream, status: string, message?: Buffer): void {
  stream.respond(HEADERS, { waitForTrailers: true });
  stream.once('wantTrailers', () => {
    stream.sendTrailers({ 'grpc-status': status });
  });
  stream.end(message);
}

const ANSWERS: Record<string, (stream: ServerHttp2Stream) => void> = {
  'a status that gRPC does not have': (stream) => {
    ends(stream, '99');
  },
  'a status that is no number': (stream) => {
    ends(stream, 'none');
  },
  'a message that is compressed, and does not say how': (stream) => {
    ends(stream, '0', framed(1));
  },
  'half a message': (stream) => {
    ends(stream, '0', framed(0).subarray(0, 9));
  },
  'success, and no message': (stream) => {
    ends(stream, '0');
  },
};

const CALLS: Record<string, (client: EtcdClient) => Promise<unknown>> = {
  call: async (client) => client.head(),
  watch: async (client) => {
    for await (const _ of (await client.watch()).messages());
    throw new LockstepError('UNAVAILABLE', 'it has ended, which its reader says');
  },
  snapshot: async (client) => {
    for await (const _ of client.snapshot());
    throw new LockstepError('UNAVAILABLE', 'it has ended, which its reader says');
  },
  'list of members': async (client) => client.memberList(),
};

describe('garbled gRPC', () => {
  let server: Http2Server;
  let client: EtcdClient;
  let answer: (stream: ServerHttp2Stream) => void;

  before(async () => {
    server = createServer();
    server.on('stream', (stream) => {
      stream.on('error', () => undefined);
      answer(stream);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  beforeEach(() => {
    const { port } = server.address() as AddressInfo;
    client = new EtcdClient(`http://127.0.0.1:${port}`, 'source');
  });
  afterEach(() => {
    client.close();
  });
  after(() => {
    server.close();
  });

  for (const [what, respond] of Object.entries(ANSWERS))
    for (const [how, call] of Object.entries(CALLS))
      it(`${what}: another try may mend the ${how}`, async () => {
        answer = respond;
        const error: unknown = await call(client).catch((e: unknown) => e);
        expect(error).to.be.instanceOf(LockstepError).with.property('code', 'UNAVAILABLE');
      });
});
