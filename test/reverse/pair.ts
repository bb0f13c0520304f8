/**
 * Two etcds as a cutover leaves them: in step up to its last revision, and then the target alone is
 * written. They are kept in step by hand, the same transaction to each, which is what lockstep makes of
 * them.
 */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseKeyValue, type KeyValue } from '../../src/mvcc/keyvalue.js';
import { prefixRange, PrefixSet } from '../../src/mvcc/prefix.js';
import { Reverse, type ReverseOptions } from '../../src/reverse/reverse.js';
import { readReverse, type ReverseCursor } from '../../src/target/reversecursor.js';
import type { ReverseStatus } from '../../src/reverse/reversestatus.js';
import { CUTOVER_KEY, newCutover, type Phase } from '../../src/target/cutoverstate.js';
import { encodeOwner, OWNER_KEY, thisRun } from '../../src/target/nightowner.js';
import { MAX_TXN_OPS, put as putOp } from '../../src/target/txn.js';
import { EtcdClient } from '../../src/wire/client.js';
import type { etcdserverpb as pb } from '../../src/wire/gen/etcd.js';
import { Etcd } from '../rig/etcd.js';
import { FaultProxy } from '../rig/proxy.js';

type Op = pb.RequestOp.$Properties;
type Side = 'source' | 'target';

export const PREFIX = '/registry/pods/';
export const MARGIN = 50;

export function put(key: string, value: string, lease = 0n): Op {
  return putOp(Buffer.from(PREFIX + key), Buffer.from(value), lease);
}

export function del(key: string): Op {
  return { requestDeleteRange: { key: Buffer.from(PREFIX + key) } };
}

export class ReversePair {
  readonly source: EtcdClient;
  readonly target: EtcdClient;
  readonly prefixes = PrefixSet.of([PREFIX]);

  private constructor(
    readonly etcds: Record<Side, Etcd>,
    readonly proxies: Record<Side, FaultProxy>,
  ) {
    this.source = new EtcdClient(etcds.source.endpoint, 'source');
    this.target = new EtcdClient(etcds.target.endpoint, 'target');
  }

  /** @param keys written to both before the cutover */
  static async start(keys = 4): Promise<ReversePair> {
    const [source, target] = await Promise.all([Etcd.start(), Etcd.start()]);
    const to = async ({ clientPort: port }: Etcd) => FaultProxy.start({ host: '127.0.0.1', port });
    const proxies = { source: await to(source), target: await to(target) };
    const pair = new ReversePair({ source, target }, proxies);
    for (let i = 0; i < keys; i++) await pair.both(put(`k${i}`, 'as it was'));
    return pair;
  }

  async end(): Promise<void> {
    this.source.close();
    this.target.close();
    await Promise.all(Object.values(this.proxies).map((proxy) => proxy.close()));
    await Promise.all(Object.values(this.etcds).map((etcd) => etcd.remove()));
  }

  /** In lockstep. */
  async both(...success: Op[]): Promise<void> {
    await Promise.all([this.source.txn({ success }), this.target.txn({ success })]);
  }

  /** The state that a cutover leaves; the target's head is above the source's, as behind a fence. */
  async cutOver(phase: Phase = 'done', ahead = 30): Promise<void> {
    const { clusterId } = await this.source.status();
    const state = newCutover({
      ...{ phase, source: clusterId, prefixes: [PREFIX], resources: ['pods'] },
      ...{ keys: 0, checksum: '0'.repeat(16), frozenAt: null, fencedAt: new Date().toISOString() },
    });
    const { rows } = await this.target.few({ key: CUTOVER_KEY });
    const success = [putOp(CUTOVER_KEY, state), putOp(OWNER_KEY, encodeOwner(thisRun('cutover')))];
    await this.target.txn({ success });
    if (rows.length > 0) return;
    for (let i = 0; i < ahead; i++) await this.foreign('target');
  }

