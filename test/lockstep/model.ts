/**
 * Everything that takes part in lockstep, in one process and without a clock: a source that reveals
 * its history bit by bit, a target, the network before it, and followers that are killed at any
 * moment. Only the followers are the real thing (lockstep/apply.ts).
 *
 * A run is decided by a plan alone. Its `tape` has one number for each step; 0 is always "the
 * oldest packet arrives unharmed", so a plan that fast-check has shrunk says what it takes.
 */
import { setImmediate as settled } from 'node:timers/promises';
import { Applier } from '../../src/lockstep/apply.js';
import type { Pace } from '../../src/lockstep/pace.js';
import { Ways } from '../../src/lockstep/ways.js';
import type { Amount, Window } from '../../src/lockstep/window.js';
import { hasCode, LockstepError } from '../../src/errors.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import type { Revision } from '../../src/mvcc/revision.js';
import { parseCursor } from '../../src/target/cursor.js';
import type { Chained, Effect, Guard } from '../../src/target/guard.js';
import type { ChainStanding, PeerPort } from '../../src/target/peerport.js';
import type { Identity } from '../../src/target/stock.js';
import type { Target, TargetState } from '../../src/target/target.js';
import { Network, type Caller, type Fault } from './network.js';
import { PREFIX, Source, type Entry } from './source.js';
import type { Op } from './store.js';
import { Broken, ModelTarget, must, SOURCE_ID } from './target.js';

export interface Plan {
  history: readonly Entry[];
  /** Foreign revisions after the last entry. */
  tail: number;
  /** The base's revision. */
  seeded: Revision;
  tape: readonly number[];
  /** Of 256 steps, how many do harm. */
  weather: number;
  /** So few, unless given, that many gaps have several cursors, or one at their end. */
  fillersPerCursor?: number;
  /** Which way the target is written; by transactions unless given. `in turns`: each term another. */
  by?: By;
  /** Who finds that the target is another's begins anew, so often at the most: a standby, without its waiting. */
  again?: number;
}

export type By = 'transactions' | 'proposals' | 'in turns';

/** Someone writes to the target who must not. */
export interface ForeignWrite {
  atStep: number;
  op: Op;
}

/** Numbers on a tape are below this: eight bits pick a packet, eight say what happens. */
export const TAPE_END = 0x10000;

type Harm = Fault | 'reveal' | 'kill' | 'stop';

/** What happens next, and to which packet or follower, or how much is revealed. */
export interface Happening {
  harm: Harm;
  pick: number;
}

const HARM: Harm[] = ['lost', 'late', 'twice', 'reveal', 'lost', 'late', 'kill', 'stop'];
/** Steps after which a run that has not come to rest never will. */
const TOO_MANY_STEPS = 20_000;

export const IDENTITY: Identity = { source: SOURCE_ID, prefixes: PrefixSet.of([PREFIX]) };

const FILLERS_PER_CURSOR = 5;

/** Sends whatever may be sent, so that everything overtakes everything. */
export const EAGER: Pace = {
  window: Infinity,
  wait: () => 0,
  landed: () => undefined,
  refused: () => undefined,
};

/** Few enough that there are several messages, and a look that comes back empty is nothing yet. */
class SmallWindow implements Window {
  #inVain = 0;

  begin(): void {
    this.#inVain = 0;
  }

  hasRoom({ entries }: Amount): boolean {
    return entries < 6;
  }

  isWhole({ entries }: Amount): boolean {
    return entries >= 3;
  }

  gather(): Promise<void> {
    return Promise.resolve();
  }

  sent(): void {
    this.#inVain = 0;
  }

  rest(): Promise<void> {
    return Promise.resolve();
  }

  looked(_confirmed: Revision, { moved }: { moved: boolean }): boolean {
    this.#inVain = moved ? 0 : this.#inVain + 1;
    return this.#inVain > LOOKS_IN_VAIN;
  }
}

const LOOKS_IN_VAIN = 3;

/** A follower's process, and its end of the network. */
class Process implements Caller, Target, PeerPort {
  readonly where = 'the peer port';
  alive = true;
  ended = false;
  error: unknown;
  /** The first rule that it broke by sending something. */
  broken: string | undefined;
  readonly #applier: Applier;
  readonly #abort = new AbortController();
  #writesAfterStop = 0;
  /** How often it has begun, and in which of these runs it knows that the target was its own. */
  #run = 0;
  readonly #owned = new Set<number>();
  /** That it has begun last. */
  #term: string | undefined;
  /** Whether an answer has told it that something landed at a wrong revision. */
  #knows = false;

