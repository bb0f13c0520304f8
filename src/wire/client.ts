/**
 * One etcd, spoken to over grpc-js: only the calls that data goes through.
 *
 * The etcd3 package is not used for these: its watcher resumes from a response header's revision
 * and its policies send a Put again whose answer was lost. Nothing here is ever sent twice; a
 * failed call is reported and the caller, who knows what a second try would mean, decides.
 */
import {
  Client,
  Metadata,
  credentials,
  type ClientDuplexStream,
  type ClientReadableStream,
} from '@grpc/grpc-js';
import { noop } from 'cockatiel';
import { Etcd3, type IOptions } from 'etcd3';
import { LockstepError } from '../errors.js';
import { safeRevision, type Revision } from '../mvcc/revision.js';
import { toBigInt, toLong } from '../mvcc/keyvalue.js';
import { etcdserverpb as pb } from './gen/etcd.js';
import { mapError, type Side } from './errors.js';

/**
 * Bytes in one answer. Pages are asked for in sizes far below this (source/pages.ts), watch
 * messages come in fragments of the server's request limit (1.5 MiB by default).
 */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const FLOW_CONTROL_WINDOW_BYTES = 8 * 1024 * 1024;
const CALL_TIMEOUT_MS = 10_000;
/** A page of a range may take a loaded server longer. */
const RANGE_TIMEOUT_MS = 30_000;

const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': -1,
  'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  // Every client has its own connection, so that a watch never stands in line behind writes.
  'grpc.use_local_subchannel_pool': 1,
  // A hidden resend of a Txn could apply it twice.
  'grpc.enable_retries': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
};

interface Codec<T, P> {
  encode(message: P): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

/** The parts of a server's status that we use. */
export interface ServerStatus {
  version: string;
  clusterId: string;
  memberId: string;
  head: Revision;
  dbBytes: number;
}

/** What stands in every answer's header. */
export interface Header {
  /** Hexadecimal, as etcdctl prints it. */
  clusterId: string;
  /** The store's head when it answered: no proof of anything that came before on a watch. */
  revision: Revision;
}

export interface RangeAnswer {
  header: Header;
  /** mvccpb.KeyValue messages as they came. */
  rows: Buffer[];
  more: boolean;
  /** Keys in the whole range, not only in this answer. */
  count: number;
}

export interface RangeQuery {
  key: Uint8Array;
  rangeEnd?: Uint8Array;
  revision?: Revision;
  limit?: number;
  keysOnly?: boolean;
}

/** A watch stream: requests go in, messages come out, and a paused reader pauses the server. */
export interface WatchStream {
  send(request: pb.WatchRequest.$Properties): void;
  messages(): AsyncGenerator<pb.WatchResponse>;
  cancel(): void;
}

export class EtcdClient {
  readonly #client: Client;

  constructor(
    readonly endpoint: string,
    readonly side: Side,
  ) {
    const { host } = new URL(endpoint);
    this.#client = new Client(host, credentials.createInsecure(), CHANNEL_OPTIONS);
  }

  close(): void {
    this.#client.close();
  }

  /** @throws LockstepError COMPACTED, FUTURE_REVISION, ANSWER_TOO_LARGE, UNAVAILABLE, … */
  async range(query: RangeQuery, timeoutMs = RANGE_TIMEOUT_MS): Promise<RangeAnswer> {
    const request = {
      key: query.key,
      rangeEnd: query.rangeEnd ?? null,
      revision: query.revision ?? 0,
      limit: query.limit ?? 0,
      keysOnly: query.keysOnly ?? false,
    };
    const answer = await this.#unary(
      'KV/Range',
      pb.RangeRequest,
      pb.RangeResponse,
      request,
      timeoutMs,
    );
    return {
      header: readHeader(answer.header),
      rows: answer.kvs.map(asBuffer),
      more: answer.more,
      count: safeRevision(answer.count),
    };
  }

  /** The store's head now, by a linearizable read. */
  async head(): Promise<Header> {
    return (await this.range({ key: Buffer.from('\0'), limit: 1 }, CALL_TIMEOUT_MS)).header;
  }

  /** One transaction; `revision` is the head after it, which is its own if it wrote anything. */
  async txn(
    request: pb.TxnRequest.$Properties,
  ): Promise<{ succeeded: boolean; revision: Revision }> {
    const answer = await this.#unary('KV/Txn', pb.TxnRequest, pb.TxnResponse, request);
    return { succeeded: answer.succeeded, revision: readHeader(answer.header).revision };
  }

  /** Compacts; a revision that is compacted already counts as done. */
  async compact(revision: Revision): Promise<void> {
    try {
      await this.#unary('KV/Compact', pb.CompactionRequest, pb.CompactionResponse, { revision });
    } catch (error) {
      if (!(error instanceof LockstepError && error.code === 'COMPACTED')) throw error;
    }
  }