  /** One revision of one side. */
  async write(side: Side, ...success: Op[]): Promise<number> {
    return (await this[side].txn({ success })).revision;
  }

  /** A revision that touches none of our keys. */
  async foreign(side: Side): Promise<number> {
    return this.write(side, putOp(Buffer.from('/registry/events/e'), Buffer.from('e')));
  }

  /** Nothing that was there up to now can be watched any more. */
  async loseHistory(side: Side): Promise<void> {
    await this.foreign(side);
    await this[side].compact(await this.foreign(side));
  }

  async held(side: Side): Promise<Map<string, KeyValue>> {
    const { rows } = await this[side].range(prefixRange(PREFIX));
    return new Map(rows.map(parseKeyValue).map((kv) => [kv.key.toString(), kv]));
  }

  async cursor(): Promise<ReverseCursor | undefined> {
    return readReverse(this.source, this.prefixes);
  }

  running(flags: Partial<ReverseOptions> = {}): RunningReverse {
    return new RunningReverse(this, flags);
  }

  /** Both have the same keys, values and leases, but for those that are late; and what was changed lies above. */
  async expectBrought(but: readonly string[] = []): Promise<void> {
    const [source, target] = [await this.held('source'), await this.held('target')];
    for (const key of but) for (const side of [source, target]) side.delete(PREFIX + key);
    const bare = (side: Map<string, KeyValue>) =>
      [...side].map(([key, { value, lease }]) => [key, value.toString(), lease]);
    expect(bare(source)).to.deep.equal(bare(target));
    for (const [key, there] of source) {
      const here = target.get(key);
      if (!here || there.modRevision === here.modRevision) expect(there, key).to.deep.equal(here);
      else expect(there.modRevision, key).to.be.above(here.modRevision);
    }
  }
}

const LATE_MS = 100_000;

/** One reverse, in this process, through proxies. */
export class RunningReverse {
  readonly notes: string[] = [];
  readonly alarms: string[] = [];
  readonly reverse: Reverse;
  readonly ended: Promise<ReverseStatus>;
  readonly #stop = new AbortController();

  constructor(
    readonly pair: ReversePair,
    flags: Partial<ReverseOptions>,
  ) {
    const { source, target } = pair.proxies;
    const clients = {
      source: new EtcdClient(source.endpoint, 'source'),
      sourceWatch: new EtcdClient(source.endpoint, 'source'),
      target: new EtcdClient(target.endpoint, 'target'),
      targetWatch: new EtcdClient(target.endpoint, 'target'),
    };
    this.reverse = new Reverse({
      ...{ ...clients, apiservers: [], margin: MARGIN, maxTxnOps: MAX_TXN_OPS },
      go: () => Promise.resolve(),
      onAlarm: (alarm) => this.alarms.push(alarm),
      onNote: (note) => this.notes.push(note),
      ...flags,
      signal: this.#stop.signal,
    });
    this.ended = this.reverse
      .run()
      .then(() => this.reverse.status)
      .finally(() => {
        for (const client of Object.values(clients)) client.close();
      });
    this.ended.catch(() => undefined);
  }

  async stop(): Promise<ReverseStatus> {
    this.#stop.abort();
    return this.ended;
  }

  async until(holds: (status: ReverseStatus) => boolean | Promise<boolean>): Promise<void> {
    const end = { over: false };
    const ended = () => (end.over = true);
    this.ended.then(ended, ended);
    const started = Date.now();
    while (!(await holds(this.reverse.status))) {
      if (end.over) throw new Error(`ended before: ${JSON.stringify(await this.ended)}`);
      if (Date.now() - started > LATE_MS)
        throw new Error(`not in time: ${JSON.stringify([this.reverse.status, this.notes])}`);
      await sleep(10);
    }
  }

  /** Waits until the source has all that the target has now. */
  async caughtUp(): Promise<void> {
    const { revision } = await this.pair.target.head();
    await this.until(({ position, state }) => (position ?? 0) >= revision && state !== 'comparing');
  }
}
