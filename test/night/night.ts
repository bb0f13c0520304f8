/**
 * A night: two etcds, a few apiservers, their clients, and operators with the real commands of
 * src/cutover, each on a machine of its own.
 *
 * Nothing happens by itself. A command runs until it has a call to make that matters (a write, a look at
 * our own keys or at the freeze, a hook, the prompt); then it is a step of the night, and the plan says
 * whether the call is carried out or something else happens first. All calls between are carried out
 * at once. Time moves on only where everybody waits for it.
 *
 * The calm night: the first operator's command runs to its end, then the next one's. A plan is a list of
 * deviations from that, each at a step:
 *   switch     the command hangs (SIGSTOP), another operator's begins or goes on; when that has ended
 *              this one goes on (SIGCONT) with the call that it was about to make
 *   kill       the command is dead, and what it was about to send with it
 *   kill late  likewise, but that is on its way: a hook and what goes to Kubernetes arrive at once, a
 *              write to an etcd when all is over
 *   interrupt  Ctrl-C
 *   die        an apiserver is dead, and comes back a minute and a half later
 *   land       a client's write that was let pass before the freeze reaches its etcd only now
 * At the end somebody else does as the runbook says, until the night is at its end.
 *
 * What is allowed. A write that lands late (see `land`) may be lost if nobody could have seen it before
 * the first apiserver moved: it landed after the last step before that hook was sent for. It must have
 * been told by an alarm then. `freeze remove` by hand is at once with the look at `status` before it.
 */
import { CUTOVER_KEY, parseCutover, type Phase } from '../../src/cutoverstate.js';
import type { Record } from '../../src/mvcc/record.js';
import { SimulatedApiServer } from './apiserver.js';
import { Clients } from './clients.js';
import { run as runCommand, type Command } from './commands.js';
import { SimulatedEtcd, type Side } from './etcd.js';
import { Follower, restoredFrom } from './follower.js';
import { Cluster, KubeServer, PODS } from './kube.js';
import { Process, type Call } from './process.js';
import { nameOf, Rules, type Run, type Violation } from './rules.js';
import { Store } from './store.js';
import { settled, Time } from './time.js';

export interface Scenario {
  /** Done before the night, calmly. */
  before?: readonly Command[];
  /** One for each operator. */
  commands: readonly Command[];
  /** When clients write; they list always. */
  writes: 'always' | 'once taken over' | 'once one has moved';
  /** How much later the watch for late writes sees things, in ms. */
  watchDelayMs?: number;
}

export type Happening =
  | { kind: 'switch'; to: number }
  | { kind: 'die'; server: number }
  | { kind: 'kill' | 'kill late' | 'interrupt' | 'land' };

export interface At {
  step: number;
  what: Happening;
}

const FOREIGN_MS = 500;
const DOWN_MS = 300;
const DEAD_MS = 90_000;
const LEARNS_MS = [30, 130];
/** Timers in one night; the longest that ends has some thousand. */
const MAX_TICKS = 20_000;
const MAX_RECOVERIES = 4;

export class Night {
  readonly violations: Violation[];
  readonly trace: string[] = [];
  /** What could happen at each step. */
  readonly options: Happening[][] = [];
  readonly #time = new Time();
  readonly #source = new Store('a1');
  readonly #target: Store;
  readonly #cluster: Cluster;
  readonly #follower: Follower;
  readonly #clients: Clients;
  readonly #runs: Run[] = [];
  readonly #rules: Rules;
  /** Whose turn it is, and who goes on after that. */
  #stack: Run[] = [];
  #begun = 0;
  #late: Call[] = [];
  #landed: { number: number; at: number; alarms: number }[] = [];
  #firstHook: { sentAfter: number } | undefined;
  /** What lands late is nowhere but there, whoever sees it. */
  #landing = false;
  #alarms = 0;
  #step = 0;
  #ticks = 0;
  #explored = false;

