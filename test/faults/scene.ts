/**
 * Source and target, each one etcd or a cluster, a proxy in front of each member, a follower between
 * them as a process, and somebody who writes. A fault is done to one of them; `exact` is how it ends.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EtcdClient } from '../../src/wire/client.js';
import { compareStores, takeBase } from '../oracle/lockstep.js';
import { removeAtExit, removeFolder } from '../rig/child.js';
import { EtcdCluster } from '../rig/cluster.js';
import { Etcd, type EtcdVersion } from '../rig/etcd.js';
import { PeerProxy } from '../rig/peerproxy.js';
import { FaultProxy } from '../rig/proxy.js';
import type { TlsOptions } from '../rig/tls.js';
import { FollowProcess } from './follower.js';
import { Writes } from './writes.js';

export interface SideOptions {
  members?: number;
  args?: readonly string[];
  /** Of the restore that a target begins with. */
  restoreArgs?: readonly string[];
  partitionable?: boolean;
  clientPort?: number;
  peerPort?: number;
  peerTls?: TlsOptions;
}

export interface SceneOptions {
  version?: EtcdVersion;
  source?: SideOptions;
  target?: SideOptions;
  /** Of the writer, between two operations; none if it does not write by itself. */
  everyMs?: number;
  /** The target is written by proposals, through a proxy in front of each peer port. */
  peers?: boolean;
}

/** Of a follower, where they are not what they are as a rule. */
export interface FollowEnds {
  source?: string;
  target?: string;
  journal?: string;
  flags?: readonly string[];
}

/** One etcd or a cluster behind proxies, one for each member. */
export class Side {
  readonly #replaced: Etcd[] = [];

  private constructor(
    readonly cluster: EtcdCluster | undefined,
    readonly members: Etcd[],
    readonly proxies: readonly FaultProxy[],
    /** In front of the peer ports, for whoever is no member. */
    readonly peerProxies: readonly PeerProxy[],
  ) {}

  /** Restored from `base`, if there is one. */
  static async start(
    { members: size = 1, ...options }: SideOptions & { version?: EtcdVersion },
    base?: string,
  ): Promise<Side> {
    if (size === 1) {
      const etcd = await (base ? Etcd.startFromSnapshot(base, options) : Etcd.start(options));
      return Side.#behindProxies(undefined, [etcd]);
    }
    const { clientPort: _, peerPort: __, ...common } = options;
    const all = { ...common, size };
    const cluster = await (base
      ? EtcdCluster.startFromSnapshot(base, all)
      : EtcdCluster.start(all));
    return Side.#behindProxies(cluster, cluster.members);
  }

  static async #behindProxies(
    cluster: EtcdCluster | undefined,
    members: readonly Etcd[],
  ): Promise<Side> {
    const start = ({ clientPort: port }: Etcd) => FaultProxy.start({ host: '127.0.0.1', port });
    const proxies = await Promise.all(members.map(start));
    const peers = await Promise.all(members.map(({ peerPort }) => PeerProxy.start(peerPort)));
    return new Side(cluster, [...members], proxies, peers);
  }

  /** Another etcd serves in its place from now on, on the same port; the one before has ended. */
  replace(etcd: Etcd): void {
    this.#replaced.push(this.etcd);
    this.members[0] = etcd;
  }

  /** Ends it and starts it on the same data and ports with other flags. */
  async restartWith(...args: string[]): Promise<void> {
    const { dataDir, clientPort, peerPort, name, version } = this.etcd;
    await this.etcd.stop();
    this.replace(await Etcd.start({ dataDir, clientPort, peerPort, name, version, args }));
  }

  get etcd(): Etcd {
    return this.members[0]!;
  }

  get proxy(): FaultProxy {
    return this.proxies[0]!;
  }

  /** Through the proxies, as the follower goes. */
  get endpoints(): string {
    return this.proxies.map(({ endpoint }) => endpoint).join(',');
  }

  get peerProxy(): PeerProxy {
    return this.peerProxies[0]!;
  }

  /** As `--dest-peers` takes them. */
  get peers(): string {
    return this.peerProxies.map(({ url }) => url).join(',');
  }

  /** Past the proxies. */
  client(side: 'source' | 'target'): EtcdClient {
    return new EtcdClient({ endpoints: this.members.map(({ endpoint }) => endpoint) }, side);
  }

  /** The one that most connections of the follower go to. */
  talkedTo(): { etcd: Etcd; proxy: FaultProxy } {
    const most = Math.max(...this.proxies.map(({ connections }) => connections));
    const at = this.proxies.findIndex(({ connections }) => connections === most);
    return { etcd: this.members[at]!, proxy: this.proxies[at]! };
  }

  async remove(): Promise<void> {
    await Promise.all([...this.proxies, ...this.peerProxies].map((proxy) => proxy.close()));
    await (this.cluster ?? this.etcd).remove();
    await Promise.all(this.#replaced.map((etcd) => etcd.remove()));
  }
}

