/** The etcds that are measured against: as a user runs them, on data of the bench. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Etcd3 } from 'etcd3';
import { prefixRange } from '../../src/mvcc/prefix.js';
import { EtcdClient } from '../../src/wire/client.js';
import { binaries, hasNoFsync } from '../../test/rig/binaries.js';
import { Etcd } from '../../test/rig/etcd.js';
import { etcd3At } from '../../test/rig/etcd3.js';
import { freePorts } from '../../test/rig/ports.js';
import { run } from './commands.js';
import { PODS } from './data.js';

/** `FSYNC=0` runs the etcds without, as the tests do: a measure of everything but the disk. */
export const fsync = process.env['FSYNC'] !== '0';

/** The rig's etcds are in a hurry; these have etcd's own defaults. The quota is for 4 GB of data. */
export const SERVER_FLAGS = [
  '--heartbeat-interval=100',
  '--election-timeout=1000',
  '--quota-backend-bytes=17179869184',
  ...(fsync && hasNoFsync(binaries().etcd) ? ['--unsafe-no-fsync=false'] : []),
];

let made = 0;

/**
 * An etcd and a client of it. What is counted is counted by another client than the one that is measured:
 * a fault of ours would hide from itself.
 */
export class Store {
  readonly client: EtcdClient;
  readonly #counter: Etcd3;

  private constructor(
    readonly etcd: Etcd,
    private readonly dataDir: string,
  ) {
    this.client = new EtcdClient(etcd.endpoint, 'target');
    this.#counter = etcd3At(etcd.address);
  }

  static async empty(folder: string): Promise<Store> {
    return Store.on(join(folder, `etcd-${++made}`), await ports());
  }

  private static async on(dataDir: string, at: Ports): Promise<Store> {
    return new Store(await Etcd.start({ dataDir, args: SERVER_FLAGS, ...at }), dataDir);
  }

  /** Restores a snapshot and starts on it. */
  static async restored(folder: string, snapshot: string, at?: Ports): Promise<Store> {
    return (await Store.restoredInSteps(folder, snapshot, at)).store;
  }

  /** The same with the seconds of each step: etcdutl, then from the start to the answer of a Get. */
  static async restoredInSteps(
    folder: string,
    snapshot: string,
    given?: Ports,
  ): Promise<{ store: Store; restoreSeconds: number; bootSeconds: number }> {
    const at = given ?? (await ports());
    const dataDir = join(folder, `etcd-${++made}`);
    const peer = `http://127.0.0.1:${at.peerPort}`;
    const { etcdutl, etcdctl } = binaries();
    const { seconds: restoreSeconds } = await run(folder, [
      ...[etcdutl ?? etcdctl, 'snapshot', 'restore', snapshot, '--data-dir', dataDir],
      ...['--name', 'rig', '--initial-cluster', `rig=${peer}`],
      ...['--initial-advertise-peer-urls', peer],
    ]);
    const started = performance.now();
    const store = await Store.on(dataDir, at);
    const { rows } = await store.client.range({ ...prefixRange(PODS), limit: 1 });
    if (rows.length === 0) throw new Error(`${snapshot} has no pods`);
    return { store, restoreSeconds, bootSeconds: (performance.now() - started) / 1000 };
  }

  /** A client by another way. */
  through(endpoint: string): EtcdClient {
    return new EtcdClient(endpoint, 'target');
  }

  get endpoint(): string {
    return this.etcd.endpoint;
  }

  async head(): Promise<number> {
    const { header } = await this.#counter.get(PODS).exec();
    return Number(header.revision);
  }

  async pods(): Promise<number> {
    return this.#counter.getAll().prefix(PODS).count();
  }

  /** Waits until it has so many pods; counting them takes its time from the server, so not too often. */
  async untilPods(keys: number, check: () => void): Promise<void> {
    const pollMs = Math.max(10, keys / 400);
    while ((await this.pods()) < keys) {
      check();
      await sleep(pollMs);
    }
  }

  async remove(): Promise<void> {
    this.client.close();
    this.#counter.close();
    await this.etcd.remove();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}

export interface Ports {
  clientPort: number;
  peerPort: number;
}

/** Known before the etcd is, as a follower that waits for it needs them. */
export async function ports(): Promise<Ports> {
  const [clientPort = 0, peerPort = 0] = await freePorts(2);
  return { clientPort, peerPort };
}
