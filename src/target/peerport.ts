/** The target's peer port, as far as it is used: writes go in, and nothing tells what became of them. */
import type { Revision } from '../mvcc/revision.js';
import type { Link } from './chain.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';
import type { Chained } from './guard.js';

/** Where the target stands, by a linearizable read of the chain over the client API. */
export interface ChainStanding {
  head: Revision;
  /** Of the chain; 0 where there is none. */
  chainMod: Revision;
  /** The chain's last; undefined where there is none, or somebody has written something else there. */
  link: Link | undefined;
}

export interface PeerPort {
  /** For people: which member is asked, at which address. */
  readonly where: string;
  /**
   * Hands these to the target's raft, in their order and nothing between them; they may arrive twice. That
   * it was done does not mean that any of them will land.
   * @throws LockstepError PEER_PORT where that is not known; REQUEST_TOO_LARGE for what no transaction holds
   */
  propose(writes: readonly Chained[]): Promise<void>;
  /** @throws LockstepError UNAVAILABLE, … */
  look(): Promise<ChainStanding>;
}

/** The same for who only wants the head to be higher. */
export interface RaisingPort {
  /**
   * Hands over so many fillers, each of which takes effect where the guard holds. They may arrive twice.
   * @throws LockstepError PEER_PORT where that is not known
   */
  raise(count: number, guard: readonly pb.Compare.$Properties[]): Promise<void>;
}
