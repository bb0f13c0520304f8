/**
 * The world of a night: two etcds and the follower between them, apiservers, their clients, and time.
 * It says what there is and what becomes of it; who does what in it is in night.ts.
 */
import type { Record } from '../../src/mvcc/record.js';
import { CUTOVER_KEY, parseCutover, type Phase } from '../../src/target/cutoverstate.js';
import { Clients } from './clients.js';
import type { Side } from './etcd.js';
import { Follower, restoredFrom } from './follower.js';
import { Cluster, KubeServer, PODS } from './kube.js';
import { Store } from './store.js';
import { Time } from './time.js';

/** When clients write; they list always. */
export type Writes = 'always' | 'once taken over' | 'once one has moved';

export interface WorldOptions {
  writes: Writes;
  /** How often something else than pods is written on the source. */
  foreignMs?: number;
  /** The number of an apiserver whose answers take three seconds. */
  slow?: number;
  /** The number of one that nobody names to the commands. */
  unnamed?: number;
}

/** A write that was let pass before a freeze, and landed late. */
export interface Landed {
  number: number;
  on: Side;
  step: number;
  /** When that was. */
  ms: number;
}

const FOREIGN_MS = 400;
const DOWN_MS = 300;
const DEAD_MS = 90_000;
const SLOW_MS = 3000;
/** How long each apiserver takes to learn of a change to the freeze. */
const LEARNS_MS = [30, 700];

export class World {
  readonly time = new Time();
  readonly cluster: Cluster;
  readonly landed: Landed[] = [];
  readonly #source = new Store('a1');
  readonly #target: Store;
  readonly #follower: Follower;
  readonly #clients: Clients;
  /** What lands late is nowhere but there, whoever sees it. */
  #landing = false;
  #state: { row: Buffer | undefined; phase: Phase | undefined } = {
    row: undefined,
    phase: undefined,
  };

  /** @param onMissed told of a change that a client never sees */
  constructor(
    private readonly options: WorldOptions,
    onMissed: (what: string) => void,
  ) {
    this.#clients = new Clients(this.#source);
    this.#writeForeign();
    this.#target = restoredFrom(this.#source, 'b2');
    this.cluster = new Cluster({ source: this.#source, target: this.#target });
    for (const [i, ms] of LEARNS_MS.entries())
      new KubeServer(`a${i + 1}`, this.cluster, 'source', ms, i === options.slow ? SLOW_MS : 0);
    this.#follower = new Follower(this.#source, this.#target);
    for (const side of ['source', 'target'] as const)
      this.cluster.stores[side].watchers.add((rows) => {
        const what = this.#missed(side, rows);
        if (what !== undefined) onMissed(what);
      });
    setInterval(() => {
      this.#writeForeign();
    }, options.foreignMs ?? FOREIGN_MS);
  }

  get phase(): Phase | undefined {
    const row = this.#target.get(CUTOVER_KEY);
    // It is asked for at each step, and seldom another one.
    if (row !== this.#state.row) this.#state = { row, phase: row && parseCutover(row).state.phase };
    return this.#state.phase;
  }

  /** Nothing is frozen, and nothing on the way from one etcd to the other. */
  get over(): boolean {
    const { phase } = this;
    return (
      !this.cluster.frozen &&
      (phase === undefined || ['done', 'rolled back', 'retired'].includes(phase))
    );
  }

  /** Those that are named to the commands. */
  get named(): KubeServer[] {
    return this.cluster.servers.filter((_, i) => i !== this.options.unnamed);
  }

  /** The one through which a write may land late. */
  get lateServer(): KubeServer | undefined {
    return this.cluster.servers.findLast(({ hasLate }) => hasLate);
  }

  /** To the next timer of anybody. */
  tick(): void {
    this.sync();
    this.time.advance();
    this.sync();
  }

  sync(): void {
    this.#follower.sync();
  }

  clientsAct(): void {
    this.sync();
    this.#clients.list(this.named);
    if (this.#mayWrite) this.#clients.write(this.cluster.servers);
    this.sync();
  }

  /** @returns what has happened */
  land(step: number): string {
    const server = this.lateServer;
    if (!server) return 'nothing lands';
    const { name, serves, store } = server;
    this.#landing = true;
    const number = this.#clients.writeAt(store, name);
    this.#landing = false;
    this.landed.push({ number, on: serves, step, ms: this.time.now });
    return `write ${number}, let pass before the freeze, lands on the ${serves} through ${name}`;
  }

  /** Until it comes back. */
  die(server: KubeServer): void {
    server.die();
    setTimeout(() => {
      if (server.down !== undefined) server.start();
    }, DEAD_MS);
  }

  move(server: KubeServer, to: Side): void {
    server.move(to, DOWN_MS);
  }

  /** @returns what is wrong in the end; `excused` are writes that may be gone */
  lost(excused: ReadonlySet<number>): string | undefined {
    const [first] = this.named;
    const wrong = first && this.#clients.lost(first.store, excused, this.#unnamed?.name);
    return wrong && `${wrong}; ${first.name} serves from the ${first.serves}`;
  }

  /** @returns where they serve from, if it is not the same */
  get split(): string | undefined {
    const sides = new Set(this.named.map(({ serves }) => serves));
    if (sides.size < 2) return undefined;
    return this.named.map(({ name, serves }) => `${name}: ${serves}`).join(', ');
  }

  get #unnamed(): KubeServer | undefined {
    return this.cluster.servers.find((server) => !this.named.includes(server));
  }

  get #mayWrite(): boolean {
    switch (this.options.writes) {
      case 'always':
        return true;
      case 'once taken over':
        return this.phase !== undefined;
      case 'once one has moved':
        return this.cluster.servers.some(({ serves }) => serves === 'target');
    }
  }

  #writeForeign(): void {
    this.#source.put('/registry/leases/a', '');
  }

  /** Until it is taken over the target says again what the source has said; retire only tidies up. */
  #missed(side: Side, rows: readonly Record[]): string | undefined {
    const pod = rows.find(({ key }) => key.toString().startsWith(PODS));
    if (!pod) return undefined;
    const counts = side === 'target' ? this.phase !== undefined : this.phase !== 'retiring';
    const unnamed = this.#unnamed?.name;
    const late = this.#landing || (unnamed !== undefined && this.#clients.writingAt === unnamed);
    if (late || !counts) return undefined;
    return this.#clients.miss(pod.main, side);
  }
}
