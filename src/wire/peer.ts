/**
 * A member of an etcd at its peer port, where its like hand it raft's messages over HTTP.
 *
 *     GET  /members   who belongs to the cluster
 *     POST /raft      one raftpb.Message; 204: raft has it, which does not mean that it is committed
 *
 * It has certificates of its own (`--peer-…`) and no users. Whoever may speak there may do anything, so this
 * is only ever made for a target, and only where somebody has asked for it.
 * Source: server/etcdserver/api/rafthttp/http.go, pipelineHandler.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { LockstepError } from '../errors.js';
import { toLong } from '../mvcc/keyvalue.js';
import { readTls, type TlsFiles, type TlsMaterial } from './connection.js';
import { raftpb } from './gen/etcd.js';
import { exchange, type HttpAnswer } from './http.js';
import { hexId } from './id.js';
import { NETWORK } from './networkfault.js';
import { PeerFault } from './peerfault.js';
import { tlsFault } from './tlsfault.js';

const WITHIN_MS = 5000;
const MAX_ANSWER_BYTES = 1024 * 1024;
/** How a peer must call itself: no member asks for more than that. */
const MIN_CLUSTER_VERSION = '3.0.0';

/** How the flags of its certificates are called. */
export function peerFlag(name: string): string {
  return `--dest-peer-${name}`;
}

export interface PeerAt {
  /** Its peer URL. */
  url: string;
  tls: TlsFiles;
  /** Hexadecimal, as etcdctl prints it. */
  clusterId: string;
  /** The cluster's, such as 3.5.16: what we call ourselves. */
  version: string;
  /** Ids of the members that it may be; one, where that is known. */
  ids: readonly bigint[];
}

export class Peer {
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #tls: TlsMaterial;
  readonly #ids: bigint[];

  /** @throws LockstepError BAD_ARGUMENT for certificate files that cannot be used */
  constructor(private readonly at: PeerAt) {
    // One connection, so that what is sent one after the other arrives so.
    const one = { keepAlive: true, maxSockets: 1 };
    this.#ids = [...at.ids];
    const secure = at.url.startsWith('https:');
    this.#tls = secure ? readTls(at.tls, peerFlag) : {};
    if (secure) {
      const { rootCertificate: ca, certChain: cert, privateKey: key } = this.#tls;
      this.#agent = new HttpsAgent({ ...one, ca, cert, key });
    } else this.#agent = new HttpAgent(one);
  }

  get where(): string {
    return `the peer port ${this.at.url}`;
  }

  close(): void {
    this.#agent.destroy();
  }

  /**
   * Whether a peer of this cluster answers there.
   * @throws LockstepError PEER_PORT
   */
  async greet(): Promise<void> {
    const { status, text } = await this.#ask('/members', {});
    // The ids are bare 64-bit numbers, which JSON.parse would round.
    const ids = [...text.matchAll(/"id":(\d+)/g)].map(([, id]) => BigInt(id ?? 0));
    if (status === 200 && this.#ids.some((id) => ids.includes(id))) return;
    throw this.#refused(
      status === 200 && ids.length > 0
        ? 'a member of another cluster answers there'
        : `no etcd's peer port answers there (status ${status})`,
      "Give the target's peer URLs, as `etcdctl member list` has them: 2380 as a rule.",
    );
  }

  /**
   * Hands entries to the member's raft, in this order and nothing between them. They may arrive twice.
   * @throws LockstepError PEER_PORT where it is not known whether they have arrived
   */
  async propose(entries: readonly Uint8Array[]): Promise<void> {
    if (entries.length === 0) throw new Error('raft panics at a proposal of nothing');
    while (true) {
      const [id = 0n] = this.#ids;
      const { status, text } = await this.#ask('/raft', {
        method: 'POST',
        headers: {
          'content-type': 'application/protobuf',
          'x-etcd-cluster-id': this.at.clusterId,
          'x-server-from': hexId(id),
          'x-server-version': this.at.version,
          'x-min-cluster-version': MIN_CLUSTER_VERSION,
        },
        body: message(id, entries),
        firstWords: true,
      });
      if (status === 204) return;
      // Where its URL does not say which member it is, the others are tried. 3.5 meant to answer with 403,
      // too, but its handler panics: 500, and no end.
      if ((status !== 403 && status !== 500) || this.#ids.length === 1)
        throw this.#refused(`it answers ${status}: ${text.trim().slice(0, 200)}`);
      this.#ids.shift();
    }
  }

  async #ask(path: string, request: Partial<Parameters<typeof exchange>[1]>): Promise<HttpAnswer> {
    try {
      return await exchange(new URL(path, this.at.url), {
        ...request,
        agent: this.#agent,
        withinMs: WITHIN_MS,
        maxBytes: MAX_ANSWER_BYTES,
      });
    } catch (error) {
      if (!(error instanceof PeerFault)) throw error;
      const said = `${error.message} ${error.code}`;
      const fault = tlsFault(said, this.#tls);
      const hint = fault?.hint(
        (name) => (name === 'endpoints' ? '--dest-peers' : peerFlag(name)),
        'target',
      );
      throw this.#refused(fault?.what ?? NETWORK[error.code] ?? error.message, hint, error);
    }
  }

  #refused(what: string, hint?: string, cause?: unknown): LockstepError {
    return new LockstepError('PEER_PORT', `${this.where}: ${what}`, { hint, cause });
  }
}

function message(to: bigint, entries: readonly Uint8Array[]): Uint8Array {
  const { MsgProp } = raftpb.Message.MessageType;
  const { EntryNormal } = raftpb.Entry.EntryType;
  return raftpb.Message.encode({
    type: MsgProp,
    to: toLong(to),
    // raft puts its own id there, but first asks whether this one was removed from the cluster.
    from: toLong(to),
    entries: entries.map((data) => ({ Type: EntryNormal, Data: data })),
  }).finish();
}
