/** The target's peer ports: finding one that takes proposals, and proposing through it. */
import { hasCode, LockstepError } from '../errors.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import type { EtcdClient } from '../wire/client.js';
import type { TlsFiles } from '../wire/connection.js';
import type { ListedMember } from '../wire/etcd3.js';
import { Peer, type PeerAt } from '../wire/peer.js';
import { CHAIN_KEY, parseLink } from './chain.js';
import type { Chained } from './guard.js';
import type { ChainStanding, PeerPort } from './peerport.js';
import { encodeProposal, proposerId, type Proposer } from './proposal.js';

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
  /** Whether its certificates could be used once. */
  #used = false;

  constructor(
    private readonly target: EtcdClient,
    private readonly options: PeersOptions,
  ) {}

  /**
   * One that answers.
   * @throws LockstepError PEER_PORT where none does, UNAVAILABLE, … for the client API, BAD_ARGUMENT for
   *   certificate files that could never be used
   */
  async open(): Promise<PeerPort> {
    this.close();
    const { clusterId, version } = await this.target.status();
    const members = await this.target.memberList();
    const proposer = await this.#proposer(members.map(({ memberId }) => BigInt(`0x${memberId}`)));
    const at = this.#candidates(members);
    let failed: LockstepError = nobody();
    for (let tried = 0; tried < at.length; tried++) {
      const { url, ids } = at[this.#turn++ % at.length] ?? { url: '', ids: [] };
      const peer = this.#peer({ url, ids, clusterId, version, tls: this.options.tls ?? {} });
      try {
        await peer.greet();
        this.#open = peer;
        return new EtcdPeerPort(peer, this.target, proposer);
      } catch (error) {
        peer.close();
        if (!hasCode(error, 'PEER_PORT')) throw error;
        failed = error;
      }
    }
    throw failed;
  }

  /** Files that were good before are being renewed, one after the other. */
  #peer(at: PeerAt): Peer {
    try {
      const peer = new Peer(at);
      this.#used = true;
      return peer;
    } catch (error) {
      if (!this.#used || !hasCode(error, 'BAD_ARGUMENT')) throw error;
      const { message, hint } = error;
      throw new LockstepError('PEER_PORT', message, { hint, cause: error });
    }
  }

  close(): void {
    this.#open?.close();
    this.#open = undefined;
  }

  /** Where an URL is none of the list's, it may be any member's by another name. */
  #candidates(members: readonly ListedMember[]): { url: string; ids: bigint[] }[] {
    const listed = members.flatMap(({ memberId, peerUrls }) =>
      peerUrls.map((url) => ({ url: plain(url), ids: [BigInt(`0x${memberId}`)] })),
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

function plain(url: string): string {
  return new URL(url).origin;
}

function nobody(): LockstepError {
  return new LockstepError('PEER_PORT', "the target's list of members has no peer URL", {
    hint: 'Give the URLs to --dest-peers.',
  });
}

class EtcdPeerPort implements PeerPort {
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

  async look(): Promise<ChainStanding> {
    const { header, rows } = await this.target.few({ key: CHAIN_KEY });
    const row = rows[0] && parseKeyValue(rows[0]);
    const { revision: head } = header;
    return { head, chainMod: row?.modRevision ?? 0, link: row && parseLink(row.value) };
  }
}
