import type { EtcdVersion } from './binaries.js';
import { removeFolder, type Child } from './child.js';
import { memberStatus, type ClientAddress, type MemberStatus } from './rpc.js';
import {
  choosePorts,
  membership,
  setUp,
  spawnServer,
  tool,
  untilReady,
  urlOf,
  type EtcdOptions,
  type Ports,
  type Setup,
} from './server.js';
import { ctlFlags } from './tls.js';

export { binaries, haveVersion, newestVersion, versions } from './binaries.js';
export type { Binaries, EtcdVersion } from './binaries.js';
export { freePorts } from './ports.js';
export type { EtcdOptions } from './server.js';

const START_TRIES = 3;

export interface SnapshotOptions extends EtcdOptions {
  /** More flags for the restore, such as `--skip-hash-check=true`. */
  restoreArgs?: readonly string[];
}

/** A user to run etcdctl as. */
export interface Login {
  readonly name: string;
  readonly password: string;
}

async function launch(setup: Setup, ports: Ports): Promise<Child> {
  const child = spawnServer(setup, ports);
  await untilReady(setup, ports, child);
  return child;
}

/** A port that was free may be taken by the time etcd listens; the caller then chooses others. */
export async function onFreePorts<T>(mayChoose: boolean, start: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await start();
    } catch (e) {
      const taken = e instanceof Error && e.message.includes('address already in use');
      if (!taken || !mayChoose || tried === START_TRIES) throw e;
    }
  }
}

/** A real etcd process on 127.0.0.1: a cluster of one, or a member of an EtcdCluster. */
export class Etcd {
  readonly endpoint: string;
  readonly #setup: Setup;
  readonly #ports: Ports;
  #child: Child;
  #paused = false;

  private constructor(setup: Setup, ports: Ports, child: Child) {
    this.#setup = setup;
    this.#ports = ports;
    this.#child = child;
    this.endpoint = urlOf(setup.tls, ports.client);
  }

  /** Starts one and waits until it answers a linearizable read. */
  static async start(options: EtcdOptions = {}): Promise<Etcd> {
    return Etcd.#launchAnywhere(setUp(options), options);
  }

  /** Restores `file` into the data folder, then starts on it. */
  static async startFromSnapshot(file: string, options: SnapshotOptions = {}): Promise<Etcd> {
    const setup = setUp(options);
    const ports = await choosePorts(options);
    const flags = [...membership(setup, ports), ...(options.restoreArgs ?? [])];
    const { etcdutl, etcdctl } = setup.bin;
    await tool(etcdutl ?? etcdctl, ['snapshot', 'restore', file, ...flags]);
    return Etcd.#launchAnywhere(setup, options, ports);
  }

  static async #launchAnywhere(setup: Setup, options: EtcdOptions, first?: Ports): Promise<Etcd> {
    const mayChoose = options.clientPort === undefined || options.peerPort === undefined;
    let next = first;
    return onFreePorts(mayChoose, async () => {
      const ports = next ?? (await choosePorts(options));
      next = undefined;
      return new Etcd(setup, ports, await launch(setup, ports));
    });
  }

  get version(): EtcdVersion {
    return this.#setup.bin.version;
  }

  get dataDir(): string {
    return this.#setup.dataDir;
  }

  get logFile(): string {
    return `${this.#setup.dataDir}.log`;
  }

  get clientPort(): number {
    return this.#ports.client;
  }

  /** Of the process now; `restart()` changes it. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Where clients of the rig find it, and how they get in. */
  get address(): ClientAddress {
    return { port: this.#ports.client, tls: this.#setup.tls };
  }

  get peerPort(): number {
    return this.#ports.peer;
  }

  get name(): string {
    return this.#setup.name;
  }

  /** Neither ended nor paused. A method: the answer changes between two calls. */
  running(): boolean {
    return this.#child.ended() === undefined && !this.#paused;
  }

  /** What it says of itself and its leader; undefined when it does not answer. */
  async status(): Promise<MemberStatus | undefined> {
    return memberStatus(this.address);
  }

  /** Runs this version's etcdctl against it and returns what it printed. */
  async ctl(...args: string[]): Promise<string> {
    return this.ctlAt([this.endpoint], args);
  }

  /** The same as a user, for when authentication is on. */
  async ctlAs(login: Login, ...args: string[]): Promise<string> {
    return this.ctlAt([this.endpoint], args, login);
  }

  /** The same against several members of its cluster, of which etcdctl takes what answers. */
  async ctlAt(endpoints: readonly string[], args: readonly string[], as?: Login): Promise<string> {
    return tool(this.#setup.bin.etcdctl, [
      `--endpoints=${endpoints.join(',')}`,
      ...ctlFlags(this.#setup.tls),
      ...(as === undefined ? [] : [`--user=${as.name}:${as.password}`]),
      ...args,
    ]);
  }

  /** SIGTERM; SIGKILL if it does not end. Harmless when it has ended already. */
  async stop(): Promise<void> {
    await this.#child.stop();
  }

  /** SIGKILL: what a crash of the process leaves behind. */
  async kill(): Promise<void> {
    await this.#child.kill();
  }

  /** SIGSTOP: connections stay open, nothing answers. */
  pause(): void {
    this.#paused = true;
    this.#child.signal('SIGSTOP');
  }

  resume(): void {
    this.#paused = false;
    this.#child.signal('SIGCONT');
  }

  /** Stops it if it runs, and starts it again on the same ports and data. */
  async restart(): Promise<void> {
    await this.respawn();
    await this.ready();
  }

  /** Like `restart()`, for a member that cannot answer yet because its cluster has no quorum. */
  async respawn(): Promise<void> {
    await this.stop();
    this.#child = spawnServer(this.#setup, this.#ports);
    this.#paused = false;
  }

  /** Waits until it answers a linearizable read: it has then caught up with its cluster. */
  async ready(): Promise<void> {
    await untilReady(this.#setup, this.#ports, this.#child);
  }

  /** Ends it and deletes its data, if the data folder was the rig's. */
  async remove(): Promise<void> {
    await this.kill();
    if (this.#setup.tempDir !== undefined) removeFolder(this.#setup.tempDir);
  }
}

/**
 * An etcd on what a snapshot file holds: etcdutl (3.5 on) or etcdctl (3.4)
 * restores it into a fresh data folder first.
 */
export async function startFromSnapshot(file: string, options?: SnapshotOptions): Promise<Etcd> {
  return Etcd.startFromSnapshot(file, options);
}