  constructor(
    readonly name: string,
    private readonly network: Network,
    private readonly target: ModelTarget,
    source: Source,
    { fillersPerCursor = FILLERS_PER_CURSOR, by = 'transactions', again = 0 }: Partial<Plan>,
  ) {
    let opened = 0;
    const open = () =>
      by === 'proposals' || opened++ % 2 === 0
        ? Promise.resolve(this)
        : Promise.reject(new LockstepError('PEER_PORT', 'in turns'));
    this.#applier = new Applier(this, source, {
      ...IDENTITY,
      pause: () => network.sleep(this),
      pace: EAGER,
      fillersPerCursor,
      ways: new Ways({ open: by === 'transactions' ? undefined : open, restMs: () => 0 }),
      window: new SmallWindow(),
    });
    this.#begin(again);
  }

  #begin(again: number): void {
    this.#run++;
    this.#knows = false;
    this.#applier.run(this.#abort.signal).then(
      () => {
        this.ended = true;
      },
      (error: unknown) => {
        if (again > 0 && hasCode(error, 'TARGET_TAKEN_OVER') && !this.stopping) {
          this.#begin(again - 1);
          return;
        }
        this.ended = true;
        this.error = error;
      },
    );
  }

  get running(): boolean {
    return this.alive && !this.ended && !this.stopping;
  }

  get stopping(): boolean {
    return this.#abort.signal.aborted;
  }

  get position(): Revision {
    return this.#applier.position ?? 0;
  }

  /** SIGTERM. */
  stop(): void {
    this.#abort.abort();
  }

  /** SIGKILL: nothing that it waits for will ever come. */
  kill(): void {
    this.alive = false;
  }

  read(): Promise<TargetState> {
    return this.#call(
      'read',
      () => this.target.read(),
      ({ head, cursorMod }) => `head ${head}, cursor@${cursorMod}`,
    );
  }

  async write(guard: Guard, effect: Effect): Promise<{ succeeded: boolean; revision: Revision }> {
    const effects = new Set<number>();
    const run = this.#run;
    const serve = () => {
      const { incarnation, misled } = this.target;
      const lost = this.#hasLost(run);
      const answer = this.target.write(guard, effect);
      // Who deletes a slot makes the guard of its first filler hold again; the head then tells.
      const twice = answer.succeeded && effects.has(incarnation) && !misled;
      must(!twice, () => 'one write took effect twice');
      if (answer.succeeded) effects.add(incarnation);
      must(!(answer.succeeded && lost), () => `${this.name} has taken the target back`);
      return answer;
    };
    if (this.alive && this.stopping && ++this.#writesAfterStop > 1)
      this.broken ??= 'goes on although it was told to stop';
    const answer = await this.#call(describe(guard, effect), serve, ({ succeeded, revision }) =>
      succeeded ? `done at ${revision}` : 'guard failed',
    );
    if (answer.succeeded && effect.kind === 'cursor') {
      this.#owned.add(run);
      this.#term = effect.link?.term ?? this.#term;
      this.#knows = answer.revision !== parseCursor(effect.cursor).revision;
    }
    return answer;
  }

  async propose(writes: readonly Chained[]): Promise<void> {
    if (this.alive && this.stopping && ++this.#writesAfterStop > 1)
      this.broken ??= 'goes on although it was told to stop';
    const what = `batch ${writes.map(describeLink).join(' ')}`;
    const effects = writes.map(() => new Set<number>());
    const run = this.#run;
    const apply = (share: 'all' | 'half') => {
      const count = share === 'all' ? writes.length : writes.length >> 1;
      for (const [i, write] of writes.slice(0, count).entries())
        this.#apply(write, effects[i]!, run);
    };
    const serve = () => {
      this.network.log(`${this.name} ${what}`, apply);
    };
    await this.#call(what, serve, () => 'taken');
  }

  #apply(write: Chained, effects: Set<number>, run: number): void {
    const { incarnation, misled } = this.target;
    const lost = this.#hasLost(run);
    if (!this.target.apply(write)) return;
    must(!effects.has(incarnation) || misled, () => 'one entry took effect twice');
    effects.add(incarnation);
    must(!lost, () => `${this.name} has taken the target back`);
  }

  /** Whether what was sent in this run may have no effect any more. */
  #hasLost(run: number): boolean {
    const { holder } = this.target;
    return this.#owned.has(run) && holder !== null && holder !== this.#applier.follower;
  }

  async look(): Promise<ChainStanding> {
    const standing = await this.#call(
      'look',
      () => this.target.read(),
      ({ head, link }) => `head ${head}, link ${link?.revision ?? '-'}`,
    );
    const { head, chainMod, link } = standing;
    this.#knows = link?.term === this.#term && (link?.revision !== chainMod || head !== chainMod);
    return standing;
  }

  #call<T>(what: string, serve: () => T, show: (reply: T) => string): Promise<T> {
    // Nobody runs the code of a dead process, but what it waited for may still have come.
    if (!this.alive) return new Promise(() => undefined);
    if (this.ended) this.broken ??= `sends ${what} after its end`;
    if (this.#knows) this.broken ??= `sends ${what} although it knows of a foreign write`;
    return this.network.call(this, what, serve, show);
  }
}

