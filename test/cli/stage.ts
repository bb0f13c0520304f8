/** What most of these tests begin with: a source, a base seeded from it, targets restored from that. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sealed } from '../../src/base/basefile.js';
import { seed } from '../../src/base/seed.js';
import { PrefixSet, WHOLE_STORE } from '../../src/mvcc/prefix.js';
import { EtcdClient } from '../../src/wire/client.js';
import { removeAtExit, removeFolder } from '../rig/child.js';
import { Etcd, type EtcdOptions, type SnapshotOptions } from '../rig/etcd.js';
import { run, type Ended } from './run.js';

export const PODS = '/registry/pods/';

export interface Seeded {
  journal: string;
  base: string;
  sealed: Sealed;
}

export class Stage {
  readonly client: EtcdClient;
  readonly dir = mkdtempSync(join(tmpdir(), 'stage-'));
  readonly #etcds: Etcd[];
  #seeds = 0;

  private constructor(readonly source: Etcd) {
    removeAtExit(this.dir);
    this.#etcds = [source];
    this.client = new EtcdClient(source.endpoint, 'source');
  }

  static async start(options?: EtcdOptions): Promise<Stage> {
    return new Stage(await Etcd.start(options));
  }

  async end(): Promise<void> {
    this.client.close();
    await Promise.all(this.#etcds.map((etcd) => etcd.remove()));
    removeFolder(this.dir);
  }

  /** Puts one key; returns its revision. */
  async put(key: string, value = 'v'): Promise<number> {
    const put = { requestPut: { key: Buffer.from(key), value: Buffer.from(value) } };
    return (await this.client.txn({ success: [put] })).revision;
  }

  /** Moves the source's head on by so many revisions that touch none of the pods. */
  async foreign(revisions: number): Promise<void> {
    for (let i = 0; i < revisions; i++) await this.put('/registry/events/e');
  }

  async head(): Promise<number> {
    return (await this.client.head()).revision;
  }

  /** A new journal and base of this source, or of another one. */
  async seed({ prefixes = [PODS], client = this.client } = {}): Promise<Seeded> {
    const n = ++this.#seeds;
    const journal = join(this.dir, `journal-${n}`);
    const base = join(this.dir, `base-${n}.db`);
    const sealed = await seed(client, {
      prefixes: PrefixSet.of(prefixes),
      journal,
      out: base,
      from: 'range',
      allowEmpty: true,
      onBase: () => undefined,
      onNote: () => undefined,
      signal: AbortSignal.timeout(30_000),
    });
    return { journal, base, sealed };
  }

  /** An etcd that is removed with the stage: on a base, or an empty one. */
  async etcd(base?: string, options?: SnapshotOptions): Promise<Etcd> {
    const etcd = base ? await Etcd.startFromSnapshot(base, options) : await Etcd.start(options);
    this.#etcds.push(etcd);
    return etcd;
  }

  followArgs(journal: string, target: string, source = this.source.endpoint): string[] {
    return [
      ...['follow', '--endpoints', source, '--dest-endpoints', target],
      ...['--journal', journal, '-w', 'json'],
    ];
  }

  /** Runs `follow … -w json` to its end. */
  async follow(journal: string, target: Etcd, ...more: string[]): Promise<Ended> {
    return run([...this.followArgs(journal, target.endpoint), ...more]);
  }

  /** Runs `audit … -w json` to its end. */
  async audit(target: Etcd, ...more: string[]): Promise<Ended> {
    const ends = ['--endpoints', this.source.endpoint, '--dest-endpoints', target.endpoint];
    return run(['audit', ...ends, '--prefix', PODS, '-w', 'json', ...more]);
  }
}

/** Everything that a client can see of a store: head, rows, leases. Equal means unchanged. */
export async function fingerprint(etcd: Etcd): Promise<object> {
  const client = new EtcdClient(etcd.endpoint, 'target');
  try {
    const { header, rows } = await client.range(WHOLE_STORE);
    const leases = (await client.leases()).map(String).sort();
    return { head: header.revision, rows: rows.map((row) => row.toString('latin1')), leases };
  } finally {
    client.close();
  }
}

/** Waits for a condition of a store; mocha's timeout is the limit. */
export async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(50);
}
