/** The target's peer ports: finding one that takes proposals, and proposing through it. */
import type { OnNote } from '../async/patience.js';
import { hasCode, LockstepError } from '../errors.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import type { EtcdClient } from '../wire/client.js';
import { readTls, type TlsFiles } from '../wire/connection.js';
import type { ListedMember } from '../wire/etcd3.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';
import { Peer, peerFlag } from '../wire/peer.js';
import { CHAIN_KEY, parseLink } from './chain.js';
import type { Chained } from './guard.js';
import type { ChainStanding, PeerPort, RaisingPort } from './peerport.js';
import { encodeFiller, encodeProposal, proposerId, type Proposer } from './proposal.js';

/** How the target's peer ports are reached. */
export interface PeersOptions {
  /** Peer URLs; `members`: those that the target's own list of members has. */
  urls: readonly string[] | 'members';
  tls?: TlsFiles;
}

export class Peers {
  /** Which of them is tried next; what does not do is tried last. */
  #turn = 0;
  #open: Peer | undefined;
  #closed = false;

  /** @throws LockstepError BAD_ARGUMENT for certificate files that cannot be used: now, not in hours */
  constructor(
    private readonly target: EtcdClient,
    private readonly options: PeersOptions,
  ) {
    readTls(options.tls ?? {}, peerFlag);
  }

  /**
   * One that answers.
   * @throws LockstepError PEER_PORT where none does, UNAVAILABLE, … for the client API
   */
  async open(): Promise<PeerPort & RaisingPort> {
    this.#open?.close();
    const { clusterId, version } = await this.target.status();
    const members = await this.#members();
    const proposer = await this.#proposer(members.map(({ memberId }) => BigInt(`0x${memberId}`)));
    const at = this.#candidates(members);
    let failed: LockstepError = nobody();
    for (let tried = 0; tried < at.length && !this.#closed; tried++) {
      const { url, ids } = at[this.#turn++ % at.length] ?? { url: '', ids: [] };
      let peer: Peer | undefined;
      try {
        peer = new Peer({ url, ids, clusterId, version, tls: this.options.tls ?? {} });
        this.#open = peer;
        await peer.greet();
        return new EtcdPeerPort(peer, this.target, proposer);
      } catch (error) {
        peer?.close();
        failed = asPeerPort(error);
      }
    }
    throw failed;
  }

  /** The same for who goes on without: undefined where none does, and a note why. */
  async openIfAny(onNote: OnNote): Promise<RaisingPort | undefined> {
    try {
      return await this.open();
    } catch (error) {
      if (!hasCode(error, 'PEER_PORT')) throw error;
      onNote(`${error.message}; going on by transactions. ${error.hint ?? ''}`.trim(), true);
      return undefined;
    }
  }

  /** For good: one that is just being asked is waited for no longer, and none is asked any more. */
  close(): void {
    this.#closed = true;
    this.#open?.close();
  }

  async #members(): Promise<ListedMember[]> {
    try {
      return await this.target.memberList();
    } catch (error) {
      if (!hasCode(error, 'PERMISSION')) throw error;
      const message = 'who belongs to the target is not told to its user';
      throw error.as({ code: 'PEER_PORT', message });
    }
  }

  /** Where an URL is none of the list's, it may be any member's by another name. */
  #candidates(members: readonly ListedMember[]): { url: string; ids: bigint[] }[] {
    const listed = members.flatMap(({ memberId, peerUrls }) =>
      peerUrls
        // Sockets of a machine (unix:) are nobody else's.
        .filter((url) => /^https?:/.test(url))
        .map((url) => ({ url: plain(url), ids: [BigInt(`0x${memberId}`)] })),
    );
    if (this.options.urls === 'members') return listed;
    const all = members.map(({ memberId }) => BigInt(`0x${memberId}`));
    return this.options.urls.map(
      (url) => listed.find((one) => one.url === plain(url)) ?? { url: plain(url), ids: all },
    );
  }

  /** Entries are applied on behalf of a user, by what was known of users then. */
  async #proposer(members: readonly bigint[]): Promise<Proposer> {
    const nobody = { id: proposerId(members), username: '', authRevision: 0n };
    const username = this.target.user;
    if (username === undefined) return nobody;
    try {
      const { enabled, authRevision } = await this.target.authStatus();
      return enabled ? { ...nobody, username, authRevision } : nobody;
    } catch (error) {
      if (!hasCode(error, 'PERMISSION', 'ETCD')) throw error;
      throw new LockstepError(
        'PEER_PORT',
        'proposals need to know how far the users of the target are, and it does not say',
        {
          hint: 'Where authentication is on, it is told to the role root, from etcd 3.5 on.',
          cause: error,
        },
      );
    }
  }
}

/** @throws the error, where it is not about the port */
function asPeerPort(error: unknown): LockstepError {
  // Files that were good may be half written now: certificates are renewed while we run for days.
  if (hasCode(error, 'BAD_ARGUMENT')) return error.as({ code: 'PEER_PORT' });
  if (hasCode(error, 'PEER_PORT')) return error;
  throw error;
}

function plain(url: string): string {
  return new URL(url).origin;
}

function nobody(): LockstepError {
  return new LockstepError('PEER_PORT', "the target's list of members has no peer URL", {
    hint: 'Give the URLs to --dest-peers.',
  });
}

class EtcdPeerPort implements PeerPort, RaisingPort {
  constructor(
    private readonly peer: Peer,
    private readonly target: EtcdClient,
    private readonly proposer: Proposer,
  ) {}

  get where(): string {
    return this.peer.where;
  }

  async propose(writes: readonly Chained[]): Promise<void> {
    await this.peer.propose(writes.map((write) => encodeProposal(write, this.proposer)));
  }

  async raise(count: number, guard: readonly pb.Compare.$Properties[]): Promise<void> {
    const filler = encodeFiller(guard, this.proposer);
    await this.peer.propose(new Array<Uint8Array>(count).fill(filler));
  }

  async look(): Promise<ChainStanding> {
    const { header, rows } = await this.target.few({ key: CHAIN_KEY });
    const row = rows[0] && parseKeyValue(rows[0]);
    const { revision: head } = header;
    return { head, chainMod: row?.modRevision ?? 0, link: row && parseLink(row.value) };
  }
}

/** Runs something with a peer port that answers, or without one where none is asked for or none does. */
export async function withPort<T>(
  target: EtcdClient,
  options: PeersOptions | undefined,
  onNote: OnNote,
  use: (port: RaisingPort | undefined) => Promise<T>,
): Promise<T> {
  const peers = options && new Peers(target, options);
  try {
    return await use(await peers?.openIfAny(onNote));
  } finally {
    peers?.close();
  }
}
