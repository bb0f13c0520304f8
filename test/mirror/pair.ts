/** Two etcds, and mirrors between them in this process. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { KeyMap } from '../../src/mirror/keymap.js';
import { Mirror, type MirrorOptions } from '../../src/mirror/mirror.js';
import { mirrorKey, parseMirror, type MirrorCursor } from '../../src/mirror/mirrorcursor.js';
import type { MirrorStatus } from '../../src/mirror/mirrorstatus.js';
import { parseKeyValue, toLong } from '../../src/mvcc/keyvalue.js';
import { prefixRange } from '../../src/mvcc/prefix.js';
import { MAX_TXN_OPS } from '../../src/target/txn.js';
import { EtcdClient } from '../../src/wire/client.js';
import type { Connection } from '../../src/wire/connection.js';
import type { etcdserverpb as pb } from '../../src/wire/gen/etcd.js';
import { Etcd, type EtcdOptions } from '../rig/etcd.js';

type Op = pb.RequestOp.$Properties;

export function put(key: string, value = 'v', lease = 0n): Op {
  return {
    requestPut: {
      key: Buffer.from(key),
      value: Buffer.from(value),
      ...(lease === 0n ? {} : { lease: toLong(lease) }),
    },
  };
}

export function del(key: string): Op {
  return { requestDeleteRange: { key: Buffer.from(key) } };
}

/** What a key has on one side. */
export interface Held {
  value: string;
  lease: bigint;
  version: number;
  mod: number;
}

export type MirrorFlags = Partial<
  Pick<MirrorOptions, 'rev' | 'maxTxnOps' | 'prune' | 'signal'> &
    Record<'target' | 'source', string | Connection>
>;

/** How a mirror went. */
export interface Run {
  status: MirrorStatus;
  notes: string[];
  foreign: string[];
}

const LATE_MS = 30_000;

export class Pair {
  readonly from: EtcdClient;
  readonly to: EtcdClient;

  private constructor(
    readonly source: Etcd,
    readonly target: Etcd,
  ) {
    this.from = new EtcdClient(source.endpoint, 'source');
    this.to = new EtcdClient(target.endpoint, 'target');
  }

  static async start(source: EtcdOptions = {}, target: EtcdOptions = {}): Promise<Pair> {
    return new Pair(...(await Promise.all([Etcd.start(source), Etcd.start(target)])));
  }

  async end(): Promise<void> {
    this.from.close();
    this.to.close();
    await Promise.all([this.source.remove(), this.target.remove()]);
  }

  /** One revision of the source. */
  async write(...ops: Op[]): Promise<number> {
    return (await this.from.txn({ success: ops })).revision;
  }

  /** Many keys, as many revisions as they take. */
  async fill(prefix: string, keys: number, value = 'v'): Promise<void> {
    const all = Array.from({ length: keys }, (_, i) =>
      put(`${prefix}${String(i).padStart(6, '0')}`, `${value}${i}`),
    );
    for (let i = 0; i < keys; i += 100) await this.write(...all.slice(i, i + 100));
  }

  /** What the source has written up to now cannot be watched any more. */
  async loseHistory(): Promise<void> {
    await this.write(put('/foreign'));
    // The compact revision itself can be.
    await this.from.compact(await this.write(put('/foreign')));
  }

  /** Compacts all that a mirror has brought already. */
  async compactBefore(): Promise<void> {
    await this.from.compact((await this.from.head()).revision - 1);
  }

  /** A mirror that ends when it is synced. */
  async sync(map: KeyMap, flags: MirrorFlags = {}): Promise<Run> {
    const signal = AbortSignal.timeout(LATE_MS);
    const run = await this.running(map, { signal, ...flags }, true).ended;
    if (signal.aborted) throw new Error(`not synced: ${JSON.stringify(run)}`);
    return run;
  }

  /** A mirror under way. */
  running(map: KeyMap, flags: MirrorFlags = {}, untilSynced = false): Running {
    return new Running(this, map, flags, untilSynced);
  }

  async cursor(map: KeyMap): Promise<MirrorCursor | undefined> {
    const { clusterId } = await this.from.status();
    const key = mirrorKey(clusterId, map);
    const { rows } = await this.to.few({ key });
    return rows[0] && parseMirror(key, parseKeyValue(rows[0]).value);
  }

  /** Everything of the map's prefix, by its name on the target. */
  async held(side: 'source' | 'target', { prefix, destPrefix }: KeyMap) {
    const [client, begin] = side === 'source' ? [this.from, prefix] : [this.to, destPrefix];
    const { rows } = await client.range(prefixRange(begin));
    const found = new Map<string, Held>();
    for (const row of rows) {
      const { key, value, lease, version, modRevision } = parseKeyValue(row);
      if (key.toString().startsWith('etcd-lockstep/')) continue;
      const name = destPrefix + key.toString().slice(begin.length);
      found.set(name, { value: value.toString(), lease, version, mod: modRevision });
    }
    return found;
  }

  /** Every key, value and lease is the same on both sides, and nothing else is there. */
  async expectEqual(map: KeyMap, keys?: number): Promise<void> {
    const [source, target] = await Promise.all([
      this.held('source', map),
      this.held('target', map),
    ]);
    expect(bare(target)).to.deep.equal(bare(source));
    if (keys !== undefined) expect(target.size).to.equal(keys);
  }
}

function bare(held: Map<string, Held>): unknown[] {
  return [...held].map(([name, { value, lease }]) => [name, value, lease]);
}

/** One mirror. */
export class Running {
  readonly notes: string[] = [];
  readonly foreign: string[] = [];
  readonly ended: Promise<Run>;
  readonly mirror: Mirror;
  readonly #stop = new AbortController();

  constructor(
    pair: Pair,
    readonly map: KeyMap,
    flags: MirrorFlags,
    untilSynced: boolean,
  ) {
    const { source = pair.source.endpoint, target = pair.target.endpoint, ...more } = flags;
    const clients = {
      sourceWatch: new EtcdClient(source, 'source'),
      source: new EtcdClient(source, 'source'),
      target: new EtcdClient(target, 'target'),
    };
    const signal = flags.signal
      ? AbortSignal.any([flags.signal, this.#stop.signal])
      : this.#stop.signal;
    this.mirror = new Mirror({
      ...{ ...clients, map, maxTxnOps: MAX_TXN_OPS, prune: false, untilSynced, ...more, signal },
      allowEmpty: true,
      onForeign: (name) => this.foreign.push(name.toString()),
      onNote: (note) => this.notes.push(note),
    });
    this.ended = this.mirror
      .run()
      .finally(() => {
        for (const client of Object.values(clients)) client.close();
      })
      .then(() => ({
        ...{ status: this.mirror.status, notes: this.notes, foreign: this.foreign },
      }));
    this.ended.catch(() => undefined);
  }

  async stop(): Promise<Run> {
    this.#stop.abort();
    return this.ended;
  }

  /** Waits for a condition; ends with the mirror's error where it fails before. */
  async until(holds: (status: MirrorStatus) => boolean | Promise<boolean>): Promise<void> {
    const end = { over: false };
    const ended = () => (end.over = true);
    this.ended.then(ended, ended);
    while (!(await holds(this.mirror.status))) {
      if (end.over) throw new Error(`ended before: ${JSON.stringify(await this.ended)}`);
      await sleep(10);
    }
  }

  /** Waits until it has all that the source has now. */
  async caughtUp(pair: Pair): Promise<void> {
    const { revision } = await pair.from.head();
    await this.until(({ position }) => (position ?? 0) >= revision);
  }
}
