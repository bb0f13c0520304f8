/**
 * What one who knows etcd would take instead: a learner of the old cluster copies everything, and at the
 * freeze goes on alone, at the same revisions. In the two ways in which etcd lets it be done:
 *
 * - `forced`: promoted to a voting member beforehand, stopped at the freeze, started with
 *   `--force-new-cluster`, and where no old member reaches it: what it was before is its peer URL, and it
 *   tells whoever asks there that *he* was removed, upon which an old member ends for good. Not promoted it
 *   panics ("removed all voters"). Removed from the old cluster before its start, it asks the old members
 *   and ends by itself. An old cluster of one member has no quorum from the stop on.
 * - `restored`: a learner to the end. Its file is restored as a cluster of its own. Of any old cluster.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EtcdClient } from '../../src/wire/client.js';
import { binaries } from '../../test/rig/binaries.js';
import { Child } from '../../test/rig/child.js';
import { Etcd } from '../../test/rig/etcd.js';
import { ports, type Ports } from './etcds.js';

export const LEARNER_WAYS = ['forced', 'restored'] as const;
export type LearnerWay = (typeof LEARNER_WAYS)[number];

const NAME = 'learner';
const POLL_MS = 5;
/** Asked too early, etcd says that it is not in sync yet. */
const PROMOTED_WITHIN_MS = 30_000;
const IN_FLIGHT = 64;

export interface Step {
  step: string;
  seconds: number;
}

/** Runs it, and notes what it took. */
export async function timed<T>(steps: Step[], step: string, act: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await act();
  steps.push({ step, seconds: (performance.now() - started) / 1000 });
  return result;
}

export class Learner {
  readonly dataDir: string;
  readonly #client: EtcdClient;

  private constructor(
    private readonly folder: string,
    private readonly old: Etcd,
    private readonly id: string,
    private readonly at: Ports,
    private readonly child: Child,
    private readonly args: readonly string[],
  ) {
    this.dataDir = join(folder, NAME);
    this.#client = new EtcdClient(this.endpoint, 'target');
  }

  /** @param old any member of the old cluster; it is asked for all that concerns it */
  static async join(folder: string, old: Etcd, args: readonly string[]): Promise<Learner> {
    const at = await ports();
    const peer = `http://127.0.0.1:${at.peerPort}`;
    const client = `http://127.0.0.1:${at.clientPort}`;
    const said = await old.ctl('member', 'add', NAME, '--learner', `--peer-urls=${peer}`);
    const id = /^Member +([0-9a-f]+) added/m.exec(said)?.[1];
    const cluster = /^ETCD_INITIAL_CLUSTER="(.*)"$/m.exec(said)?.[1];
    if (id === undefined || cluster === undefined) throw new Error(`member add said:\n${said}`);
    const dataDir = join(folder, NAME);
    const flags = [
      ...[`--name=${NAME}`, `--data-dir=${dataDir}`, '--initial-cluster-state=existing'],
      ...[`--initial-cluster=${cluster}`, `--initial-advertise-peer-urls=${peer}`],
      ...[`--listen-peer-urls=${peer}`, `--listen-client-urls=${client}`],
      ...[`--advertise-client-urls=${client}`, '--log-level=warn', ...args],
    ];
    const child = new Child(binaries().etcd, flags, `${dataDir}.log`);
    return new Learner(folder, old, id, at, child, args);
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.at.clientPort}`;
  }

  get pid(): number {
    return this.child.pid;
  }

  /** Waits until it has what the old cluster has now. */
  async caughtUp(): Promise<void> {
    const client = new EtcdClient(this.old.endpoint, 'source');
    const { revision } = await client.head().finally(() => {
      client.close();
    });
    while ((await this.#head()) < revision) {
      if (this.child.ended() !== undefined) throw new Error(this.child.lastLines(5));
      await sleep(POLL_MS);
    }
  }

  /** Makes it a voting member: the old cluster's quorum is formed with it from then on. */
  async promote(): Promise<void> {
    const deadline = Date.now() + PROMOTED_WITHIN_MS;
    while (true) {
      try {
        await this.old.ctl('member', 'promote', this.id);
        return;
      } catch (e) {
        if (Date.now() > deadline) throw e;
        await sleep(100);
      }
    }
  }

  /** Has it go on alone; returns when it answers. Nothing may be written to it before. */
  async alone(way: LearnerWay, steps: Step[]): Promise<Etcd> {
    const { at, args } = this;
    await timed(steps, 'stop', () => this.child.stop());
    const common = { name: NAME, clientPort: at.clientPort };
    if (way === 'forced') {
      const { peerPort } = await ports(); // not where the old members look for it
      const options = { ...common, peerPort, dataDir: this.dataDir };
      return timed(steps, 'start', () =>
        Etcd.start({ ...options, args: [...args, '--force-new-cluster'] }),
      );
    }
    return timed(steps, 'restore and start', () =>
      Etcd.startFromSnapshot(join(this.dataDir, 'member/snap/db'), {
        ...{ ...common, peerPort: at.peerPort, dataDir: join(this.folder, 'alone'), args },
        restoreArgs: ['--skip-hash-check=true'],
      }),
    );
  }

  /** Removes what the old cluster still knows of it. */
  async forget(): Promise<void> {
    await this.old.ctl('member', 'remove', this.id);
  }

  async end(): Promise<void> {
    this.#client.close();
    await this.child.kill();
  }

  async #head(): Promise<number> {
    return this.#client.memberStatus().then(
      ({ head }) => head,
      () => 0, // it does not listen yet
    );
  }
}

/** Uses up so many revisions, as it takes to raise the new head above the old one's. */
export async function raise(etcd: Etcd, revisions: number): Promise<void> {
  const client = new EtcdClient(etcd.endpoint, 'target');
  let left = revisions;
  const worker = async () => {
    while (left-- > 0)
      await client.txn({ success: [{ requestPut: { key: Buffer.from('raise'), value: null } }] });
  };
  try {
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  } finally {
    client.close();
  }
}
