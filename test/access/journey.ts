/** The whole way through the command line: seed, restore, follow, audit, status, each as it is let in. */
import { expect } from 'chai';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, Running, whole, type Ended } from '../cli/run.js';
import { PODS } from '../cli/stage.js';
import { compareRows, rowsOf } from '../oracle/rows.js';
import { removeAtExit, removeFolder } from '../rig/child.js';
import { Etcd, type EtcdOptions } from '../rig/etcd.js';
import { flagsOf, Gate, type Access } from './gate.js';

export { PODS };

/** What the commands are given: `endpoints` and more, for each side. */
export interface Ways {
  source: Access;
  target: Access;
}

export class Journey {
  readonly dir = mkdtempSync(join(tmpdir(), 'access-'));
  readonly journal = join(this.dir, 'journal');
  readonly base = join(this.dir, 'base.db');
  readonly prefixes: readonly string[];
  readonly env: Record<string, string> = {};
  ways: Ways = { source: {}, target: {} };
  target!: Gate;
  readonly #etcds: Etcd[];

  private constructor(
    readonly source: Gate,
    prefixes: readonly string[],
  ) {
    removeAtExit(this.dir);
    this.prefixes = prefixes;
    this.#etcds = [source.etcd];
  }

  /** A source with a few pods; what it takes to be let in is up to the caller. */
  static async start(
    options?: EtcdOptions,
    prefixes: readonly string[] = [PODS],
  ): Promise<Journey> {
    const etcd = await Etcd.start(options);
    const journey = new Journey(new Gate(etcd), prefixes);
    journey.ways = { ...journey.ways, source: { endpoints: etcd.endpoint } };
    for (const prefix of prefixes) await journey.source.put(`${prefix}a`, '1');
    await journey.source.put('/registry/events/e');
    return journey;
  }

  async end(): Promise<void> {
    await Promise.all(this.#etcds.map((etcd) => etcd.remove()));
    removeFolder(this.dir);
  }

  /** Restores the base. */
  async restore(options?: EtcdOptions): Promise<Gate> {
    const etcd = await Etcd.startFromSnapshot(this.base, options);
    this.#etcds.push(etcd);
    this.target = new Gate(etcd);
    this.ways = { ...this.ways, target: { endpoints: etcd.endpoint, ...this.ways.target } };
    return this.target;
  }

  seedArgs(): string[] {
    const what = this.prefixes.flatMap((prefix) => ['--prefix', prefix]);
    const to = ['--journal', this.journal, '--out', this.base];
    return ['seed', ...flagsOf('source', this.ways.source), ...what, ...to];
  }

  followArgs(): string[] {
    return ['follow', ...this.#both(), '--journal', this.journal, '-w', 'json'];
  }

  auditArgs(): string[] {
    const what = this.prefixes.flatMap((prefix) => ['--prefix', prefix]);
    return ['audit', ...this.#both(), ...what, '--history', '-w', 'json'];
  }

  planArgs(): string[] {
    return ['plan', ...this.#both(), '--sample', '0.1', '-w', 'json'];
  }

  statusArgs(): string[] {
    return ['status', ...this.#both(), '-w', 'json'];
  }

  fenceArgs(): string[] {
    const fast = ['--once', '--yes', '--margin', '100', '--quiet', '0'];
    return ['fence', ...this.#both(), ...fast, '-w', 'json'];
  }

  async seed(...more: string[]): Promise<Ended> {
    return succeeded(await this.run([...this.seedArgs(), '-w', 'json', ...more]));
  }

  /** A follower that has found its target. */
  async following(...more: string[]): Promise<Running> {
    const follower = new Running([...this.followArgs(), ...more], this.env);
    await follower.until(({ stderr }) => stderr.includes('target found'));
    return follower;
  }

  async run(args: readonly string[]): Promise<Ended> {
    return run(args, this.env);
  }

  /** Follows to the end; then both stores are the same, and audit and status say so. */
  async arrive(): Promise<void> {
    await this.catchUp();
    const audited = succeeded(await this.run(this.auditArgs()));
    expect(whole(audited.stdout).at(-1)).to.have.nested.property('report.equal', true);
    const status = succeeded(await this.run(this.statusArgs()));
    expect(whole(status.stdout)[0]).to.deep.include({ trouble: null, lagRevisions: 0 });
  }

  /** Follows to the end; then both stores are the same. */
  async catchUp(): Promise<void> {
    const { stderr } = succeeded(await this.run([...this.followArgs(), '--until-synced']));
    for (const line of stderr.trimEnd().split('\n'))
      expect(JSON.parse(line), 'nothing but log lines').to.have.keys(['level', 'time', 'msg']);
    await this.exact();
  }

  async exact(): Promise<void> {
    const [there, here] = await Promise.all([
      rowsOf(this.source, this.prefixes),
      rowsOf(this.target, this.prefixes),
    ]);
    expect(compareRows(there, here)).to.equal(undefined);
  }

  #both(): string[] {
    return [...flagsOf('source', this.ways.source), ...flagsOf('target', this.ways.target)];
  }
}

export function succeeded(ended: Ended): Ended {
  expect(ended.code, ended.stderr).to.equal(0);
  return ended;
}