  constructor(
    private readonly scenario: Scenario,
    private readonly plan: readonly At[],
  ) {
    this.#clients = new Clients(this.#source);
    this.#source.put('/registry/leases/a', '');
    this.#target = restoredFrom(this.#source, 'b2');
    this.#cluster = new Cluster({ source: this.#source, target: this.#target });
    for (const [i, ms] of LEARNS_MS.entries())
      new KubeServer(`a${i + 1}`, this.#cluster, 'source', ms);
    this.#follower = new Follower(this.#source, this.#target);
    this.#rules = new Rules(this.#runs, this.#cluster, () => this.#step);
    this.violations = this.#rules.violations;
    for (const side of ['source', 'target'] as const)
      this.#cluster.stores[side].watchers.add((rows) => {
        this.#onRows(side, rows);
      });
    setInterval(() => this.#source.put('/registry/leases/a', ''), FOREIGN_MS);
  }

  /** Plays it once; `violations` says what was wrong. */
  async play(): Promise<void> {
    try {
      for (const command of this.scenario.before ?? []) {
        this.#begin(command, `before`);
        await this.#untilEnded();
      }
      this.#explored = true;
      await this.#untilEnded();
      this.#explored = false;
      this.#rules.onQuiet();
      await this.#recover();
      for (const call of this.#late) call.carryOut();
      await settled();
      this.#clientsAct();
      this.#judge();
    } finally {
      this.#time.end();
    }
  }

  get #phase(): Phase | undefined {
    const row = this.#target.get(CUTOVER_KEY);
    return row && parseCutover(row).state.phase;
  }

  async #untilEnded(): Promise<void> {
    while (this.#ticks < MAX_TICKS) {
      await settled();
      this.#stack = this.#stack.filter((run) => !run.ended && run.process.alive);
      const run = this.#stack.at(-1);
      if (!run) {
        if (!this.#explored || !this.#beginNext()) return;
      } else if (run.process.stopped) this.#resume(run);
      else if (run.process.calls.length > 0) this.#takeStep(run);
      else this.#wait();
    }
    const hanging = this.#stack.at(-1);
    this.#rules.break('does not end', hanging ? nameOf(hanging) : 'nobody');
    for (const { process } of this.#stack) process.kill();
    this.#ticks = 0;
  }

  #wait(): void {
    this.#ticks++;
    this.#follower.sync();
    this.#time.advance();
    this.#follower.sync();
  }

  #takeStep(run: Run): void {
    this.#clientsAct();
    const deviation = this.#explored && this.plan.find(({ step }) => step === this.#step);
    if (this.#explored) this.options[this.#step] = this.#optionsAt(run);
    if (deviation) this.#happen(run, deviation.what);
    else this.#carryOut(run);
    this.#step++;
  }

  #carryOut({ process, steps }: Run): void {
    const { next } = process;
    const times = next.length > 1 ? ` (${next.length} times)` : '';
    this.#say(`${process.name} ${next[0]?.label ?? ''}${times}`);
    steps.push(this.#step);
    this.#ticks++;
    process.carryOut(next);
    this.#follower.sync();
  }

  #clientsAct(): void {
    this.#follower.sync();
    this.#clients.list(this.#cluster.servers);
    if (this.#clientsWrite()) this.#clients.write(this.#cluster.servers);
    this.#follower.sync();
  }

  /** Until it is taken over the target says again what the source has said; retire only tidies up. */
  #onRows(side: Side, rows: readonly Record[]): void {
    const pod = rows.find(({ key }) => key.toString().startsWith(PODS));
    if (!pod || this.#landing || !this.#counts(side)) return;
    const wrong = this.#clients.miss(pod.main, side);
    if (wrong !== undefined && !this.#told(/overtaken/)) this.#rules.break('missed', wrong);
  }

  #counts(side: Side): boolean {
    if (side === 'target') return this.#phase !== undefined;
    return this.#phase !== 'retiring';
  }

