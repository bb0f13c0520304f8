/** Carries histories out on a real etcd. */
import { toLong } from '../../src/mvcc/keyvalue.js';
import type { EtcdClient } from '../../src/wire/client.js';
import type { etcdserverpb as pb } from '../../src/wire/gen/etcd.js';
import type { Etcd } from '../rig/etcd.js';
import { FOREIGN, KEYS, RANGES, type Op, type Size, type Write } from './history.js';

type RequestOp = pb.RequestOp.$Properties;

const LEASE_TTL_SECONDS = 600;
const BYTES: Record<Size, number> = { empty: 0, small: 12, page: 5000, megabyte: 1_000_000 };
const MAX_TXN_OPS = 128;
/** Foreign writes under way at once. */
const CONCURRENT = 16;

export class HistoryWriter {
  #sequence = 0;
  #lease = 0n;
  /** Revision of the last write, as the source said it; 1 in a new store. */
  head = 1;
  compacted = 0;
  /** Compactions stay at or below it: a follower that is down must find its history again. */
  compactLimit: (() => Promise<number>) | undefined;

  constructor(
    private readonly etcd: Etcd,
    private readonly client: EtcdClient,
  ) {}

  async all(ops: readonly Op[]): Promise<void> {
    for (const op of ops) await this.apply(op);
  }

  async apply(op: Op): Promise<void> {
    switch (op.kind) {
      case 'put':
        return this.#txn([this.#put(KEYS[op.key]!, op.size, op.lease ? this.#lease : 0n)]);
      case 'delete':
        return this.#txn([{ requestDeleteRange: { key: KEYS[op.key]! } }]);
      case 'delete range':
        return this.#txn([{ requestDeleteRange: RANGES[op.range]! }]);
      case 'txn':
        return this.#txn(op.writes.map((write) => this.#write(write)));
      case 'put and delete':
        return this.#txn(this.#putAndDelete(op));
      case 'foreign':
        return this.#foreign(op.count);
      case 'lease':
        return this.#grant(op.keys);
      case 'revoke':
        return this.#revoke();
      case 'compact':
        return this.#compact(op.percent);
    }
  }

  /**
   * etcd allows the same key twice only as put, then delete, in transactions side by side. The
   * writes stand in front, in the first one.
   */
  #putAndDelete(op: Op & { kind: 'put and delete' }): RequestOp[] {
    const key = KEYS[op.key]!;
    const first = op.writes.filter((write) => write.key !== op.key).map((w) => this.#write(w));
    first.push(this.#put(key, 'small'));
    const more = op.range === null ? { key } : RANGES[op.range]!;
    return [
      { requestTxn: { success: first } },
      { requestTxn: { success: [{ requestDeleteRange: { key } }] } },
      { requestTxn: { success: [{ requestDeleteRange: more }] } },
    ];
  }

  async #foreign(count: number): Promise<void> {
    let left = count;
    const worker = async () => {
      while (left-- > 0) await this.#txn([this.#put(FOREIGN[left % FOREIGN.length]!, 'small')]);
    };
    await Promise.all(Array.from({ length: CONCURRENT }, worker));
  }

  async #grant(keys: number): Promise<void> {
    // Two lives may use one writer: nobody may put with a lease that is not granted yet.
    const lease = 0x7000_0000_0000_0000n + BigInt(++this.#sequence);
    await this.client.leaseGrant(lease, LEASE_TTL_SECONDS);
    this.#lease = lease;
    for (let i = 0; i < keys; i += MAX_TXN_OPS) {
      const ops: RequestOp[] = [];
      for (let j = i; j < Math.min(keys, i + MAX_TXN_OPS); j++) {
        const folder = j % 2 === 0 || keys > 1000 ? 'pods' : 'events';
        const key = Buffer.from(`/registry/${folder}/leased-${lease}-${j}`);
        ops.push(this.#put(key, 'small', lease));
      }
      await this.#txn(ops);
    }
  }

  async #revoke(): Promise<void> {
    if (this.#lease === 0n) return;
    await this.etcd.ctl('lease', 'revoke', this.#lease.toString(16));
    this.#lease = 0n;
    this.head = (await this.client.head()).revision;
  }

  async #compact(percent: number): Promise<void> {
    const limit = Math.min(this.head, (await this.compactLimit?.()) ?? this.head);
    const revision = this.compacted + Math.floor(((limit - this.compacted) * percent) / 100);
    if (revision <= this.compacted) return;
    await this.client.compact(revision);
    this.compacted = revision;
  }

  #write({ key, size, delete: gone }: Write): RequestOp {
    return gone ? { requestDeleteRange: { key: KEYS[key]! } } : this.#put(KEYS[key]!, size);
  }

  /** Every value is another one, so that a row in the wrong place shows. */
  #put(key: Buffer, size: Size, lease = 0n): RequestOp {
    const value = Buffer.alloc(BYTES[size], `${++this.#sequence}.`);
    return { requestPut: { key, value, ...(lease === 0n ? {} : { lease: toLong(lease) }) } };
  }

  async #txn(success: RequestOp[]): Promise<void> {
    const { revision } = await this.client.txn({ success });
    this.head = Math.max(this.head, revision);
  }
}
