/**
 * One etcd's API, as far as we use it.
 *
 * Nothing here takes effect twice; a failed call is reported and the caller, who knows what a second
 * try would mean, decides. (What goes through the etcd3 package, and why so little: etcd3.ts.)
 */
import { hasCode, LockstepError, passes } from '../errors.js';
import { toBigInt, toLong } from '../mvcc/keyvalue.js';
import { safeRevision, type Revision } from '../mvcc/revision.js';
import type { Connection } from './connection.js';
import { membersByEtcd3, type ListedMember } from './etcd3.js';
import { etcdserverpb as pb } from './gen/etcd.js';
import { getText, type HttpAnswer } from './http.js';
import { hexId } from './id.js';
import { ANY_LEASE, METHODS } from './methods.js';
import type { Side } from './side.js';
import { CALL_TIMEOUT_MS, Transport, type Cluster, type Stream } from './transport.js';
import { versionOf } from './version.js';

/** A lease may be about to end; whoever keeps it alive has to know soon that it did not work. */
const KEEP_ALIVE_TIMEOUT_MS = 3000;

/** A page of a range may take a loaded server longer. */
const RANGE_TIMEOUT_MS = 30_000;

/** The parts of a server's status that we use. */
export interface ServerStatus {
  version: string;
  clusterId: string;
  head: Revision;
}

/** What a member says of itself. */
export interface MemberStatus extends ServerStatus {
  /** Hexadecimal, as etcdctl prints it. */
  memberId: string;
  /** Likewise; undefined where the member knows of none. */
  leader: string | undefined;
  /** Of the database file, and what of it holds rows. */
  dbBytes: number;
  dbBytesInUse: number;
  /** Undefined before 3.6, which has it in its metrics only. */
  quotaBytes: number | undefined;
  isLearner: boolean;
  /** Of the whole cluster. Asking for the alarms themselves would write an entry to its log. */
  alarms: Alarm[];
}

export interface Alarm {
  /** Of the member that it is about. */
  memberId: string;
  /** `NOSPACE`, `CORRUPT` */
  alarm: string;
}

/** What stands in every answer's header. */
export interface Header {
  /** Hexadecimal, as etcdctl prints it. */
  clusterId: string;
  /** The store's head when it answered: no proof of anything that came before on a watch. */
  revision: Revision;
}

/** How far a store has come. Both only go up, whichever member is asked. */
export interface StoreProgress {
  head: Revision;
  /** Entries that raft has committed; undefined where that is told to root only, or by another member. */
  raftIndex: bigint | undefined;
}

export interface LeaseInfo {
  grantedTtlSeconds: number;
  /** Until it ends, unless it is refreshed. */
  leftSeconds: number;
  /** Empty where they were not asked for. */
  keys: Buffer[];
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
  /** No rows come, only their number. The server walks its index for it: linear in the keys. */
  countOnly?: boolean;
}

/** As a status has it, among its other errors: `memberID:10276657743932975437 alarm:NOSPACE `. */
const ALARM = /^memberID:(\d+)\s+alarm:(\w+)/;

/** A watch stream: requests go in, messages come out, and a paused reader pauses the server. */
export type WatchStream = Stream<pb.WatchResponse, pb.WatchRequest.$Properties>;

/** A key that hardly anybody has, to ask about where any key will do. */
const ANY_KEY = Buffer.from([0]);

export class EtcdClient {
  readonly #connection: Connection;
  readonly #cluster: Cluster;
  readonly #transport: Transport;
  /** What is heeded no more once it is closed. */
  readonly #unheeded: (() => void)[] = [];

  /**
   * @param at an endpoint, or endpoints with what it takes to be let in
   * @param cluster of another client for the same etcd
   * @throws LockstepError BAD_ARGUMENT for certificate files that cannot be used
   */
  constructor(
    at: string | Connection,
    readonly side: Side,
    cluster: Cluster = {},
  ) {
    this.#connection = typeof at === 'string' ? { endpoints: [at] } : at;
    this.#cluster = cluster;
    this.#transport = new Transport(this.#connection, side, cluster);
  }

