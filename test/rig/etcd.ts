import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { binaries, cleanEnv, hasNoFsync, type Binaries, type EtcdVersion } from './binaries.js';
import { Child, removeAtExit, removeFolder } from './child.js';
import { freePorts } from './ports.js';

export { binaries, haveVersion, newestVersion, versions } from './binaries.js';
export type { Binaries, EtcdVersion } from './binaries.js';
export { freePorts } from './ports.js';

const HOST = '127.0.0.1';
const HEALTHY_WITHIN_MS = 20_000;
const STOPPED_WITHIN_MS = 10_000;
const START_TRIES = 3;

export interface EtcdOptions {
  version?: EtcdVersion;
  /** Default: a fresh temporary folder, removed by `remove()` or when the process ends. */
  dataDir?: string;
  /** More flags for etcd, such as `--quota-backend-bytes=...`; they win over the rig's own. */
  args?: readonly string[];
  name?: string;
  /** From `freePorts`, where an endpoint must be known before its etcd exists. */
  clientPort?: number;
  peerPort?: number;
}

export interface SnapshotOptions extends EtcdOptions {
  /** More flags for the restore, such as `--skip-hash-check=true`. */
  restoreArgs?: readonly string[];
}

/** Everything that stays the same from one start of an etcd to the next. */
interface Setup {
  readonly bin: Binaries;
  readonly name: string;
  readonly dataDir: string;
  /** The folder to remove with it, undefined where the data folder is the caller's. */
  readonly tempDir: string | undefined;
  readonly args: readonly string[];
}

interface Ports {
  readonly client: number;
  readonly peer: number;
}

const run = promisify(execFile);

/** Runs etcdctl or etcdutl; a failure throws with what it wrote. */
async function tool(command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(command, args, { env: cleanEnv(), maxBuffer: 1 << 28 });
  return stdout;
}

function setUp(options: EtcdOptions): Setup {
  let { dataDir } = options;
  let tempDir: string | undefined;
  if (dataDir === undefined) {
    tempDir = mkdtempSync(join(tmpdir(), 'etcd-rig-'));
    removeAtExit(tempDir);
    dataDir = join(tempDir, 'data');
  }
  return {
    bin: binaries(options.version),
    name: options.name ?? 'rig',
    dataDir,
    tempDir,
    args: options.args ?? [],
  };
}

async function choosePorts(options: EtcdOptions): Promise<Ports> {
  const { clientPort, peerPort } = options;
  return {
    client: clientPort ?? (await freePorts(1))[0]!,
    peer: peerPort ?? (await freePorts(1))[0]!,
  };
}

function url(port: number): string {
  return `http://${HOST}:${port}`;
}

/** The flags that a first start and a restore must agree on. */
function membership(setup: Setup, ports: Ports): string[] {
  const peer = url(ports.peer);
  return [
    `--name=${setup.name}`,
    `--data-dir=${setup.dataDir}`,
    `--initial-cluster=${setup.name}=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
  ];
}

function serverArgs(setup: Setup, ports: Ports): string[] {
  return [
    ...membership(setup, ports),
    `--listen-peer-urls=${url(ports.peer)}`,
    `--listen-client-urls=${url(ports.client)}`,
    `--advertise-client-urls=${url(ports.client)}`,
    '--logger=zap', // 3.4's default is another
    '--log-outputs=stderr',
    '--log-level=warn',
    // One member waits out an election timeout at each start; the default's is over a second.
    '--heartbeat-interval=10',
    '--election-timeout=100',
    // The data outlives a SIGKILL all the same, only not a crash of the machine.
    ...(hasNoFsync(setup.bin.etcd) ? ['--unsafe-no-fsync'] : []),
    ...setup.args,
  ];
}

/** Whether a linearizable read is answered: /health would also fail for a mere alarm. */
async function answers(endpoint: string): Promise<boolean> {
  try {
    const response = await fetch(`${endpoint}/v3/kv/range`, {
      method: 'POST',
      body: JSON.stringify({ key: 'AA==' }),
      signal: AbortSignal.timeout(2_000),
    });
    const text = await response.text();
    // With authentication on, a refusal is as good: the server is up.
    return response.ok || text.includes('user name is empty');
  } catch {
    return false;
  }
}

async function launch(setup: Setup, ports: Ports): Promise<Child> {
  const child = new Child(setup.bin.etcd, serverArgs(setup, ports), `${setup.dataDir}.log`);
  const deadline = Date.now() + HEALTHY_WITHIN_MS;
  while (child.ended() === undefined && Date.now() < deadline) {
    // Somebody else's etcd on our port would answer too; ours has ended by then.
    if ((await answers(url(ports.client))) && child.ended() === undefined) return child;
    await sleep(10);
  }
  const why = child.ended() ?? `no answer in ${HEALTHY_WITHIN_MS} ms`;
  child.signal('SIGKILL');
  await child.exit();
  throw new Error(`etcd ${setup.bin.version} did not start (${why}):\n${child.lastLines(20)}`);
}

/** A real etcd of one member on 127.0.0.1, without TLS. */
export class Etcd {
  readonly endpoint: string;
  readonly #setup: Setup;
  readonly #ports: Ports;
  #child: Child;

  private constructor(setup: Setup, ports: Ports, child: Child) {
    this.#setup = setup;
    this.#ports = ports;
    this.#child = child;
    this.endpoint = url(ports.client);
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

  /** A port that was free may be taken by the time etcd listens: other ports then, if it may choose. */
  static async #launchAnywhere(setup: Setup, options: EtcdOptions, first?: Ports): Promise<Etcd> {
    const chooses = options.clientPort === undefined || options.peerPort === undefined;
    let ports = first ?? (await choosePorts(options));
    for (let tried = 1; ; tried++) {
      try {
        return new Etcd(setup, ports, await launch(setup, ports));
      } catch (e) {
        const taken = e instanceof Error && e.message.includes('address already in use');
        if (!taken || !chooses || tried === START_TRIES) throw e;
        ports = await choosePorts(options);
      }
    }
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

  /** Runs this version's etcdctl against it and returns what it printed. */
  async ctl(...args: string[]): Promise<string> {
    return tool(this.#setup.bin.etcdctl, [`--endpoints=${this.endpoint}`, ...args]);
  }

  /** SIGTERM; SIGKILL if it does not end. Harmless when it has ended already. */
  async stop(): Promise<void> {
    const child = this.#child;
    child.signal('SIGTERM');
    child.signal('SIGCONT'); // a paused process gets the other one only then
    const late = setTimeout(() => {
      child.signal('SIGKILL');
    }, STOPPED_WITHIN_MS);
    await child.exit();
    clearTimeout(late);
  }

  /** SIGKILL: what a crash of the process leaves behind. */
  async kill(): Promise<void> {
    this.#child.signal('SIGKILL');
    await this.#child.exit();
  }

  /** SIGSTOP: connections stay open, nothing answers. */
  pause(): void {
    this.#child.signal('SIGSTOP');
  }

  resume(): void {
    this.#child.signal('SIGCONT');
  }

  /** Stops it if it runs, and starts it again on the same ports and data. */
  async restart(): Promise<void> {
    await this.stop();
    this.#child = await launch(this.#setup, this.#ports);
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