export class Scene {
  target!: Side;
  follower!: FollowProcess;
  readonly writes: Writes;
  readonly #byProposals: boolean;
  #follow: FollowProcess[] = [];

  private constructor(
    readonly dir: string,
    readonly source: Side,
    /** To the source, past the proxies. */
    readonly client: EtcdClient,
    { everyMs, peers = false }: SceneOptions,
  ) {
    this.#byProposals = peers;
    this.writes = new Writes(source.etcd, client, everyMs);
  }

  /** In lockstep, and being written if `everyMs` is given. */
  static async start(options: SceneOptions = {}): Promise<Scene> {
    const { version, source = {}, target = {}, everyMs } = options;
    const dir = mkdtempSync(join(tmpdir(), 'faults-'));
    removeAtExit(dir);
    const which = version === undefined ? {} : { version };
    const from = await Side.start({ ...which, ...source });
    const scene = new Scene(dir, from, from.client('source'), options);
    await scene.writes.once();
    const base = await takeBase(scene.client, dir, 'range');
    scene.target = await Side.start({ ...which, ...target }, base);
    await scene.follow();
    if (everyMs !== undefined) scene.writes.start();
    return scene;
  }

  /** Starts one, uses it, and removes it. */
  static async with(options: SceneOptions, use: (scene: Scene) => Promise<void>): Promise<void> {
    const scene = await Scene.start(options);
    try {
      await use(scene);
    } finally {
      await scene.remove();
    }
  }

  get journal(): string {
    return join(this.dir, 'journal');
  }

  /** A new follower, once it is in lockstep. */
  async follow(ends: FollowEnds = {}): Promise<void> {
    const before = { lines: 0, ms: Date.now() };
    this.launch(ends);
    await this.inLockstep({ since: before });
  }

  /** A new follower that nobody waits for. */
  launch({ flags, ...ends }: FollowEnds = {}): FollowProcess {
    const { source, target } = this;
    const { journal } = this;
    const at = { source: source.endpoints, target: target.endpoints, journal, ...ends };
    const more = flags ?? (this.#byProposals ? ['--dest-peers', target.peers] : []);
    this.follower = new FollowProcess(at, ...more);
    this.#follow.push(this.follower);
    return this.follower;
  }

  /** Waits until all is well. */
  async inLockstep(limits: Parameters<FollowProcess['until']>[2] = {}): Promise<number> {
    const well = await this.follower.until(
      'in lockstep',
      ({ state, trouble }) => state === 'in lockstep' && trouble === null,
      limits,
    );
    return well.ms;
  }

  /** Puts one key on the source; returns its revision. */
  async put(key: string, value: string | Buffer = 'v'): Promise<number> {
    const put = { requestPut: { key: Buffer.from(key), value: Buffer.from(value) } };
    return (await this.client.txn({ success: [put] })).revision;
  }

  /** Waits until the follower has brought what is written from now on; returns how long that took. */
  async goesOn(withinMs: number, since = this.follower.mark()): Promise<number> {
    const goal = await this.writes.another();
    const gone = await this.follower.until(
      `past revision ${goal}`,
      ({ position, trouble }) => (position ?? 0) >= goal && trouble === null,
      { since, withinMs },
    );
    return gone.ms;
  }

  async head(side: 'source' | 'target'): Promise<number> {
    const client = this[side].client(side);
    try {
      return (await client.head()).revision;
    } finally {
      client.close();
    }
  }

  /**
   * Stops the writes, waits until the target is where the source is, and compares every row. A write
   * that was given up may still land meanwhile, and then it is done again.
   */
  async exact(withinMs = 60_000): Promise<void> {
    await this.writes.pause();
    for (;;) {
      const goal = await this.head('source');
      await this.follower.until(
        `at revision ${goal} in lockstep`,
        ({ position, state, trouble }) =>
          (position ?? 0) >= goal && state === 'in lockstep' && trouble === null,
        { withinMs },
      );
      try {
        await this.equal();
        return;
      } catch (error) {
        if ((await this.head('source')) === goal) throw error;
      }
    }
  }

  /** Compares every row. */
  async equal(): Promise<void> {
    const [source, target] = [this.source.etcd, this.target.etcd];
    // A snapshot shows what this member has, so it has to have everything.
    await Promise.all([source.ready(), target.ready()]);
    await compareStores(source, target);
  }

  async remove(): Promise<void> {
    await this.writes.end();
    await Promise.all(this.#follow.map((follower) => follower.kill()));
    this.client.close();
    await Promise.all([this.source.remove(), this.target.remove()]);
    removeFolder(this.dir);
  }
}
