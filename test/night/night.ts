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
 *              write to an etcd when all is over, or at `deliver`
 *   deliver    now it arrives
 *   interrupt  Ctrl-C
 *   die        an apiserver is dead, and comes back a minute and a half later
 *   land       a client's write that was let pass before the freeze reaches its etcd only now
 * At the end somebody else does as the runbook says, until the night is at its end.
 *
 * What is allowed. A write that lands late (see `land`) may be lost if nobody could have seen it before
 * the first apiserver moved: it landed after the last step before that hook was sent for, or so shortly
 * before it that the watch, which is late by `watchDelayMs`, could not show it. It must have been told by an
 * alarm then. A fence that nobody keeps because its keeper hangs or is dead may be
 * overtaken, if an alarm says so. `freeze remove` by hand is at once with the look at `status` before it.
 * A hook that was sent for in time and comes when another run has the night moves an apiserver to where
 * nothing counts: no look before it can prevent that. The watch at the end tells it, where it still runs.
 * What is written through an apiserver that nobody named (see `unnamed`) may be lost: the prompt warns of
 * it. What its clients list does not count either.
 *
 * Tried and dropped: to forbid that anybody goes on at an etcd below his revision, which every rolling
 * switch does for a moment (clients.ts says why that is harmless); clients that only ever write all the
 * time, for then a guard on the cursor hides what happens when nobody does; late arrivals of what goes to
 * Kubernetes, which no condition can hold back and no server keeps for long.
 */
import { run as runCommand, type Command } from './commands.js';
import type { Side } from './etcd.js';
import { machineFor, type MachineOptions } from './machine.js';
import { Process, type Call } from './process.js';
import { nameOf, Rules, type Run, type Violation } from './rules.js';
import { settled } from './time.js';
import { World, type Landed, type WorldOptions } from './world.js';

export interface Scenario extends WorldOptions, MachineOptions {
  /** Done before the night, calmly. */
  before?: readonly Command[];
  /** One for each operator. */
  commands: readonly Command[];
}

export type Happening =
  | { kind: 'switch'; to: number }
  | { kind: 'die'; server: number }
  | { kind: 'kill' | 'kill late' | 'deliver' | 'interrupt' | 'land' };

export interface At {
  step: number;
  what: Happening;
}

/** Says what happens at a step instead of what is calm, of all that could. */
export type Chooser = (step: number, options: readonly Happening[]) => Happening | undefined;

/** Timers and steps in one night; the longest that ends has some thousand. */
const MAX_TICKS = 20_000;
const MAX_RECOVERIES = 4;

export class Night {
  readonly violations: Violation[];
  readonly trace: string[] = [];
  /** What was about to be done at each step, and what could happen instead. */
  readonly options: { label: string; may: Happening[] }[] = [];
  readonly #world: World;
  readonly #runs: Run[] = [];
  readonly #rules: Rules;
  /** Whose turn it is, and who goes on after that. */
  #stack: Run[] = [];
  /** Operators that have begun. */
  #begun = 0;
  /** What dead ones have sent, and has not arrived. */
  #late: Call[] = [];
  /** The step after which the first hook to a side was sent for. */
  readonly #hooks = new Map<Side, { after: number; ms: number }>();
  /** Whether anything has gone wrong. */
  #disturbed = false;
  #step = 0;
  #ticks = 0;
  /** Whether this is the part in which things go wrong. */
  #explored = false;

