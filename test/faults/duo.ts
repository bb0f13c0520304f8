/**
 * One source that is written, one target, and two followers that stand by for each other, each with a journal
 * and a network of its own: what is done to one of them the other does not feel.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EtcdClient } from '../../src/wire/client.js';
import { FollowProcess, type Status } from './follower.js';
import { Writes } from './writes.js';
import type { By } from '../oracle/lockstep.js';
import { compareStores, takeBase } from '../oracle/lockstep.js';
import { removeAtExit, removeFolder } from '../rig/child.js';
import { Etcd } from '../rig/etcd.js';
import { PeerProxy } from '../rig/peerproxy.js';
import { FaultProxy } from '../rig/proxy.js';

/** The least that `--standby-after` takes: what is proven is who writes, not how soon. */
export const AFTER_SECONDS = 2;
/** Jitter, looks, and a machine that does other things beside. */
export const TAKEN_OVER_WITHIN_MS = 120_000;
const POLL_MS = 50;

interface DuoOptions {
  by?: By;
  /** Of the writer, between two operations; none if it does not write by itself. */
  everyMs?: number;
}

/** One of the two. */
export class Partner {
  process: FollowProcess | undefined;
  #peerCut = false;

  constructor(
    readonly journal: string,
    readonly source: FaultProxy,
    readonly target: FaultProxy,
    readonly peer: PeerProxy,
    private readonly by: By,
  ) {}

  launch(): void {
    this.process = new FollowProcess(
      { source: this.source.endpoint, target: this.target.endpoint, journal: this.journal },
      ...['--standby', '--standby-after', `${AFTER_SECONDS}s`, '--status-interval', '200ms'],
      ...(this.by === 'proposals' ? ['--dest-peers', this.peer.url] : []),
    );
  }

  get running(): FollowProcess {
    if (!this.process) throw new Error('it was never launched');
    return this.process;
  }

  /** What it said last. */
  get last(): Status | undefined {
    return this.process?.statuses().at(-1);
  }

  get active(): boolean {
    return this.process?.running() === true && this.last?.standby?.active === true;
  }

  /** Waits until it says so, from now on. */
  async until(what: string, is: (status: Status) => boolean): Promise<Status> {
    const { status } = await this.running.until(what, is, { withinMs: TAKEN_OVER_WITHIN_MS });
    return status;
  }

  async kill(): Promise<void> {
    await this.process?.kill();
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    process.kill(this.running.pid, signal);
  }

  /** Its network to one of the two: whatever is on its way is lost, and nothing gets through. */
  cut(side: 'source' | 'target'): void {
    this[side].refuse(true);
    this[side].cut();
    if (side === 'target') this.#cutPeer();
  }

  /** All that was done to its network is over. */
  mend(): void {
    for (const proxy of [this.source, this.target]) {
      proxy.refuse(false);
      proxy.stall(false);
      proxy.dropAnswers(false);
    }
    if (this.#peerCut) this.peer.refuses = false;
    this.#peerCut = false;
  }

  async remove(): Promise<void> {
    await this.kill();
    await Promise.all([this.source.close(), this.target.close(), this.peer.close()]);
  }

  #cutPeer(): void {
    this.peer.refuse();
    this.#peerCut = true;
  }
}

export class Duo {
  private constructor(
    private readonly dir: string,
    readonly source: Etcd,
    readonly target: Etcd,
    readonly sourceClient: EtcdClient,
    readonly targetClient: EtcdClient,
    readonly writes: Writes,
    readonly first: Partner,
    readonly second: Partner,
  ) {}