  /**
   * The same etcd on a connection of its own. A member of another cluster is one for both, whichever
   * of them has asked first.
   */
  another(): EtcdClient {
    return new EtcdClient(this.#connection, this.side, this.#cluster);
  }

  /** Hexadecimal, as etcdctl prints it: of what has answered last; undefined before the first answer. */
  get clusterId(): string | undefined {
    return this.#cluster.heard;
  }

  /** As they were given. */
  get endpoints(): readonly string[] {
    return this.#connection.endpoints;
  }

  /** Each endpoint on a connection of its own, for what has to be asked of every member. */
  each(): EtcdClient[] {
    return this.#connection.endpoints.map(
      (endpoint) =>
        new EtcdClient({ ...this.#connection, endpoints: [endpoint] }, this.side, this.#cluster),
    );
  }

  /** Ends what is under way, at once; nothing can be asked any more. */
  close(): void {
    for (const unheed of this.#unheeded.splice(0)) unheed();
    this.#transport.close();
  }

  /** For one that is only asked: nobody has to wait for its answers once `signal` has aborted. */
  closeAt(signal: AbortSignal): this {
    const close = () => {
      this.close();
    };
    signal.addEventListener('abort', close, { once: true });
    this.#unheeded.push(() => {
      signal.removeEventListener('abort', close);
    });
    if (signal.aborted) close();
    return this;
  }

  /** @throws LockstepError COMPACTED, FUTURE_REVISION, ANSWER_TOO_LARGE, UNAVAILABLE, … */
  async range(query: RangeQuery, timeoutMs = RANGE_TIMEOUT_MS): Promise<RangeAnswer> {
    const request = {
      key: query.key,
      rangeEnd: query.rangeEnd ?? null,
      revision: query.revision ?? 0,
      limit: query.limit ?? 0,
      keysOnly: query.keysOnly ?? false,
      countOnly: query.countOnly ?? false,
    };
    const answer = await this.#transport.unary(METHODS.range, request, timeoutMs);
    return {
      header: this.#header(answer.header),
      rows: answer.kvs.map(asBuffer),
      more: answer.more,
      count: safeRevision(answer.count),
    };
  }

  /** A few rows, of which nobody should wait as long as for a page. */
  async few(query: RangeQuery): Promise<RangeAnswer> {
    return this.range(query, CALL_TIMEOUT_MS);
  }

  /**
   * The store's head now, by a linearizable read.
   * @param key one that the user may read, where roles are in force
   */
  async head(key: Uint8Array = ANY_KEY): Promise<Header> {
    return (await this.few({ key, limit: 1, keysOnly: true })).header;
  }

  /**
   * A linearizable read, and then where the member that has answered it stands: at or above whatever
   * any other member of its cluster has told before.
   * @param key one that the user may read
   */
  async standing(key: Uint8Array): Promise<StoreProgress> {
    const read = await this.#transport.unary(METHODS.range, { key, limit: 1, keysOnly: true });
    const head = this.#header(read.header).revision;
    try {
      const { header, raftIndex } = await this.#transport.unary(METHODS.status, {});
      const same = toBigInt(header?.memberId ?? 0) === toBigInt(read.header?.memberId ?? 0);
      return { head, raftIndex: same ? toBigInt(raftIndex) : undefined };
    } catch (error) {
      if (hasCode(error, 'PERMISSION')) return { head, raftIndex: undefined };
      throw error;
    }
  }

  /**
   * One transaction; `revision` is the head after it, which is its own if it wrote anything.
   * @internal speaks in generated messages, as do the two below: the library's declarations leave them out
   */
  async txn(
    request: pb.TxnRequest.$Properties,
  ): Promise<{ succeeded: boolean; revision: Revision }> {
    const answer = await this.#transport.unary(METHODS.txn, request);
    return { succeeded: answer.succeeded, revision: this.#header(answer.header).revision };
  }

  /** Compacts; a revision that is compacted already counts as done. */
  async compact(revision: Revision): Promise<void> {
    try {
      await this.#transport.unary(METHODS.compact, { revision });
    } catch (error) {
      if (!hasCode(error, 'COMPACTED')) throw error;
    }
  }

  async leaseGrant(id: bigint, ttlSeconds: number): Promise<void> {
    await this.#transport.unary(METHODS.leaseGrant, { ID: toLong(id), TTL: ttlSeconds });
  }

  /** Granted TTL of a lease in seconds; undefined where there is none. */
  async leaseTtl(id: bigint): Promise<number | undefined> {
    return (await this.#timeToLive(id, false))?.grantedTtlSeconds;
  }

  /** The same with the keys that hold the lease; the user must be allowed to read them. */
  async leaseInfo(id: bigint): Promise<LeaseInfo | undefined> {
    return this.#timeToLive(id, true);
  }

  async #timeToLive(id: bigint, keys: boolean): Promise<LeaseInfo | undefined> {
    const answer = await this.#transport.unary(METHODS.leaseTimeToLive, { ID: toLong(id), keys });
    const grantedTtlSeconds = Number(answer.grantedTTL);
    // One that has run out and waits to be revoked has less than nothing left, and is still there.
    if (grantedTtlSeconds === 0) return undefined;
    return {
      grantedTtlSeconds,
      leftSeconds: Math.max(0, Number(answer.TTL)),
      keys: answer.keys.map(asBuffer),
    };
  }

  async leases(): Promise<bigint[]> {
    const answer = await this.#transport.unary(METHODS.leaseLeases, {});
    return answer.leases.map((lease) => toBigInt(lease.ID ?? 0));
  }

  /**
   * Refreshes these leases, one stream for all, which stays open until each is answered: a proxy forgets
   * what it has not passed on by then. Takes three seconds at the most.
   * @returns those of which it was answered that they were refreshed, or are gone
   * @throws LockstepError where none was answered
   */
  async leaseKeepAlive(ids: readonly bigint[]): Promise<Set<bigint>> {
    const answered = new Set<bigint>();
    if (ids.length === 0) return answered;
    const deadline = Date.now() + KEEP_ALIVE_TIMEOUT_MS;
    const stream = await this.#transport.bidirectional(METHODS.leaseKeepAlive, { deadline });
    for (const id of ids) stream.send({ ID: toLong(id) });
    try {
      for await (const { ID } of stream.messages()) {
        answered.add(toBigInt(ID));
        if (answered.size === ids.length) break;
      }
    } catch (error) {
      if (answered.size === 0 || !passes(error)) throw error;
    }
    return answered;
  }

  /**
   * A stream for watches. A stale token shows in the answer to a request only, so whoever opens one
   * makes a unary call first.
   * @internal
   */
  async watch(): Promise<WatchStream> {
    return this.#transport.bidirectional(METHODS.watch);
  }

  /**
   * The Snapshot stream's blobs, in order; sha256 is the last 32 bytes.
   * @internal
   */
  snapshot(): AsyncGenerator<pb.SnapshotResponse> {
    return this.#transport.serverStream(METHODS.snapshot, {});
  }

  /** @throws LockstepError PERMISSION for users that are not root, on newer servers */
  async memberStatus(): Promise<MemberStatus> {
    const answer = await this.#transport.unary(METHODS.status, {});
    const { clusterId, revision } = this.#header(answer.header);
    const leader = toBigInt(answer.leader);
    const quota = Number(answer.dbSizeQuota);
    return {
      version: answer.version,
      clusterId,
      head: revision,
      memberId: hexId(toBigInt(answer.header?.memberId ?? 0)),
      leader: leader === 0n ? undefined : hexId(leader),
      dbBytes: Number(answer.dbSize),
      dbBytesInUse: Number(answer.dbSizeInUse),
      quotaBytes: quota > 0 ? quota : undefined,
      isLearner: answer.isLearner,
      alarms: answer.errors.flatMap(parseAlarm),
    };
  }

  /** As whom calls are made; undefined where nobody logs in. */
  get user(): string | undefined {
    return this.#connection.user?.name;
  }

  /**
   * Whether users count, and how often they and their roles were changed. An entry in the server's log.
   * @throws LockstepError PERMISSION for users that are not root, ETCD before 3.5
   */
  async authStatus(): Promise<{ enabled: boolean; authRevision: bigint }> {
    const { enabled, authRevision } = await this.#transport.unary(METHODS.authStatus, {});
    return { enabled, authRevision: toBigInt(authRevision) };
  }

  async memberList(): Promise<ListedMember[]> {
    return this.#transport.other(membersByEtcd3);
  }

  /** What the server answers over plain HTTP, beside gRPC: `/version`, `/metrics`. */
  async http(path: string): Promise<HttpAnswer> {
    return this.#transport.other(({ endpoint, tls }) => getText(endpoint, path, tls));
  }

  /** Version, identity and head; every user may ask. */
  async status(): Promise<ServerStatus> {
    try {
      const { version, clusterId, head } = await this.memberStatus();
      return { version, clusterId, head };
    } catch (error) {
      if (!hasCode(error, 'PERMISSION')) throw error;
    }
    // Newer servers give a status to root only.
    const { header } = await this.#transport.unary(METHODS.leaseTimeToLive, ANY_LEASE);
    const { clusterId, revision } = this.#header(header);
    const version = await this.#transport.other(({ endpoint, tls }) => versionOf(endpoint, tls));
    return { version, clusterId, head: revision };
  }

  #header(header: pb.ResponseHeader.$Properties | null | undefined): Header {
    const read = readHeader(header);
    this.#cluster.heard = read.clusterId;
    return read;
  }
}

/** @throws LockstepError ETCD for an answer without a header or with an impossible revision. */
export function readHeader(header: pb.ResponseHeader.$Properties | null | undefined): Header {
  if (!header) throw new LockstepError('ETCD', 'an answer had no header');
  return {
    clusterId: hexId(toBigInt(header.clusterId ?? 0)),
    revision: safeRevision(header.revision ?? 0),
  };
}

function parseAlarm(error: string): Alarm[] {
  const [, id, alarm] = ALARM.exec(error) ?? [];
  return id === undefined || alarm === undefined ? [] : [{ memberId: hexId(BigInt(id)), alarm }];
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
