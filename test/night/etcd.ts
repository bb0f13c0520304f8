/** An etcd as one process sees it: the client's face on a store of the model. */
import { LockstepError } from '../../src/errors.js';
import { encodeKeyValue } from '../../src/mvcc/keyvalue.js';
import { OWN_PREFIX } from '../../src/mvcc/prefix.js';
import type { Record } from '../../src/mvcc/record.js';
import type { Revision } from '../../src/mvcc/revision.js';
import { SLOT_PREFIX } from '../../src/target/guard.js';
import {
  EtcdClient,
  type Header,
  type MemberStatus,
  type RangeAnswer,
  type RangeQuery,
  type ServerStatus,
  type WatchStream,
} from '../../src/wire/client.js';
import { etcdserverpb as pb } from '../../src/wire/gen/etcd.js';
import type { Planted } from './machine.js';
import type { Process } from './process.js';
import { within, type Store } from './store.js';

export type Side = 'source' | 'target';
export type Txn = pb.TxnRequest.$Properties;

export interface SimulatedOptions {
  /** How much later events and progress come, in ms; Infinity: they never do. */
  watchDelayMs: number;
  planted: Planted;
  /** Told of each transaction that has taken effect. */
  onTxn: (request: Txn) => void;
}

export class SimulatedEtcd extends EtcdClient {
  #looks = 0;
  #first: RangeAnswer | undefined;

  constructor(
    readonly process: Process,
    readonly store: Store,
    readonly which: Side,
    private readonly options: SimulatedOptions,
  ) {
    // Nothing is ever sent there.
    super('http://127.0.0.1:1', which);
  }

  override another(): EtcdClient {
    return this;
  }

  override close(): void {
    // There is no connection.
  }

  override range(query: RangeQuery): Promise<RangeAnswer> {
    return this.process.call(
      'etcd',
      `${this.side}: read ${text(query.key)}`,
      isOwn(query.key),
      () => (query.rangeEnd && isOwn(query.key) ? this.#look(query) : this.#read(query)),
    );
  }

  override few(query: RangeQuery): Promise<RangeAnswer> {
    return this.range(query);
  }

  override async head(): Promise<Header> {
    return this.process.call('etcd', `${this.side}: head`, false, () => this.#header());
  }

  override txn(request: Txn): Promise<{ succeeded: boolean; revision: Revision }> {
    return this.process.call('etcd', `${this.side}: ${describe(request)}`, true, () => {
      const { planted, onTxn } = this.options;
      const answer = this.store.txn(planted.txn?.(request, this.which) ?? request);
      if (answer.succeeded) onTxn(request);
      return answer;
    });
  }

  override async memberStatus(): Promise<MemberStatus> {
    const status = await this.status();
    return {
      ...status,
      ...{ memberId: '1', leader: '1', dbBytes: 0, dbBytesInUse: 0 },
      ...{ quotaBytes: undefined, isLearner: false, alarms: [] },
    };
  }

  override status(): Promise<ServerStatus> {
    return this.process.call('etcd', `${this.side}: status`, false, () => ({
      version: '3.5.21',
      clusterId: this.store.clusterId,
      head: this.store.head,
    }));
  }

  override compact(): Promise<void> {
    throw new Error('nobody compacts at night');
  }

  override leaseTtl(): Promise<number | undefined> {
    return Promise.resolve(undefined);
  }

  override leaseGrant(): Promise<void> {
    throw new LockstepError('ETCD', 'there are no leases in the model');
  }

  override watch(): Promise<WatchStream> {
    return this.process.call('etcd', `${this.side}: watch`, false, () => this.#watch());
  }

  #header(): Header {
    return { clusterId: this.store.clusterId, revision: this.store.head };
  }

  #read({ key, rangeEnd, revision, limit, countOnly }: RangeQuery): RangeAnswer {
    const range = {
      key: Buffer.from(key),
      ...(rangeEnd ? { rangeEnd: Buffer.from(rangeEnd) } : {}),
    };
    const all = this.store.range(range, revision);
    const rows = countOnly ? [] : all.slice(0, limit ? limit : undefined);
    return { header: this.#header(), rows, more: rows.length < all.length, count: all.length };
  }

  #look(query: RangeQuery): RangeAnswer {
    const before = this.#looks++ === 1 ? this.#first : undefined;
    const now = this.#read(query);
    this.#first ??= now;
    return (this.options.planted.looksOnce && before) || now;
  }

  #watch(): WatchStream {
    const { store } = this;
    const queue: pb.WatchResponse[] = [];
    let cancelled = false;
    let wake: () => void = () => undefined;
    let watched: pb.WatchCreateRequest.$Properties = {};
    const push = (message: pb.WatchResponse.$Properties) => {
      const sent = said(this.#header(), message);
      const add = () => {
        queue.push(sent);
        wake();
      };
      if (this.options.watchDelayMs === 0) add();
      else if (Number.isFinite(this.options.watchDelayMs))
        setTimeout(add, this.options.watchDelayMs);
    };
    const onRows = (rows: readonly Record[]) => {
      const events = rows
        .filter(({ key }) => within(key, watched.key ?? key, watched.rangeEnd))
        .map(toEvent);
      if (events.length > 0) push({ events });
    };
    return {
      send: ({ createRequest, progressRequest }) => {
        if (createRequest) {
          watched = createRequest;
          push({ created: true });
          for (const rows of byRevision(store.since(Number(createRequest.startRevision ?? 0))))
            onRows(rows);
          store.watchers.add(onRows);
        }
        if (progressRequest) push({});
      },
      end: () => undefined,
      cancel: () => {
        cancelled = true;
        store.watchers.delete(onRows);
        wake();
      },
      messages: async function* () {
        while (!cancelled) {
          const message = queue.shift();
          if (message) yield message;
          else
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
        }
      },
    };
  }
}

/** A message bears the store's head at the moment when it is sent. */
function said({ clusterId, revision }: Header, message: pb.WatchResponse.$Properties) {
  const header = { clusterId: parseInt(clusterId, 16), revision };
  return new pb.WatchResponse({ header, ...message });
}

function toEvent({ main, tombstone, key, bytes }: Record): pb.Event.$Properties {
  if (!tombstone) return { type: pb.Event.EventType.PUT, kv: bytes };
  return { type: pb.Event.EventType.DELETE, kv: encodeKeyValue({ key, modRevision: main }) };
}

function byRevision(rows: readonly Record[]): Record[][] {
  const all = new Map<Revision, Record[]>();
  for (const row of rows) all.set(row.main, [...(all.get(row.main) ?? []), row]);
  return [...all.values()];
}

/** Whether it is about what belongs to etcd-lockstep. */
function isOwn(key: Uint8Array): boolean {
  return text(key).startsWith(OWN_PREFIX);
}

/** All fillers that go out together are one thing. */
export function isRaise({ success }: Txn): boolean {
  const puts = (success ?? []).map(({ requestPut }) => requestPut?.key);
  return puts.length > 0 && puts.every((key) => key && text(key).startsWith(SLOT_PREFIX));
}

function describe(request: Txn): string {
  if (isRaise(request)) return 'raise';
  return (request.success ?? [])
    .map(({ requestPut, requestDeleteRange }) => {
      if (requestPut) return `put ${text(requestPut.key ?? Buffer.alloc(0))}`;
      return `delete ${text(requestDeleteRange?.key ?? Buffer.alloc(0))}`;
    })
    .join(', ');
}

export function text(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}