  async leaseGrant(id: bigint, ttlSeconds: number): Promise<void> {
    await this.#unary('Lease/LeaseGrant', pb.LeaseGrantRequest, pb.LeaseGrantResponse, {
      ID: toLong(id),
      TTL: ttlSeconds,
    });
  }

  /** Granted TTL in seconds and number of keys that hold the lease; undefined where there is none. */
  async leaseInfo(id: bigint): Promise<{ grantedTtlSeconds: number; keys: number } | undefined> {
    const answer = await this.#unary(
      'Lease/LeaseTimeToLive',
      pb.LeaseTimeToLiveRequest,
      pb.LeaseTimeToLiveResponse,
      { ID: toLong(id), keys: true },
    );
    if (Number(answer.TTL) < 0) return undefined;
    return { grantedTtlSeconds: Number(answer.grantedTTL), keys: answer.keys.length };
  }

  async leases(): Promise<bigint[]> {
    const answer = await this.#unary(
      'Lease/LeaseLeases',
      pb.LeaseLeasesRequest,
      pb.LeaseLeasesResponse,
      {},
    );
    return answer.leases.map((lease) => toBigInt(lease.ID ?? 0));
  }

  /** Refreshes these leases, one stream for all; ids that are gone are simply not refreshed. */
  async leaseKeepAlive(ids: readonly bigint[]): Promise<void> {
    if (ids.length === 0) return;
    const call = this.#client.makeBidiStreamRequest(
      '/etcdserverpb.Lease/LeaseKeepAlive',
      serializer(pb.LeaseKeepAliveRequest),
      deserializer(pb.LeaseKeepAliveResponse),
      hasLeader(),
      { deadline: Date.now() + CALL_TIMEOUT_MS },
    );
    for (const id of ids) call.write({ ID: toLong(id) });
    call.end();
    let answers = 0;
    for await (const _ of this.#messages(call)) if (++answers === ids.length) break;
  }

  watch(): WatchStream {
    const call: ClientDuplexStream<pb.WatchRequest.$Properties, pb.WatchResponse> =
      this.#client.makeBidiStreamRequest(
        '/etcdserverpb.Watch/Watch',
        serializer(pb.WatchRequest),
        deserializer(pb.WatchResponse),
        hasLeader(),
      );
    // A stream that fails before anybody reads it must not take the process down.
    call.on('error', () => undefined);
    return {
      send: (request) => void call.write(request),
      messages: () => this.#messages(call),
      cancel: () => {
        call.cancel();
      },
    };
  }

  /** The Snapshot stream's blobs, in order; sha256 is the last 32 bytes. */
  snapshot(): AsyncGenerator<pb.SnapshotResponse> {
    return this.#messages(
      this.#client.makeServerStreamRequest(
        '/etcdserverpb.Maintenance/Snapshot',
        serializer(pb.SnapshotRequest),
        deserializer(pb.SnapshotResponse),
        {},
        hasLeader(),
      ),
    );
  }

  /** Version and identity, through the etcd3 package with its own retries off. */
  async status(): Promise<ServerStatus> {
    const etcd = new Etcd3({ hosts: this.endpoint, ...CONTROL_OPTIONS });
    try {
      const s = await etcd.maintenance.status();
      return {
        version: s.version,
        clusterId: hexId(BigInt(s.header.cluster_id)),
        memberId: hexId(BigInt(s.header.member_id)),
        head: safeRevision(BigInt(s.header.revision)),
        dbBytes: Number(s.dbSize),
      };
    } catch (error) {
      throw mapError(error, this.side, this.endpoint);
    } finally {
      etcd.close();
    }
  }

  #unary<T, P>(
    method: string,
    req: Codec<unknown, P>,
    res: Codec<T, never>,
    message: P,
    timeoutMs = CALL_TIMEOUT_MS,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        `/etcdserverpb.${method}`,
        serializer(req),
        (bytes: Buffer) => res.decode(bytes),
        message,
        { deadline: Date.now() + timeoutMs },
        (error, answer) => {
          if (error) reject(mapError(error, this.side, this.endpoint));
          else if (answer === undefined) reject(new Error(`${method}: no answer and no error`));
          else resolve(answer);
        },
      );
    });
  }

  async *#messages<P, T>(
    call: ClientDuplexStream<P, T> | ClientReadableStream<T>,
  ): AsyncGenerator<T> {
    try {
      for await (const message of call) yield message as T;
    } catch (error) {
      throw mapError(error, this.side, this.endpoint);
    } finally {
      call.on('error', () => undefined);
      call.cancel();
    }
  }
}

const CONTROL_OPTIONS: Partial<IOptions> = {
  faultHandling: { host: () => noop, global: noop },
  defaultCallOptions: () => ({ deadline: Date.now() + CALL_TIMEOUT_MS }),
};

/** Without it a member that lost its leader keeps a stream open and silent. */
function hasLeader(): Metadata {
  const metadata = new Metadata();
  metadata.set('hasleader', 'true');
  return metadata;
}

/** @throws LockstepError ETCD for an answer without a header or with an impossible revision. */
export function readHeader(header: pb.ResponseHeader.$Properties | null | undefined): Header {
  if (!header) throw new LockstepError('ETCD', 'an answer had no header', { disposition: 'fatal' });
  return {
    clusterId: hexId(toBigInt(header.clusterId ?? 0)),
    revision: safeRevision(header.revision ?? 0),
  };
}

/** 64-bit ids as etcdctl prints them. */
export function hexId(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function serializer<P>(codec: Codec<unknown, P>): (message: P) => Buffer {
  return (message) => asBuffer(codec.encode(message).finish());
}

function deserializer<T>(codec: Codec<T, never>): (bytes: Buffer) => T {
  return (bytes) => codec.decode(bytes);
}
