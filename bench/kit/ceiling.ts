/** What one target takes from one client of ours, if nothing but writing has to be done. */
import { encodeCursor, CURSOR_FORMAT } from '../../src/target/cursor.js';
import type { EtcdClient } from '../../src/wire/client.js';
import { etcdserverpb as pb } from '../../src/wire/gen/etcd.js';
import { podKey, PODS, type Values } from './data.js';
import { put } from './load.js';
import { percentile } from './result.js';

const SECONDS = 3;
const READS = 50;
const CURSOR = Buffer.from('bench/cursor');
/** As long as the cursor that the follower writes. */
const CURSOR_VALUE = encodeCursor({
  format: CURSOR_FORMAT,
  source: 'c0ffee00c0ffee00',
  prefixes: [PODS],
  revision: 123_456,
  keys: 10_000,
  checksum: '0123456789abcdef',
  ownWrites: 123_456,
  gap: null,
  follower: '01234567-89ab-cdef-0123-456789abcdef',
  at: new Date(0).toISOString(),
});

/** Guarded transactions, one after another: a pod and a cursor, if the cursor is the last one's. In revisions/s. */
export async function sequential(client: EtcdClient, values: Values): Promise<number> {
  let mod = await put(client, CURSOR, CURSOR_VALUE);
  return perSecond(async (i) => {
    const { succeeded, revision } = await client.txn({
      compare: [
        {
          result: pb.Compare.CompareResult.EQUAL,
          target: pb.Compare.CompareTarget.MOD,
          key: CURSOR,
          modRevision: mod,
        },
      ],
      success: [
        { requestPut: { key: podKey(i), value: values.value(i) } },
        { requestPut: { key: CURSOR, value: CURSOR_VALUE } },
      ],
    });
    if (!succeeded) throw new Error('somebody else writes here');
    mod = revision;
  }, 1);
}

/** Small puts without any order, so many at once. In revisions/s. */
export async function concurrent(client: EtcdClient, inFlight: number): Promise<number> {
  const keys = Array.from({ length: inFlight }, (_, i) => Buffer.from(`bench/slot/${i}`));
  const value = Buffer.alloc(0);
  return perSecond(async (_, worker) => {
    await put(client, keys[worker]!, value);
  }, inFlight);
}

/** Of a small read, in ms: what the way there and back takes, and the server's least. */
export async function roundTrip(client: EtcdClient): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < READS; i++) {
    const started = performance.now();
    await client.head();
    times.push(performance.now() - started);
  }
  return percentile(times, 0.5);
}

async function perSecond(
  write: (i: number, worker: number) => Promise<void>,
  workers: number,
): Promise<number> {
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1000;
  let done = 0;
  const work = async (worker: number): Promise<void> => {
    while (elapsed() < SECONDS) {
      await write(done, worker);
      done++;
    }
  };
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)));
  return done / elapsed();
}
