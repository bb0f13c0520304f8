/** How one etcd process is set up and started; the class Etcd is what lives on top of it. */
import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { binaries, cleanEnv, hasNoFsync, type Binaries, type EtcdVersion } from './binaries.js';
import { Child, removeAtExit } from './child.js';
import { freePorts } from './ports.js';
import { answers } from './rpc.js';
import { peerFlags, serverFlags, type TlsOptions } from './tls.js';

const HOST = '127.0.0.1';
const HEALTHY_WITHIN_MS = 20_000;

/** What a member of a cluster has to know of the others. */
export interface Peers {
  /** `name=url` of each member, as `--initial-cluster` wants it. */
  readonly initialCluster: string;
  readonly token: string;
  /** The port that the other members are told, where it is not the one that it listens on. */
  readonly advertisedPort: number;
}

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
  /** Of clients; without it they talk plainly. */
  tls?: TlsOptions;
  /** Of members among themselves; without it they talk plainly. */
  peerTls?: TlsOptions;
  /** `simple` (etcd's default) or `jwt,…` with its options; heeded once authentication is on. */
  authToken?: string;
  /** Seconds until a simple token that nobody uses is forgotten. */
  authTokenTtl?: number;
  /** Set by EtcdCluster. */
  peers?: Peers;
}

/** Everything that stays the same from one start of an etcd to the next. */
export interface Setup {
  readonly bin: Binaries;
  readonly name: string;
  readonly dataDir: string;
  /** The folder to remove with it, undefined where the data folder is the caller's. */
  readonly tempDir: string | undefined;
  readonly tls: TlsOptions | undefined;
  readonly peerTls: TlsOptions | undefined;
  readonly peers: Peers | undefined;
  readonly args: readonly string[];
}

export interface Ports {
  readonly client: number;
  readonly peer: number;
}

const run = promisify(execFile);

/** Runs etcdctl or etcdutl; a failure throws with what it wrote. */
export async function tool(command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(command, args, { env: cleanEnv(), maxBuffer: 1 << 28 });
  return stdout;
}

export function setUp(options: EtcdOptions): Setup {
  let { dataDir } = options;
  let tempDir: string | undefined;
  if (dataDir === undefined) {
    tempDir = mkdtempSync(join(tmpdir(), 'etcd-rig-'));
    removeAtExit(tempDir);
    dataDir = join(tempDir, 'data');
  }
  const { authToken, authTokenTtl, args = [] } = options;
  return {
    bin: binaries(options.version),
    name: options.name ?? 'rig',
    dataDir,
    tempDir,
    tls: options.tls,
    peerTls: options.peerTls,
    peers: options.peers,
    args: [
      ...(authToken === undefined ? [] : [`--auth-token=${authToken}`]),
      ...(authTokenTtl === undefined ? [] : [`--auth-token-ttl=${authTokenTtl}`]),
      ...args,
    ],
  };
}

export async function choosePorts(options: EtcdOptions): Promise<Ports> {
  const { clientPort, peerPort } = options;
  return {
    client: clientPort ?? (await freePorts(1))[0]!,
    peer: peerPort ?? (await freePorts(1))[0]!,
  };
}

export function urlOf(tls: TlsOptions | undefined, port: number): string {
  return `${tls === undefined ? 'http' : 'https'}://${HOST}:${port}`;
}

/** The flags that a first start and a restore must agree on. */
export function membership({ name, dataDir, peers, peerTls }: Setup, ports: Ports): string[] {
  const advertised = urlOf(peerTls, peers?.advertisedPort ?? ports.peer);
  return [
    `--name=${name}`,
    `--data-dir=${dataDir}`,
    `--initial-cluster=${peers?.initialCluster ?? `${name}=${advertised}`}`,
    ...(peers === undefined ? [] : [`--initial-cluster-token=${peers.token}`]),
    `--initial-advertise-peer-urls=${advertised}`,
  ];
}

/**
 * One member waits out an election timeout at each start; etcd's own is over a
 * second. Several members on a busy machine of two cores would hold elections
 * all the time with so short a one.
 */
function timing(peers: Peers | undefined): string[] {
  return peers === undefined
    ? ['--heartbeat-interval=10', '--election-timeout=100']
    : ['--heartbeat-interval=50', '--election-timeout=500'];
}

function serverArgs(setup: Setup, ports: Ports): string[] {
  const client = urlOf(setup.tls, ports.client);
  return [
    ...membership(setup, ports),
    `--listen-peer-urls=${urlOf(setup.peerTls, ports.peer)}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    ...serverFlags(setup.tls),
    ...peerFlags(setup.peerTls),
    '--logger=zap', // 3.4's default is another
    '--log-outputs=stderr',
    '--log-level=warn',
    ...timing(setup.peers),
    '--bcrypt-cost=4', // the least: each login of a test waits for it
    // The data outlives a SIGKILL all the same, only not a crash of the machine.
    ...(hasNoFsync(setup.bin.etcd) ? ['--unsafe-no-fsync'] : []),
    ...setup.args,
  ];
}

/** Starts the process, and does not wait for anything. */
export function spawnServer(setup: Setup, ports: Ports): Child {
  return new Child(setup.bin.etcd, serverArgs(setup, ports), `${setup.dataDir}.log`);
}

/** Waits until a process answers a linearizable read; one that does not is ended. */
export async function untilReady(setup: Setup, ports: Ports, child: Child): Promise<void> {
  const deadline = Date.now() + HEALTHY_WITHIN_MS;
  while (child.ended() === undefined && Date.now() < deadline) {
    const answered = await answers({ port: ports.client, tls: setup.tls });
    // Somebody else's etcd on our port would answer too; ours has ended by then.
    if (answered && child.ended() === undefined) return;
    await sleep(10);
  }
  const why = child.ended() ?? `no answer in ${HEALTHY_WITHIN_MS} ms`;
  await child.kill();
  throw new Error(`etcd ${setup.bin.version} did not start (${why}):\n${child.lastLines(20)}`);
}