  /** Both are there and neither runs; the target bears nobody's name. */
  static async begin(options: DuoOptions = {}): Promise<Duo> {
    const { by = 'transactions', everyMs } = options;
    const dir = mkdtempSync(join(tmpdir(), 'duo-'));
    removeAtExit(dir);
    const source = await Etcd.start();
    const client = new EtcdClient(source.endpoint, 'source');
    const writes = new Writes(source, client, everyMs);
    await writes.once();
    for (const one of ['first', 'second']) {
      mkdirSync(join(dir, one));
      await takeBase(client, join(dir, one), 'range');
      await writes.once();
    }
    const args = ['--max-request-bytes=10485760'];
    const target = await Etcd.startFromSnapshot(join(dir, 'second', 'base.db'), { args });
    const partner = async (name: string) =>
      new Partner(
        join(dir, name, 'journal'),
        await FaultProxy.start({ host: '127.0.0.1', port: source.clientPort }),
        await FaultProxy.start({ host: '127.0.0.1', port: target.clientPort }),
        await PeerProxy.start(target.peerPort),
        by,
      );
    const targetClient = new EtcdClient(target.endpoint, 'target');
    const both = [await partner('first'), await partner('second')] as const;
    const duo = new Duo(dir, source, target, client, targetClient, writes, ...both);
    if (everyMs !== undefined) writes.start();
    return duo;
  }

  /** Begins one, uses it, and removes it. */
  static async with(options: DuoOptions, use: (duo: Duo) => Promise<void>): Promise<void> {
    const duo = await Duo.begin(options);
    try {
      await use(duo);
    } finally {
      await duo.remove();
    }
  }

  /** Another journal for it, of what the source has now. */
  async reseed({ journal }: Partner): Promise<void> {
    const folder = dirname(journal);
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    await takeBase(this.sourceClient, folder, 'range');
  }

  get both(): readonly [Partner, Partner] {
    return [this.first, this.second];
  }

  other(partner: Partner): Partner {
    return partner === this.first ? this.second : this.first;
  }

  /** Waits until just one of them writes and the other one stands by; returns the one that writes. */
  async settled(): Promise<Partner> {
    const from = Date.now();
    for (;;) {
      const active = this.both.filter((one) => one.active);
      const standing = this.both.filter(({ last }) => last?.state === 'standby');
      if (active.length === 1 && standing.length === 1) return active[0]!;
      this.#refuseEnds();
      if (Date.now() - from > TAKEN_OVER_WITHIN_MS) throw new Error(`not settled:\n${this.tell()}`);
      await sleep(POLL_MS);
    }
  }

  /** Waits until the target has what is written from now on. */
  async goesOn(): Promise<void> {
    await this.reaches(await this.writes.another());
  }

  async reaches(goal: number): Promise<void> {
    const from = Date.now();
    while ((await this.head()) < goal) {
      this.#refuseEnds();
      if (Date.now() - from > TAKEN_OVER_WITHIN_MS)
        throw new Error(`not at revision ${goal}:\n${this.tell()}`);
      await sleep(POLL_MS);
    }
  }

  /** The target's. */
  async head(): Promise<number> {
    return (await this.targetClient.head()).revision;
  }

  /** Compacts the source as far as both journals and the target are. */
  async compact(): Promise<void> {
    const captured = this.both.map(({ last }) => last?.journalPosition ?? 0);
    const revision = Math.min(await this.head(), ...captured);
    if (revision > 1) await this.sourceClient.compact(revision).catch(() => undefined);
  }

  /** Stops the writes, waits until the target has them all, and compares every row. */
  async exact(): Promise<void> {
    await this.writes.pause();
    await this.reaches((await this.sourceClient.head()).revision);
    await compareStores(this.source, this.target);
  }

  /** What both have said last, for messages. */
  tell(): string {
    const said = ({ process, last }: Partner) =>
      [...(process?.notes().slice(-8) ?? []), JSON.stringify(last)].join('\n');
    return this.both.map((one, i) => `${i + 1}: ${said(one)}`).join('\n');
  }

  async remove(): Promise<void> {
    await this.writes.end();
    await Promise.all(this.both.map((one) => one.remove()));
    this.sourceClient.close();
    this.targetClient.close();
    await Promise.all([this.source.remove(), this.target.remove()]);
    removeFolder(this.dir);
  }

  /** Nothing that is done to them may end them, but for a kill. */
  #refuseEnds(): void {
    for (const { process } of this.both)
      if (process && !process.running() && !process.toEnd)
        throw new Error(`one has ended by itself:\n${process.tail().slice(-2000)}`);
  }
}
