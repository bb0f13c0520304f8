/** A learner among the endpoints: whatever it is asked, the next member answers. */
import { Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { expect } from 'chai';
import { EtcdClient } from '../../src/wire/client.js';
import { Etcd } from '../rig/etcd.js';

const REFUSAL = 'etcdserver: rpc not supported for learner';

/** Refuses as a learner does; 3.4 and 3.5 do so with different codes. */
class Learner {
  asked = 0;
  readonly #server = new Server();

  private constructor(code: status) {
    const refusal = Object.assign(new Error(REFUSAL), { code, metadata: new Metadata() });
    const raw = (bytes: Buffer) => bytes;
    const method = (path: string, isStream: boolean) => ({
      path: `/etcdserverpb.${path}`,
      ...{ requestStream: isStream, responseStream: isStream },
      ...{ requestSerialize: raw, requestDeserialize: raw },
      ...{ responseSerialize: raw, responseDeserialize: raw },
    });
    const refuse = (_: unknown, answer: (error: Error) => void) => {
      this.asked++;
      answer(refusal);
    };
    const end = (call: { destroy: (error: Error) => void }) => {
      this.asked++;
      call.destroy(refusal);
    };
    this.#server.addService(
      {
        range: method('KV/Range', false),
        txn: method('KV/Txn', false),
        ttl: method('Lease/LeaseTimeToLive', false),
        watch: method('Watch/Watch', true),
      },
      { range: refuse, txn: refuse, ttl: refuse, watch: end },
    );
  }

  static async start(code: status): Promise<[Learner, endpoint: string]> {
    const learner = new Learner(code);
    const credentials = ServerCredentials.createInsecure();
    const port = await new Promise<number>((resolve, reject) => {
      learner.#server.bindAsync('127.0.0.1:0', credentials, (error, bound) => {
        if (error) reject(error);
        else resolve(bound);
      });
    });
    return [learner, `http://127.0.0.1:${port}`];
  }

  end(): void {
    this.#server.forceShutdown();
  }
}

describe('a learner as the first of two endpoints', () => {
  let etcd: Etcd;
  before(async () => {
    etcd = await Etcd.start();
  });
  after(() => etcd.remove());

  for (const code of [status.FAILED_PRECONDITION, status.UNAVAILABLE])
    it(`reads, transactions and watches go to the other one (${status[code]})`, async () => {
      const [learner, endpoint] = await Learner.start(code);
      const connection = { endpoints: [endpoint, etcd.endpoint] };
      const client = new EtcdClient(connection, 'source');
      try {
        const { revision } = await client.head();
        const put = { requestPut: { key: Buffer.from('k'), value: Buffer.from('v') } };
        expect((await client.txn({ success: [put] })).revision).to.equal(revision + 1);
        const watching = client.another();
        const stream = await watching.watch();
        stream.send({ createRequest: { key: Buffer.from('k'), startRevision: revision + 1 } });
        for await (const { events } of stream.messages()) if (events.length > 0) break;
        watching.close();
        expect(learner.asked).to.be.greaterThan(1);
      } finally {
        client.close();
        learner.end();
      }
    });

  it('alone it is an error that says what it is', async () => {
    const [learner, endpoint] = await Learner.start(status.FAILED_PRECONDITION);
    const client = new EtcdClient(endpoint, 'target');
    const error: unknown = await client.head().catch((thrown: unknown) => thrown);
    client.close();
    learner.end();
    expect((error as Error).message).to.contain('it is a learner, which serves no clients');
  });
});