export class World {
  readonly source: Source;
  readonly target: ModelTarget;
  readonly processes: Process[] = [];
  readonly trace: string[] = [];
  readonly #network = new Network();

  constructor(
    private readonly plan: Plan,
    followers: number,
  ) {
    this.source = new Source(plan.history, plan.tail, plan.seeded);
    this.target = new ModelTarget(this.source);
    for (let i = 0; i < followers; i++) this.start();
  }

  start(): void {
    const name = `P${this.processes.length + 1}`;
    this.processes.push(new Process(name, this.#network, this.target, this.source, this.plan));
  }

  /** Plays the tape, then lets network and source come to rest. */
  async run(foreign?: ForeignWrite): Promise<void> {
    const at = foreign && Math.min(foreign.atStep, this.plan.tape.length);
    try {
      await settled();
      for (const [i, number] of this.plan.tape.entries()) {
        if (foreign && i === at) this.writeForeign(foreign.op);
        await this.step(this.#read(number));
      }
      if (foreign && at === this.plan.tape.length) this.writeForeign(foreign.op);
      await this.rest();
    } catch (error) {
      throw this.explain(error);
    }
  }

  /** From here on nothing is harmed. */
  async rest(): Promise<void> {
    await settled();
    for (let steps = 0; !this.atRest; steps++) {
      must(steps < TOO_MANY_STEPS, () => 'it does not come to rest');
      await this.step({ harm: 'none', pick: 0 });
    }
  }

  get atRest(): boolean {
    return this.source.hidden === 0 && this.#network.size === 0;
  }

  get packets(): number {
    return this.#network.size;
  }

  /** An error with the story that led to it. */
  explain(error: unknown): Error {
    const what = error instanceof Broken ? error.message : String(error);
    return new Error(`${what}\n  ${this.trace.join('\n  ')}`, { cause: error });
  }

  #read(number: number): Happening {
    const calm = (number >> 8) + this.plan.weather < 256;
    return { harm: calm ? 'none' : HARM[number % HARM.length]!, pick: number & 0xff };
  }

  async step(happening: Happening): Promise<void> {
    this.#apply(happening);
    await settled();
  }

  #apply({ harm, pick }: Happening): void {
    const running = this.processes.filter((process) => process.running);
    const process = running[pick % running.length];
    if ((harm === 'kill' || harm === 'stop') && process) {
      process[harm]();
      this.start();
      this.trace.push(`${harm} ${process.name}, start P${this.processes.length}`);
    } else if (harm === 'reveal' || this.#network.size === 0) {
      this.source.reveal(1 + (pick % 16));
      this.trace.push(`the source has proven ${this.source.proven}`);
    } else {
      const fault = harm === 'kill' || harm === 'stop' ? 'none' : harm;
      const { head } = this.target.store;
      const label = this.#network.step(pick, fault);
      const landed = this.target.store.head;
      this.trace.push(landed > head ? `${label} → landed at ${landed}` : label);
    }
  }

  writeForeign(...ops: readonly Op[]): void {
    this.target.writeForeign(ops);
    for (const { key, value } of ops)
      this.trace.push(
        `foreign ${value ? 'put' : 'delete'} ${key.toString()} at ${this.target.store.head}`,
      );
  }

  restoreTarget(): void {
    this.target.restore();
    this.trace.push(`the target is restored from its base, at ${this.target.store.head}`);
  }
}

function describeLink({ link, data }: Chained): string {
  return `${link.revision}${data ? '!' : ''}`;
}

function describe({ chainMod, cursorMod, cursor, slots, landed }: Guard, effect: Effect): string {
  const written = slots.filter(({ mod }) => mod > 0).map(({ slot, mod }) => ` ${slot}@${mod}`);
  const sent = landed.map(({ slot, above, below }) => ` ${above}<${slot}<${below}`);
  const said = cursor ? ` of ${parseCursor(cursor).revision}` : '';
  const guard = `if chain@${chainMod}, cursor@${cursorMod}${said} and ${slots.length} slots${written.join('')}${sent.join('')}`;
  return effect.kind === 'filler'
    ? `filler ${effect.slot} ${guard}`
    : `cursor and ${effect.records.length} records ${guard}`;
}