  constructor(
    private readonly scenario: Scenario,
    private readonly plan: readonly At[] | Chooser,
  ) {
    this.#world = new World(scenario, (what) => {
      const unkept = this.#disturbed && this.#told(/overtaken/);
      if (!unkept && !this.#rules.staleHook) this.#rules.break('missed', what);
    });
    this.#rules = new Rules(this.#runs, this.#world.cluster, () => this.#step);
    this.violations = this.#rules.violations;
  }

  /** Plays it, once; `violations` says what was wrong. */
  async play(): Promise<void> {
    try {
      for (const command of this.scenario.before ?? []) {
        this.#begin(command, 'before');
        await this.#untilEnded();
      }
      this.#explored = true;
      await this.#untilEnded();
      this.#explored = false;
      this.#rules.onQuiet();
      await this.#recover();
      this.#deliver();
      await settled();
      this.#world.clientsAct();
      this.#judge();
    } finally {
      this.#world.time.end();
    }
  }

  async #untilEnded(): Promise<void> {
    for (this.#ticks = 0; this.#ticks < MAX_TICKS; this.#ticks++) {
      await settled();
      this.#stack = this.#stack.filter((run) => !run.ended && run.process.alive);
      const run = this.#stack.at(-1);
      if (!run) {
        if (!this.#explored || !this.#beginNext()) return;
      } else if (run.process.stopped) {
        this.#say(`${run.process.name} goes on`);
        run.process.resume();
      } else if (run.process.calls.length > 0) this.#takeStep(run);
      else this.#world.tick();
    }
    const hanging = this.#stack.at(-1);
    this.#rules.break('does not end', hanging ? nameOf(hanging) : 'nobody');
    for (const { process } of this.#stack) process.kill();
  }

  #takeStep(run: Run): void {
    this.#world.clientsAct();
    const what = this.#explored ? this.#choose(run) : undefined;
    if (what) this.#happen(run, what);
    else this.#carryOut(run);
    this.#step++;
  }

  #choose(run: Run): Happening | undefined {
    const { plan } = this;
    const options = this.#optionsAt(run);
    this.options[this.#step] = { label: run.process.next[0]?.label ?? '', may: options };
    const what =
      typeof plan === 'function'
        ? plan(this.#step, options)
        : plan.find(({ step }) => step === this.#step)?.what;
    this.#disturbed ||= what !== undefined;
    return what;
  }

  #carryOut({ process, steps }: Run): void {
    const { next } = process;
    const times = next.length > 1 ? ` (${next.length} times)` : '';
    this.#say(`${process.name} ${next[0]?.label ?? ''}${times}`);
    steps.push(this.#step);
    process.carryOut(next);
    this.#world.sync();
  }

  #optionsAt(run: Run): Happening[] {
    const { cluster, lateServer } = this.#world;
    const others = this.scenario.commands
      .map((_, i) => i)
      .filter((i) => i === this.#begun || this.#waits(i, run));
    const mayDie = cluster.servers.flatMap(({ down }, i) => (down === undefined ? [i] : []));
    return [
      ...others.map((to) => ({ kind: 'switch' as const, to })),
      ...(['kill', 'kill late', 'interrupt'] as const).map((kind) => ({ kind })),
      ...mayDie.map((server) => ({ kind: 'die' as const, server })),
      ...(lateServer ? [{ kind: 'land' as const }] : []),
      ...(this.#late.length > 0 ? [{ kind: 'deliver' as const }] : []),
    ];
  }

  #waits(i: number, run: Run): boolean {
    const other = this.#runOf(i);
    return other !== undefined && other !== run && this.#stack.includes(other);
  }

  #runOf(i: number): Run | undefined {
    return this.#runs.find(({ process }) => process.name === machineName(i));
  }

  #happen(run: Run, what: Happening): void {
    const { process } = run;
    const before = `before: ${process.next[0]?.label ?? ''}`;
    switch (what.kind) {
      case 'switch':
        this.#say(`${process.name} hangs ${before}`);
        process.stopped = true;
        this.#switchTo(what.to);
        return;
      case 'kill':
      case 'kill late':
        this.#say(`${process.name} is killed ${before}`);
        this.#rules.onKill(run);
        this.#killed(process.kill(), what.kind);
        return;
      case 'interrupt':
        this.#say(`${process.name} gets Ctrl-C ${before}`);
        process.interrupt();
        return;
      case 'die': {
        const server = this.#world.cluster.servers[what.server];
        this.#say(`${server?.name ?? ''} dies`);
        if (server) this.#world.die(server);
        return;
      }
      case 'land':
        this.#say(this.#world.land(this.#step));
        return;
      case 'deliver':
        this.#deliver();
    }
  }

  #killed(calls: readonly Call[], kind: 'kill' | 'kill late'): void {
    if (kind === 'kill') return;
    for (const call of calls) {
      if (call.kind === 'etcd') this.#late.push(call);
      else if (call.kind === 'kube' || call.kind === 'hook') call.carryOut();
    }
  }

  #deliver(): void {
    for (const call of this.#late) {
      this.#say(`late: ${call.label}`);
      call.carryOut();
    }
    this.#late = [];
  }

  #switchTo(i: number): void {
    const other = this.#runOf(i);
    if (other) this.#stack = [...this.#stack.filter((run) => run !== other), other];
    else this.#beginNext();
  }

  #beginNext(): boolean {
    const command = this.scenario.commands[this.#begun];
    if (command === undefined) return false;
    this.#begin(command, machineName(this.#begun++));
    return true;
  }

  #begin(command: Command, name: string): void {
    const process = new Process(name, () => this.#step);
    const run: Run = {
      ...{ command, process, told: [], ended: false, steps: [] },
      ...{ lostAt: undefined, acted: false, claimed: false, deadAtGo: [] },
    };
    this.#say(`${name} begins: ${command}`);
    this.#runs.push(run);
    this.#stack.push(run);
    const tell = (line: string) => {
      this.#tell(run, line);
    };
    const onHook = (to: Side, madeAt: number) => {
      const after = run.steps.findLast((step) => step < madeAt) ?? 0;
      if (!this.#explored || this.#hooks.has(to)) return;
      this.#hooks.set(to, { after, ms: this.#world.time.now });
    };
    const machine = machineFor(run, this.#world, this.#rules, this.scenario, tell, onHook);
    runCommand(command, machine).then(
      () => {
        this.#end(run);
      },
      (error: unknown) => {
        this.#end(run, error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  #end(run: Run, error?: Error): void {
    if (!run.process.alive) return;
    run.ended = true;
    if (error) run.told.push(error.message);
    this.#say(`${run.process.name} ends: ${error ? `${error.name}: ${error.message}` : 'done'}`);
    this.#rules.onEnd(run, error, this.#world.named);
  }

  #tell({ process, told }: Run, line: string): void {
    if (!process.alive) return;
    told.push(line);
    // There may be one for each write.
    const late = told.filter((one) => /late write/.test(one));
    if (line !== late.at(-1) || late.length === 1) this.#say(`${process.name} says: ${line}`);
  }

  #told(what: RegExp): boolean {
    return this.#runs.some(({ told }) => told.some((line) => what.test(line)));
  }

  async #recover(): Promise<void> {
    for (let tries = 1; tries <= MAX_RECOVERIES && !this.#world.over; tries++) {
      if (tries > 1) await this.#untilUp();
      this.#begin(this.#nextCommand(), `R${tries}`);
      await this.#untilEnded();
    }
    const { over, phase = 'none', cluster } = this.#world;
    if (!over)
      this.#rules.break('cannot be ended', `phase ${phase}, ${cluster.frozen ? 'frozen' : 'open'}`);
    await this.#untilUp();
  }

  /** What the runbook says to who finds the night like this. */
  #nextCommand(): Command {
    const { phase } = this.#world;
    const said = this.#runs.at(-1)?.told.at(-1) ?? '';
    const wayBack = /were written on the source|is not what the source is/.test(said);
    if (phase === undefined) return wayBack ? 'freeze remove' : 'cutover';
    if (phase === 'retiring') return 'retire';
    return wayBack || phase.endsWith('back') ? 'rollback' : 'cutover';
  }

  async #untilUp(): Promise<void> {
    while (this.#world.cluster.servers.some(({ down }) => down !== undefined)) {
      this.#world.tick();
      await settled();
    }
  }

  #judge(): void {
    const { split, landed } = this.#world;
    if (this.#rules.staleHook) return;
    if (split !== undefined) this.#rules.break('split', split);
    const unseen = landed.filter((write) => this.#isUnseen(write));
    const excused = this.#told(/^ALARM/) ? unseen.map(({ number }) => number) : [];
    const lost = this.#world.lost(new Set(excused));
    if (lost !== undefined) this.#rules.break('lost', lost);
  }

  /** When the first apiserver was sent for to leave that side, the watch there had not shown it yet. */
  #isUnseen({ on, step, ms }: Landed): boolean {
    const left = this.#hooks.get(on === 'source' ? 'target' : 'source');
    if (!left) return false;
    return step > left.after || ms + (this.scenario.watchDelayMs ?? 0) >= left.ms;
  }

  #say(line: string): void {
    const [step, ms] = [String(this.#step).padStart(3), String(this.#world.time.now).padStart(6)];
    this.trace.push(`${step} ${ms} ms  ${line}`);
  }
}

function machineName(i: number): string {
  return 'ABC'[i] ?? String(i);
}
