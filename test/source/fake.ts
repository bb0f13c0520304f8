/** An etcd that says what a test tells it to: what a real one does only on bad days, or never again. */
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { encodeKeyValue } from '../../src/mvcc/keyvalue.js';
import { etcdserverpb as pb } from '../../src/wire/gen/etcd.js';

export const CLUSTER = 0xfeed;

export interface FakeEvent {
  key: string;
  revision: number;
  delete?: boolean;
}

export interface FakeMessage {
  /** In the header; the store's head unless given. */
  revision?: number;
  cluster?: number;
  created?: boolean;
  fragment?: boolean;
  canceled?: boolean;
  compactRevision?: number;
  cancelReason?: string;
  events?: FakeEvent[];
}

type Stream = ServerDuplexStream<pb.WatchRequest, Buffer>;

/** Every watch gets the same script, then silence. Range answers with the head alone. */
export class FakeEtcd {
  /** The create requests that came in. */
  readonly created: pb.WatchCreateRequest.$Properties[] = [];
  progressRequests = 0;
  readonly #server = new Server();

  private constructor(
    readonly head: number,
    private readonly script: readonly FakeMessage[],
  ) {}

  static async start(
    head: number,
    script: readonly FakeMessage[],
  ): Promise<FakeEtcd & { endpoint: string }> {
    const fake = new FakeEtcd(head, script);
    fake.#serve();
    const port = await new Promise<number>((resolve, reject) => {
      fake.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, at) => {
        if (error) reject(error);
        else resolve(at);
      });
    });
    return Object.assign(fake, { endpoint: `http://127.0.0.1:${port}` });
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  #serve(): void {
    const bytes = { responseSerialize: (b: Buffer) => b, responseDeserialize: (b: Buffer) => b };
    this.#server.addService(
      {
        range: {
          path: '/etcdserverpb.KV/Range',
          requestStream: false,
          responseStream: false,
          requestSerialize: (b: Buffer) => b,
          requestDeserialize: (b: Buffer) => b,
          ...bytes,
        },
        watch: {
          path: '/etcdserverpb.Watch/Watch',
          requestStream: true,
          responseStream: true,
          requestSerialize: (b: Buffer) => b,
          requestDeserialize: (b: Buffer) => pb.WatchRequest.decode(b),
          ...bytes,
        },
      },
      {
        range: (_call: unknown, done: (error: null, answer: Buffer) => void) => {
          const header = { clusterId: CLUSTER, revision: this.head };
          done(null, Buffer.from(pb.RangeResponse.encode({ header }).finish()));
        },
        watch: (stream: Stream) => {
          stream.on('data', (request: pb.WatchRequest) => {
            this.#answer(stream, request);
          });
          stream.on('error', () => undefined);
        },
      },
    );
  }

  #answer(stream: Stream, request: pb.WatchRequest): void {
    if (request.progressRequest) this.progressRequests++;
    if (!request.createRequest) return;
    this.created.push(request.createRequest);
    for (const message of this.script) stream.write(this.#encode(message));
  }

  #encode({ revision, cluster, events, ...rest }: FakeMessage): Buffer {
    const header = { clusterId: cluster ?? CLUSTER, revision: revision ?? this.head };
    const message = { header, ...rest, events: (events ?? []).map(encodeEvent) };
    return Buffer.from(pb.WatchResponse.encode(message).finish());
  }
}

function encodeEvent({ key, revision, delete: gone }: FakeEvent): pb.Event.$Properties {
  const { DELETE, PUT } = pb.Event.EventType;
  const kv = { key: Buffer.from(key), modRevision: revision };
  const put = { ...kv, createRevision: revision, version: 1, value: Buffer.from(`v${revision}`) };
  return { type: gone ? DELETE : PUT, kv: encodeKeyValue(gone ? kv : put) };
}
