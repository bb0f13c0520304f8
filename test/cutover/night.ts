/**
 * A night in small: two real etcds in lockstep, a fault proxy for each channel to them, and fake
 * apiservers that list what lies in the one that each serves from.
 *
 * The source outlives a night, for it costs most; the target is seeded anew for each.
 */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cutover } from '../../src/cutover/cutover.js';
import { fenceAlone, type FenceAloneOptions } from '../../src/cutover/fencealone.js';
import type { NightEvent } from '../../src/cutover/nightevents.js';
import { NightLog } from '../../src/cutover/nightlog.js';
import type {
  CutoverOptions,
  CutoverReport,
  NightOptions,
} from '../../src/cutover/nightoptions.js';
import { retire, type RetireOptions, type RetireReport } from '../../src/cutover/retire.js';
import { Rollback, type RollbackReport } from '../../src/cutover/rollback.js';
import type { ApiServer } from '../../src/kube/api.js';
import { keyOf } from '../../src/mvcc/keyvalue.js';
import { prefixRange } from '../../src/mvcc/prefix.js';
import { Reverse, type ReverseOptions } from '../../src/reverse/reverse.js';
import { Claim, look } from '../../src/target/claim.js';
import type { Phase } from '../../src/target/cutoverstate.js';
import { thisRun } from '../../src/target/nightowner.js';
import { MAX_TXN_OPS } from '../../src/target/txn.js';
import { EtcdClient } from '../../src/wire/client.js';
import { PODS, type Stage } from '../cli/stage.js';
import type { Asked, FakeApiServer, Reply } from '../kube/fake.js';
import { FakeCluster } from '../kube/fakecluster.js';
import { Scene } from '../kube/scene.js';
import { followHere, type Following, type FollowPlace } from '../oracle/following.js';
import type { Certs } from '../rig/certs.js';
import { Etcd } from '../rig/etcd.js';
import { FaultProxy } from '../rig/proxy.js';
import { MeddledClient, silent, until } from './pair.js';
import { listedFrom } from './servedfrom.js';

const NAMES = ['default/a', 'default/b', 'default/c', 'kube-system/d'];
const MARGIN = 100;
const QUIET_MS = 30;

export type Side = 'source' | 'target';
/** By which something is proven: calls to an etcd, or watches on it. */
type Channel = Side | 'source watch' | 'target watch';

/** What has been asked of an etcd on one connection, and watched on another: each may fail alone. */
class TwoWays extends MeddledClient {
  readonly #watching: EtcdClient;

  constructor(calls: FaultProxy, watches: FaultProxy, side: Side) {
    super(calls.endpoint, side);
    this.#watching = new EtcdClient(watches.endpoint, side);
  }

  override watch(): ReturnType<EtcdClient['watch']> {
    return this.#watching.watch();
  }

  override close(): void {
    this.#watching.close();
    super.close();
  }
}