  #clientsWrite(): boolean {
    switch (this.scenario.writes) {
      case 'always':
        return true;
      case 'once taken over':
        return this.#phase !== undefined;
      case 'once one has moved':
        return this.#cluster.servers.some(({ serves }) => serves === 'target');
    }
  }

  #told(what: RegExp): boolean {
    return this.#runs.some(({ told }) => told.some((line) => what.test(line)));
  }

  #optionsAt(run: Run): Happening[] {
    const others = this.scenario.commands
      .map((_, i) => i)
      .filter((i) => i === this.#begun || this.#waits(i, run));
    return [
      ...others.map((to) => ({ kind: 'switch' as const, to })),
      ...(['kill', 'kill late', 'interrupt'] as const).map((kind) => ({ kind })),
      ...this.#cluster.servers.flatMap(({ down }, server) =>
        down === undefined ? [{ kind: 'die' as const, server }] : [],
      ),
      ...(this.#lateServer ? [{ kind: 'land' as const }] : []),
    ];
  }

  #waits(i: number, run: Run): boolean {
    const other = this.#runs.find(({ process }) => process.name === machineName(i));
    return other !== undefined && other !== run && this.#stack.includes(other);
  }

  get #lateServer(): KubeServer | undefined {
    return this.#cluster.servers.findLast(({ hasLate }) => hasLate);
  }

  #happen(run: Run, what: Happening): void {
    const { process } = run;
    switch (what.kind) {
      case 'switch':
        process.stopped = true;
        this.#say(`${process.name} hangs before: ${process.next[0]?.label ?? ''}`);
        this.#switchTo(what.to);
        return;
      case 'kill':
      case 'kill late':
        this.#say(`${process.name} is killed before: ${process.next[0]?.label ?? ''}`);
        this.#rules.onKill(run);
        if (what.kind === 'kill late') this.#onItsWay(process.kill());
        else process.kill();
        return;
      case 'interrupt':
        this.#say(`${process.name} gets Ctrl-C before: ${process.next[0]?.label ?? ''}`);
        process.interrupt();
        return;
      case 'die':
        this.#die(what.server);
        return;
      case 'land':
        this.#land();
    }
  }

  /** What was sent is on its way: to an etcd for as long as it likes, elsewhere only for a moment. */
  #onItsWay(calls: readonly Call[]): void {
    for (const call of calls) {
      if (call.kind === 'etcd') this.#late.push(call);
      else if (call.kind === 'kube' || call.kind === 'hook') call.carryOut();
    }
  }

  #switchTo(i: number): void {
    const other = this.#runs.find(({ process }) => process.name === machineName(i));
    if (!other) {
      this.#beginNext();
      return;
    }
    this.#stack = [...this.#stack.filter((run) => run !== other), other];
  }

  #die(i: number): void {
    const server = this.#cluster.servers[i];
    if (!server) return;
    this.#say(`${server.name} dies`);
    server.die();
    setTimeout(() => {
      if (server.down === undefined) return;
      this.#say(`${server.name} is back`);
      server.start();
    }, DEAD_MS);
  }

  #land(): void {
    const server = this.#lateServer;
    if (!server) return;
    this.#landing = true;
    const number = this.#clients.writeAt(server.store, server.name);
    this.#landing = false;
    this.#say(
      `write ${number}, let pass before the freeze, lands on the ${server.serves} through ${server.name}`,
    );
    this.#landed.push({ number, at: this.#step, alarms: this.#alarms });
  }

  #resume(run: Run): void {
    this.#say(`${run.process.name} goes on`);
    run.process.resume();
  }

  #beginNext(): boolean {
    const command = this.scenario.commands[this.#begun];
    if (command === undefined) return false;
    this.#begin(command, machineName(this.#begun));
    this.#begun++;
    return true;
  }

  #begin(command: Command, name: string): Run {
    const process = new Process(name, () => this.#step);
    const run: Run = {
      ...{ command, process, told: [], ended: false, steps: [] },
      ...{ lostAt: undefined, acted: false, deadAtGo: [] },
    };
    this.#say(`${name} begins: ${command}`);
    this.#runs.push(run);
    this.#stack.push(run);
    const end = (error?: Error) => {
      if (!process.alive) return;
      run.ended = true;
      if (error) run.told.push(error.message);
      this.#say(`${name} ends: ${error ? `${error.name}: ${error.message}` : 'done'}`);
      this.#rules.onEnd(run, error, this.#cluster.servers);
    };
    const started = runCommand(command, this.#machineOf(run));
    started.then(() => {
      end();
    }, end);
    return run;
  }

  #machineOf(run: Run) {
    const { process } = run;
    const tell = (line: string) => {
      if (!process.alive) return;
      run.told.push(line);
      // There may be one for each write.
      if (/late write/.test(line) && run.told.filter((one) => /late write/.test(one)).length > 1)
        return;
      this.#say(`${process.name} says: ${line}`);
    };
    const etcd = (side: Side) =>
      new SimulatedEtcd(process, this.#cluster.stores[side], side, (request) => {
        this.#rules.onTxn(run, side, request);
      });
    const sourceWatch = etcd('source');
    sourceWatch.watchDelayMs = this.scenario.watchDelayMs ?? 0;
    return {
      ask: () =>
        process.call('prompt', 'go', true, () => {
          run.deadAtGo = this.#cluster.servers.filter(({ down }) => down !== undefined);
        }),
      ...{ process, source: etcd('source'), target: etcd('target'), sourceWatch },
      apiservers: this.#cluster.servers.map(
        (server) =>
          new SimulatedApiServer(process, server, (request) => {
            this.#rules.onKube(run, request);
          }),
      ),
      move: (url: string, to: Side, madeAt: number) => {
        const server = this.#cluster.servers.find((one) => one.url === url);
        this.#firstHook ??= { sentAfter: run.steps.findLast((step) => step < madeAt) ?? 0 };
        this.#rules.onHook(run, `moves ${server?.name ?? ''} to the ${to}`, madeAt);
        server?.move(to, DOWN_MS);
      },
      onNote: tell,
      onAlarm: (line: string) => {
        this.#alarms++;
        tell(`ALARM: ${line}`);
      },
    };
  }

  /** What the runbook says to who finds the night like this. */
  async #recover(): Promise<void> {
    for (let tries = 0; tries < MAX_RECOVERIES && !this.#over; tries++) {
      if (tries > 0) await this.#untilUp();
      const last = this.#runs.at(-1);
      const phase = this.#phase;
      const wayBack = /LATE_WRITE|TARGET_DIFFERENT|were written on the source/.test(
        last?.told.at(-1) ?? '',
      );
      let command: Command = 'cutover';
      if (phase?.endsWith('back') || (phase && wayBack)) command = 'rollback';
      else if (phase === 'retiring') command = 'retire';
      else if (wayBack) command = 'freeze remove';
      this.#begin(command, `R${tries + 1}`);
      await this.#untilEnded();
    }
    if (!this.#over)
      this.#rules.break(
        'cannot be ended',
        `phase ${this.#phase ?? 'none'}, ${this.#cluster.frozen ? 'frozen' : 'open'}`,
      );
    await this.#untilUp();
  }

  async #untilUp(): Promise<void> {
    while (this.#cluster.servers.some(({ down }) => down !== undefined)) {
      this.#wait();
      await settled();
    }
  }

  get #over(): boolean {
    const phase = this.#phase;
    return (
      !this.#cluster.frozen && (phase === undefined || phase === 'done' || phase === 'rolled back')
    );
  }

  #judge(): void {
    const [first, ...more] = this.#cluster.servers;
    if (!first) return;
    if (more.some(({ serves }) => serves !== first.serves))
      this.#rules.break(
        'split',
        this.#cluster.servers.map(({ name, serves }) => `${name}: ${serves}`).join(', '),
      );
    const wrong = this.#clients.lost(first.store, this.#excused());
    if (wrong !== undefined)
      this.#rules.break('lost', `${wrong}; ${first.name} serves from the ${first.serves}`);
  }

  #excused(): Set<number> {
    const { sentAfter = Infinity } = this.#firstHook ?? {};
    const told = this.#landed.filter(({ at, alarms }) => at > sentAfter && this.#alarms > alarms);
    return new Set(told.map(({ number }) => number));
  }

  #say(line: string): void {
    this.trace.push(
      `${String(this.#step).padStart(3)} ${String(this.#time.now).padStart(6)} ms  ${line}`,
    );
  }
}

function machineName(i: number): string {
  return 'ABC'[i] ?? String(i);
}
