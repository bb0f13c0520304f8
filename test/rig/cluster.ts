import { setTimeout as sleep } from 'node:timers/promises';
import { Etcd, onFreePorts, type EtcdOptions, type Login } from './etcd.js';
import { PeerNetwork, type Peer } from './peernetwork.js';
import { freePorts } from './ports.js';
import type { MemberStatus } from './rpc.js';
import { urlOf } from './server.js';

const SETTLED_WITHIN_MS = 20_000;
const POLL_MS = 50;

type PerMember = 'dataDir' | 'name' | 'clientPort' | 'peerPort' | 'peers';

export interface ClusterOptions extends Omit<EtcdOptions, PerMember> {
  /** Default: 3. */
  size?: number;
  /** From `freePorts`, one a member, where the endpoints must be known before the cluster exists. */
  clientPorts?: readonly number[];
  /** Puts a proxy in front of each member's peer port, for `partition()`. */
  partitionable?: boolean;
}

export interface ClusterSnapshotOptions extends ClusterOptions {
  /** More flags for each restore. */
  restoreArgs?: readonly string[];
}

type StartMember = (options: EtcdOptions) => Promise<Etcd>;

/** Asks until there is an answer. */
async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + SETTLED_WITHIN_MS;
  while (Date.now() < deadline) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await sleep(POLL_MS);
  }
  throw new Error(`not within ${SETTLED_WITHIN_MS} ms: ${what}`);
}

/** The options of each member, which have to be known of all before one can start. */
async function membersOf(
  options: ClusterOptions,
  network: PeerNetwork | undefined,
): Promise<EtcdOptions[]> {
  const { size = 3, clientPorts, partitionable: _, ...common } = options;
  const clients = clientPorts ?? (await freePorts(size));
  if (clients.length !== size) throw new Error(`${size} members need as many client ports`);
  const peers = await freePorts(size);
  const advertised = await Promise.all(peers.map(async (port) => network?.front(port) ?? port));
  const names = peers.map((_port, i) => `m${i + 1}`);
  const initialCluster = names
    .map((name, i) => `${name}=${urlOf(common.peerTls, advertised[i]!)}`)
    .join();
  // Of its own for each cluster: members of another one on a port used before are then refused.
  const token = `rig-${process.pid}-${peers.join('-')}`;
  return names.map((name, i) => ({
    ...common,
    name,
    clientPort: clients[i]!,
    peerPort: peers[i]!,
    peers: { initialCluster, token, advertisedPort: advertised[i]! },
  }));
}

/** Starts all, or none: what has started is ended again when one fails. */
async function startAll(members: readonly EtcdOptions[], start: StartMember): Promise<Etcd[]> {
  const started = await Promise.allSettled(members.map(start));
  const running = started.flatMap((s) => (s.status === 'fulfilled' ? [s.value] : []));
  const failed = started.find((s) => s.status === 'rejected');
  if (failed === undefined) return running;
  await Promise.all(running.map((member) => member.remove()));
  throw failed.reason;
}

/** Real etcd processes on 127.0.0.1 that are members of one cluster. */
export class EtcdCluster {
  readonly members: readonly Etcd[];
  readonly endpoints: string[];
  /** All endpoints, joined by commas as etcdctl takes them. */
  readonly endpoint: string;
  readonly #network: PeerNetwork | undefined;
  readonly #ids = new Map<Etcd, string>();
  /** The members that a partition separates from all others. */
  readonly #isolated = new Map<Etcd, Peer>();

  private constructor(members: readonly Etcd[], network: PeerNetwork | undefined) {
    this.members = members;
    this.#network = network;
    this.endpoints = members.map((member) => member.endpoint);
    this.endpoint = this.endpoints.join();
  }

  /** A new cluster, once it has a leader and each member answers a linearizable read. */
  static async start(options: ClusterOptions = {}): Promise<EtcdCluster> {
    return EtcdCluster.#start(options, (member) => Etcd.start(member));
  }