export class Night {
  readonly steps: string[] = [];
  readonly notes: string[] = [];
  readonly alarms: string[] = [];
  /** Who was waited for, by what it did: `source`, `does not answer`. */
  readonly waits: string[] = [];
  /** Apiservers that a hook was started for. */
  readonly hooked: string[] = [];
  /** Which etcd each apiserver serves from, by its place. */
  readonly serves: Side[];
  /** Waited for by each apiserver before all else; what it gives is the answer. */
  onAsked: ((asked: Asked, server: number) => Promise<Reply | undefined>) | undefined;
  /** Done when a step begins; the step waits for nothing. */
  onStep: ((step: string) => void) | undefined;
  /** Keeps what the command that was begun last has told. */
  log = new NightLog({ command: 'cutover', margin: MARGIN });
  /** Hears all that the night tells. */
  onEvent: ((event: NightEvent) => void) | undefined;
  readonly source: MeddledClient;
  readonly target: MeddledClient;
  /** Past all proxies. */
  readonly direct: Record<Side, EtcdClient>;
  readonly #sourceWatch: EtcdClient;
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly stage: Stage,
    readonly targetEtcd: Etcd,
    readonly scene: Scene,
    readonly proxies: Record<Channel, FaultProxy>,
    readonly place: FollowPlace,
    public follower: Following,
  ) {
    this.serves = scene.fakes.map(() => 'source');
    const [calls, watches] = [proxies.source, proxies['source watch']];
    this.source = new TwoWays(calls, watches, 'source');
    this.#sourceWatch = new TwoWays(calls, watches, 'source');
    this.target = new TwoWays(proxies.target, proxies['target watch'], 'target');
    this.direct = { source: stage.client, target: new EtcdClient(targetEtcd.endpoint, 'target') };
    for (const [i, fake] of scene.fakes.entries())
      fake.override = async (asked) => {
        const reply = await this.onAsked?.(asked, i);
        return reply ?? listedFrom(this.direct[this.serves[i]!], asked);
      };
  }

  static async start(stage: Stage, certs: Certs, servers = 2): Promise<Night> {
    await onlyTheUsual(stage);
    const { journal, base } = await stage.seed();
    const [target, scene] = await Promise.all([
      Etcd.startFromSnapshot(base),
      Scene.start(certs, servers, new FakeCluster('1.20.2')),
    ]);
    const place = { journal, source: stage.source.endpoint, target: target.endpoint };
    const to = async ({ clientPort: port }: Etcd) => FaultProxy.start({ host: '127.0.0.1', port });
    const proxies = {
      source: await to(stage.source),
      'source watch': await to(stage.source),
      target: await to(target),
      'target watch': await to(target),
    };
    return new Night(stage, target, scene, proxies, place, await followHere(place));
  }

  /** Whatever runs is stopped as by Ctrl-C; nothing is kept back any more. */
  async end(): Promise<void> {
    this.onAsked = undefined;
    for (const proxy of Object.values(this.proxies)) proxy.stall(false);
    for (const fake of this.fakes) fake.goOn();
    this.#stop.abort();
    await this.#running.catch(() => undefined);
    await this.follower.end().catch(() => undefined);
    const clients = [this.source, this.#sourceWatch, this.target, this.direct.target];
    for (const one of [...clients, this.scene]) one.close();
    await Promise.all(Object.values(this.proxies).map((proxy) => proxy.close()));
    await this.targetEtcd.remove();
  }

  get fakes(): readonly FakeApiServer[] {
    return this.scene.fakes;
  }

  get apis(): readonly ApiServer[] {
    return this.scene.apis;
  }

  get frozen(): boolean {
    return this.scene.cluster.frozen;
  }

  get step(): string | undefined {
    return this.steps.at(-1);
  }

  cutover(more: Partial<CutoverOptions> = {}): Promise<CutoverReport> {
    const options = { sourceWatch: this.#sourceWatch, oldApiservers: [], maxFreezeSeconds: 20 };
    const all = { ...this.#options('target'), ...options, ...more };
    return this.#run(new Cutover(all).run());
  }

  /** Keeps the source current with what is written on the target, past the proxies. */
  reverse(more: Partial<ReverseOptions> = {}): { reverse: Reverse; ended: Promise<void> } {
    const { source, target } = this.direct;
    const clients = [source, source, target, target].map((client) => client.another());
    const [there = source, thereWatch = source, here = target, hereWatch = target] = clients;
    const reverse = new Reverse({
      ...{ source: there, sourceWatch: thereWatch, target: here, targetWatch: hereWatch },
      ...{ apiservers: [], margin: MARGIN, maxTxnOps: MAX_TXN_OPS, signal: this.#stop.signal },
      go: () => Promise.resolve(),
      onAlarm: (alarm) => this.alarms.push(alarm),
      onNote: (note) => this.notes.push(`reverse: ${note}`),
      ...more,
    });
    const ended = reverse.run().finally(() => {
      for (const client of clients) client.close();
    });
    ended.catch(() => undefined);
    return { reverse, ended };
  }

  /** Waits until the source has what the target has now. */
  async reversed(reverse: Reverse): Promise<void> {
    const { target } = await this.heads();
    await until(() => (reverse.status.position ?? 0) >= target);
  }

  /** Follows into the target anew, which was rolled back from. */
  async followAgain(): Promise<void> {
    await this.follower.end();
    this.follower = await followHere(this.place, { again: true });
  }

  rollback(more: Partial<NightOptions> = {}): Promise<RollbackReport> {
    return this.#run(new Rollback({ ...this.#options('source'), ...more }).run());
  }

  retire(more: Partial<RetireOptions> = {}): Promise<RetireReport> {
    const { source, target, apis: apiservers } = this;
    return this.#run(
      retire({
        ...{ source, target, apiservers, resources: undefined, watchSeconds: 0, rate: 100_000 },
        go: () => Promise.resolve(true),
        onProgress: () => undefined,
        onNote: (note) => this.notes.push(note),
        signal: this.#stop.signal,
        ...more,
      }),
    );
  }

  fence(more: Partial<FenceAloneOptions> = {}): Promise<void> {
    const { source, target } = this;
    this.log = new NightLog({ command: 'fence', margin: MARGIN });
    return this.#run(
      fenceAlone({
        ...{ source, target, margin: MARGIN, quietMs: QUIET_MS, maxFreezeSeconds: 20, once: true },
        go: () => Promise.resolve(),
        onRaised: () => this.steps.push('raised'),
        onEvent: (event) => {
          this.#hear(event);
        },
        onMustGoOn: () => undefined,
        onNote: (note) => this.notes.push(note),
        signal: this.#stop.signal,
        ...more,
      }),
    );
  }

  #options(to: Side): NightOptions {
    this.steps.length = 0;
    const { source, target, apis: apiservers } = this;
    this.log = new NightLog({
      command: to === 'target' ? 'cutover' : 'rollback',
      margin: MARGIN,
    });
    this.log.expect(apiservers.map(({ url }) => url));
    return {
      ...{ source, target, apiservers, resources: undefined, without: [], margin: MARGIN },
      ...{ quietMs: QUIET_MS, watchSeconds: 0, signal: this.#stop.signal },
      go: () => Promise.resolve(),
      switchHook: async (api) => {
        this.hooked.push(api.url);
        this.serves[this.apis.indexOf(api)] = to;
        return Promise.resolve();
      },
      onEvent: (event) => {
        this.#hear(event);
      },
      onNote: (note) => this.notes.push(note),
      onMustGoOn: () => undefined,
    };
  }

  #hear(event: NightEvent): void {
    this.log.hear(event);
    switch (event.kind) {
      case 'step':
        this.steps.push(event.step.name);
        this.onStep?.(event.step.name);
        break;
      case 'waiting':
        this.waits.push(...event.waiting.map(({ from, why }) => why ?? from));
        break;
      case 'alarm':
        this.alarms.push(event.alarm);
        break;
      default:
    }
    this.onEvent?.(event);
  }

  #run<T>(running: Promise<T>): Promise<T> {
    this.#running = running;
    running.catch(() => undefined);
    return running;
  }

  /** By whoever can, past the freeze. @returns its revision */
  async put(side: Side, name: string, value = 'v'): Promise<number> {
    const put = { key: Buffer.from(`${PODS}${name}`), value: Buffer.from(value) };
    return (await this.direct[side].txn({ success: [{ requestPut: put }] })).revision;
  }

  async get(side: Side, name: string): Promise<string | undefined> {
    const { rows } = await this.direct[side].few({ key: Buffer.from(`${PODS}${name}`) });
    return rows[0]?.toString('latin1');
  }

  /** Moves a head on by other resources' writes, or by whatever else is written. */
  async foreign(side: Side, revisions: number): Promise<void> {
    const put = { key: Buffer.from('/registry/events/e'), value: Buffer.from('v') };
    for (let i = 0; i < revisions; i++)
      await this.direct[side].txn({ success: [{ requestPut: put }] });
  }

  async heads(): Promise<Record<Side, number>> {
    const { revision } = await this.direct.source.head();
    return { source: revision, target: (await this.direct.target.head()).revision };
  }

  /** undefined: the target was not taken over. */
  async phase(): Promise<Phase | undefined> {
    const seen = await look(this.direct.target).catch(() => undefined);
    return seen?.stored.state.phase;
  }

  /** Another run has the night from now on. */
  async claimed(): Promise<Claim> {
    const { signal } = this.#stop;
    const target = this.direct.target;
    const options = { target, self: thisRun('rollback'), tell: silent, signal };
    return Claim.take(options, await look(target));
  }

  /** For 0.3 s it does not go on from this step, nor starts a hook. */
  async holds(step: string): Promise<void> {
    await this.at(step);
    const { length } = this.hooked;
    await sleep(300);
    expect(this.step).to.equal(step);
    expect(this.hooked.length).to.equal(length);
  }

  /** Somebody takes the freeze away. */
  thaw(): void {
    this.scene.cluster.objects.clear();
  }

  /** Answers to what is asked: once for each that `which` picks, and waited for. */
  once(which: (asked: Asked, server: number) => boolean, act: () => Promise<unknown>): void {
    let done = false;
    this.onAsked = async (asked, server) => {
      if (done || !which(asked, server)) return undefined;
      done = true;
      await act();
      return undefined;
    };
  }

  /** Waits for a step to begin. */
  async at(step: string): Promise<void> {
    await until(() => this.step === step);
  }

  async noted(words: string): Promise<void> {
    await until(() => this.notes.some((note) => note.includes(words)));
  }

  async pods(side: Side): Promise<string[]> {
    const { rows } = await this.direct[side].range({ ...prefixRange(PODS), keysOnly: true });
    return rows.map((row) => keyOf(row).toString().slice(PODS.length));
  }
}

/** What earlier nights have left on the source is taken away, and what they took is put back. */
async function onlyTheUsual({ client }: Stage): Promise<void> {
  const requests = NAMES.map((name) => ({
    requestPut: { key: Buffer.from(`${PODS}${name}`), value: Buffer.from('v') },
  }));
  await client.txn({ success: [{ requestDeleteRange: prefixRange(PODS) }] });
  for (const one of requests) await client.txn({ success: [one] });
}
