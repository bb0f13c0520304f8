/**
 * One source that is written, one target, and the followers that die between them, one after another.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import fc from 'fast-check';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { takeStock } from '../../src/target/stock.js';
import { EtcdTarget } from '../../src/target/target.js';
import { EtcdClient } from '../../src/wire/client.js';
import { arbitraryOp, PREFIXES, type Op } from '../oracle/history.js';
import { compareStores, takeBase } from '../oracle/lockstep.js';
import { HistoryWriter } from '../oracle/writer.js';
import { removeAtExit, removeFolder } from '../rig/child.js';
import { Etcd, type EtcdVersion } from '../rig/etcd.js';
import { spell, type By, type Doom } from './deaths.js';
import type { Death, Mortal, Pool } from './mortal.js';
import type { Random } from './random.js';

/** The writer rests so long between two operations, so that a follower can come near. */
const REST_MS = 15;
/** Operations beside each follower; then the source is still, and the follower catches up. */
const OPS_EACH = 8;
/** A follower that is in lockstep and has not met its fail point by then is killed. */
const PATIENCE_MS = 8_000;

/** The sizes have tests of their own; here they would take the time of many resumes. */
const cheapOp = arbitraryOp({ compact: false }).filter(
  (op) =>
    !(op.kind === 'lease' && op.keys > 8) &&
    !(op.kind === 'foreign' && op.count > 40) &&
    !(op.kind === 'put' && op.size === 'megabyte'),
);

export class Life {
  readonly #source: EtcdClient;
  readonly #target: EtcdClient;
  readonly #ops: Op[] = [];

  private constructor(
    private readonly pool: Pool,
    private readonly random: Random,
    readonly dir: string,
    readonly source: Etcd,
    readonly target: Etcd,
    readonly writer: HistoryWriter,
    client: EtcdClient,
  ) {
    this.#source = client;
    this.#target = new EtcdClient(target.endpoint, 'target');
    // What the target has is in the journal, so the next follower still finds its history.
    writer.compactLimit = async () => (await this.#target.head()).revision;
  }

  static async begin(pool: Pool, random: Random, version: EtcdVersion): Promise<Life> {
    const dir = mkdtempSync(join(tmpdir(), 'crash-'));
    removeAtExit(dir);
    const source = await Etcd.start({ version });
    const client = new EtcdClient(source.endpoint, 'source');
    const writer = new HistoryWriter(source, client);
    await writer.all(fc.sample(cheapOp, { seed: random.between(0, 2 ** 30), numRuns: 5 }));
    const base = await takeBase(client, dir, random.pick(['range', 'snapshot'] as const));
    const args = ['--max-request-bytes=10485760'];
    const target = await Etcd.startFromSnapshot(base, { version, args });
    return new Life(pool, random, dir, source, target, writer, client);
  }

  async end(): Promise<void> {
    this.#source.close();
    this.#target.close();
    await Promise.all([this.source.remove(), this.target.remove()]);
    removeFolder(this.dir);
  }

  get journal(): string {
    return join(this.dir, 'journal');
  }

  /**
   * One follower from its start to its end.
   * @returns whether its fail point has killed it
   */
  async resume(doom: Doom): Promise<boolean> {
    if (doom.fromSynced) await this.sync();
    const mortal = await this.pool.take();
    const env = doom.kind === 'point' ? { LOCKSTEP_FAILPOINT: spell(doom) } : {};
    mortal.start(this.#args(doom.by), env);
    const anyTime = doom.kind === 'any time' ? killLate(mortal, doom.afterMs) : undefined;
    await this.writer.all(doom.feed);
    if (doom.then.length > 0) await this.#synced(mortal);
    await this.writer.all(doom.then);
    await this.#write(mortal);
    const missed = anyTime ?? killLate(mortal, await this.#patience(doom, mortal));
    const death = await mortal.ended;
    clearTimeout(missed);
    refuseOwnEnd(death);
    await this.check();
    return !death.killed;
  }

  /** Compacts the source, as far as the target is, or less. */
  async compact(percent = this.random.between(1, 100)): Promise<void> {
    await this.writer.apply({ kind: 'compact', percent });
  }

  /** Compacts all that the source has, whether anybody has captured it or not. */
  async compactAtHead(): Promise<void> {
    await this.#source.compact(this.writer.head);
    this.writer.compacted = this.writer.head;
  }

  /** A last follower, to whom nothing happens, and then every row is compared. */
  async endExact(): Promise<void> {
    const { code, stderr } = await this.sync();
    expect(code, stderr).to.equal(0);
    await compareStores(this.source, this.target);
  }

  /** A follower that ends where the source stands. */
  async sync(more: string[] = [], env?: Record<string, string>): Promise<Death> {
    return this.pool.run([...this.#args('transactions'), '--until-synced', ...more], env);
  }

  /** What must hold at any time: all that the target has is accounted for, and the source has it too. */
  async check(): Promise<void> {
    const state = await new EtcdTarget(this.#target).read();
    const { clusterId, revision } = await this.#source.head();
    const stock = takeStock(state, { source: clusterId, prefixes: PrefixSet.of(PREFIXES) });
    expect(stock.position, "the target's head").to.be.at.most(revision);
    expect(stock.cursor.revision, "the cursor's revision").to.be.at.most(stock.position);
  }

  #args(by: By): string[] {
    const peers = `http://127.0.0.1:${this.target.peerPort}`;
    return [
      ...['follow', '--endpoints', this.source.endpoint, '--dest-endpoints', this.target.endpoint],
      ...['--journal', this.journal, '-w', 'json'],
      ...(by === 'proposals' ? ['--dest-peers', peers] : []),
    ];
  }

  async #write(mortal: Mortal): Promise<void> {
    for (let i = 0; i < OPS_EACH && !mortal.over; i++) {
      await this.writer.apply(this.#nextOp());
      await Promise.race([mortal.ended, sleep(REST_MS)]);
    }
  }

  /** What is left to a follower that has everything to follow. */
  async #patience(doom: Doom, mortal: Mortal): Promise<number> {
    if (doom.kind === 'point' && doom.patient) return PATIENCE_MS;
    await this.#synced(mortal);
    return 0;
  }

  /** Waits until the follower has nothing to do any more, or is dead. */
  async #synced(mortal: Mortal): Promise<void> {
    while (!mortal.over && (await this.#target.head()).revision < this.writer.head)
      await Promise.race([mortal.ended, sleep(REST_MS)]);
  }

  #nextOp(): Op {
    if (this.#ops.length === 0)
      this.#ops.push(
        ...fc.sample(cheapOp, { seed: this.random.between(0, 2 ** 30), numRuns: 100 }),
      );
    return this.#ops.pop()!;
  }
}

function killLate(mortal: Mortal, afterMs: number): NodeJS.Timeout {
  return setTimeout(() => {
    mortal.kill();
  }, afterMs);
}

/** It has to die; one that ended by itself has found fault with something. */
function refuseOwnEnd({ code, signal, stderr }: Death): void {
  if (signal !== 'SIGKILL')
    throw new Error(`a follower ended by itself (${code ?? signal ?? '?'}):\n${stderr}`);
}