  /** The same on what a snapshot file holds, which is restored once for each member. */
  static async startFromSnapshot(
    file: string,
    { restoreArgs = [], ...options }: ClusterSnapshotOptions = {},
  ): Promise<EtcdCluster> {
    return EtcdCluster.#start(options, (member) =>
      Etcd.startFromSnapshot(file, { ...member, restoreArgs }),
    );
  }

  static async #start(options: ClusterOptions, start: StartMember): Promise<EtcdCluster> {
    return onFreePorts(options.clientPorts === undefined, async () => {
      const network = options.partitionable === true ? new PeerNetwork() : undefined;
      try {
        const members = await startAll(await membersOf(options, network), start);
        const cluster = new EtcdCluster(members, network);
        await cluster.#agreed();
        return cluster;
      } catch (e) {
        await network?.close();
        throw e;
      }
    });
  }

  /**
   * The member that says so of itself, in the newest term. Waits while there is
   * none: the others name a leader that has ended until they elect another.
   */
  async leader(): Promise<Etcd> {
    return until('a leader', async () => {
      const statuses = await this.#ask(this.#connected());
      const leaders = statuses.filter((s) => s !== undefined).filter((s) => s.leader === s.id);
      leaders.sort((a, b) => Number(b.raftTerm - a.raftTerm));
      return this.#member(leaders[0]?.id);
    });
  }

  /** The running members that the leader leads. */
  async followers(): Promise<Etcd[]> {
    const leader = await this.leader();
    return this.#connected().filter((member) => member !== leader);
  }

  /** Has the leader hand over to another member, and waits until all know of it. */
  async moveLeader(to: Etcd): Promise<void> {
    const id = await this.#idOf(to);
    const leader = await this.leader();
    if (leader !== to) await leader.ctl('move-leader', id);
    await this.#agreed(to);
  }

  /**
   * Separates a running member from its peers; clients still reach it. Done when
   * it knows of no leader, and the others, if they are enough, have one.
   */
  async partition(member: Etcd): Promise<void> {
    const peer = { id: await this.#idOf(member), peerPort: member.peerPort };
    this.#partitions().isolate(peer);
    this.#isolated.set(member, peer);
    await until(`${member.name} without a leader`, async () => {
      const status = await member.status();
      return status !== undefined && status.leader === undefined ? true : undefined;
    });
    if (this.#hasQuorum()) await this.#agreed();
  }

  /** Ends that; done when the member has caught up, if it runs and there is a quorum. */
  async heal(member: Etcd): Promise<void> {
    const peer = this.#isolated.get(member);
    if (peer === undefined) return;
    this.#partitions().rejoin(peer);
    this.#isolated.delete(member);
    if (!this.#hasQuorum() || !member.running()) return;
    await this.#agreed();
    await member.ready();
  }

  /** Runs etcdctl against all members. */
  async ctl(...args: string[]): Promise<string> {
    return this.members[0]!.ctlAt(this.endpoints, args);
  }

  /** The same as a user, for when authentication is on. */
  async ctlAs(login: Login, ...args: string[]): Promise<string> {
    return this.members[0]!.ctlAt(this.endpoints, args, login);
  }

  /** Ends all members and deletes their data. */
  async remove(): Promise<void> {
    await Promise.all(this.members.map((member) => member.remove()));
    await this.#network?.close();
  }

  #partitions(): PeerNetwork {
    if (this.#network === undefined) throw new Error('start the cluster with partitionable: true');
    return this.#network;
  }

  #running(): Etcd[] {
    return this.members.filter((member) => member.running());
  }

  #connected(): Etcd[] {
    return this.#running().filter((member) => !this.#isolated.has(member));
  }

  #hasQuorum(): boolean {
    return this.#connected().length > this.members.length / 2;
  }

  /** Asks all at once, and learns their ids from what they answer. */
  async #ask(members: readonly Etcd[]): Promise<(MemberStatus | undefined)[]> {
    return Promise.all(
      members.map(async (member) => {
        const status = await member.status();
        if (status !== undefined) this.#ids.set(member, status.id);
        return status;
      }),
    );
  }

  #member(id: string | undefined): Etcd | undefined {
    if (id === undefined) return undefined;
    return this.members.find((member) => this.#ids.get(member) === id);
  }

  async #idOf(member: Etcd): Promise<string> {
    return until(`the id of ${member.name}`, async () => {
      if (!this.#ids.has(member)) await this.#ask([member]);
      return this.#ids.get(member);
    });
  }

  /** Waits until all members that can name the same leader, one of them, or a certain one. */
  async #agreed(wanted?: Etcd): Promise<void> {
    await until('one leader for all', async () => {
      const members = this.#connected();
      const statuses = await this.#ask(members);
      const leader = this.#member(statuses[0]?.leader);
      if (leader === undefined || !members.includes(leader)) return undefined;
      if (wanted !== undefined && leader !== wanted) return undefined;
      const same = statuses.every((status) => status?.leader === statuses[0]?.leader);
      return same ? true : undefined;
    });
  }
}
