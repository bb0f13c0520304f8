/**
 * What must hold of a night: who may do what, and what somebody must have been told.
 *
 * The night is lost to another run by what that one writes on the target: a claim of the owner's key, or
 * a phase from which there is no way on for others. What a run has sent before counts as sent only if
 * nothing could have held it back: a hook. A write to an etcd and one to Kubernetes can be guarded, so
 * they must have no effect, however late they come.
 */
import { OWN_PREFIX } from '../../src/mvcc/prefix.js';
import { CUTOVER_KEY, parseCutover, type Phase } from '../../src/target/cutoverstate.js';
import { SLOT_PREFIX } from '../../src/target/guard.js';
import type { etcdserverpb as pb } from '../../src/wire/gen/etcd.js';
import type { Command } from './commands.js';
import { isRaise, text, type Side } from './etcd.js';
import type { Cluster, KubeRequest, KubeServer } from './kube.js';
import type { Process } from './process.js';

export type Rule =
  | 'lost'
  | 'missed'
  | 'split'
  | 'freeze left'
  | 'not thawed'
  | 'says frozen'
  | 'foreign thaw'
  | 'acts after loss'
  | 'begun though one was dead'
  | 'does not end'
  | 'cannot be ended'
  | 'bug';

export interface Violation {
  rule: Rule;
  what: string;
}

/** One command on one machine. */
export interface Run {
  command: Command;
  process: Process;
  /** Notes, alarms, and what it ended with. */
  told: string[];
  ended: boolean;
  /** Steps at which a call of it was carried out. */
  steps: number[];
  /** Since when another one has the night. */
  lostAt: number | undefined;
  acted: boolean;
  /** It has had the night. */
  claimed: boolean;
  /** Apiservers that did not answer when it was told to go. */
  deadAtGo: readonly KubeServer[];
}

const NONE = Buffer.alloc(0);
const OWNER_KEY = `${OWN_PREFIX}owner`;
const MARKER_KEY = `${OWN_PREFIX}rollback`;
const ALL: readonly Command[] = ['cutover', 'fence', 'rollback', 'retire'];
/** Whose night is over when another run has written that. From `done` and `retiring` one may go back. */
const ENDS: Partial<Record<Phase, readonly Command[]>> = {
  done: ['cutover', 'fence'],
  retiring: ['cutover', 'fence'],
  'rolling back': ALL,
  'switched back': ALL,
  'rolled back': ALL,
};

/** Those who freeze and thaw; the others leave that to somebody. */
const FREEZES: Command[] = ['cutover', 'rollback', 'freeze remove'];

export class Rules {
  readonly violations: Violation[] = [];
  /** A hook that was sent for in time came when another run had the night. */
  staleHook = false;
  /** Who has written the freeze last that is there now. */
  #freezer: Run | undefined;
  #phase: Phase | undefined;
  /** Whose marker stands on the source, or stood there last. */
  #marker: Run | undefined;
  /** The last that has ended, of those that have done anything. */
  #last: Run | undefined;

  constructor(
    private readonly runs: readonly Run[],
    private readonly cluster: Cluster,
    private readonly step: () => number,
  ) {}

  break(rule: Rule, what: string): void {
    this.violations.push({ rule, what });
  }

  /** A transaction that has taken effect. */
  onTxn(run: Run, side: Side, request: pb.TxnRequest.$Properties): void {
    const keys = (request.success ?? []).map(({ requestPut, requestDeleteRange }) =>
      text(requestPut?.key ?? requestDeleteRange?.key ?? NONE),
    );
    if (side === 'target' && claims(request)) {
      run.lostAt = undefined;
      run.claimed = true;
      this.#lostTo(run, ALL);
    }
    if (side === 'source' && keys.includes(MARKER_KEY)) this.#marker = run;
    if (side === 'source' && this.#isHarmless(run, keys)) return;
    this.#act(run, isRaise(request) ? `raises the ${side}` : `writes ${keys.join(', ')}`);
    if (side === 'target' && keys.includes(CUTOVER_KEY.toString())) this.#onPhase(run);
  }

  /**
   * No condition on the source reaches to the target, so what a run has sent that lost the night may still
   * come where it does nothing: a marker, which divides no other night and is followed by a look at the
   * claim (cutover/raise.ts); what a rollback brings while its own marker stands, for the next one writes
   * the marker anew before it looks at what there is; a page of what every retire removes, once there is
   * no way back.
   */
  #isHarmless(run: Run, keys: readonly string[]): boolean {
    const { command } = run;
    if (command === 'rollback')
      return (
        this.#marker === run ||
        keys.every((key) => key === MARKER_KEY || key.startsWith(SLOT_PREFIX))
      );
    const retires = this.#phase === 'retiring' || this.#phase === 'retired';
    return command === 'retire' && retires;
  }

  onHook(run: Run, what: string, madeAt: number): void {
    if (run.lostAt === undefined || madeAt > run.lostAt) this.#act(run, what);
    else this.staleHook = true;
  }

  onKube(run: Run, { method }: KubeRequest): void {
    const thaws = method === 'DELETE';
    const other = this.#freezer;
    // A creation has no condition that reaches to the target: who was late by that much lets go again. Nor
    // is anybody harmed by what it does to its own, which is guarded by what it was.
    const own = method === 'POST' || other === run;
    if (!own) this.#act(run, thaws ? 'thaws' : 'freezes');
    else run.acted = true;
    this.#freezer = thaws ? undefined : run;
    if (!thaws || !other || other === run || run.command === 'freeze remove') return;
    if (!other.ended && other.process.alive && other.lostAt === undefined)
      this.break('foreign thaw', `${nameOf(run)} thaws while ${nameOf(other)} counts on it`);
  }

  onKill(run: Run): void {
    if (run.acted && FREEZES.includes(run.command)) this.#last = run;
  }

  /** A run has come to its end, and was not killed. */
  onEnd(run: Run, error: unknown, named: readonly KubeServer[]): void {
    if (run.acted && FREEZES.includes(run.command)) this.#last = run;
    const last = run.told.slice(-3).join('\n');
    const { frozen } = this.cluster;
    if (/(stay|are still) frozen/.test(last) && !frozen)
      this.break('says frozen', `${nameOf(run)} says that writes are frozen, and they are not`);
    const reachable = named.some(({ down }) => down === undefined);
    const mine = this.#freezer === run;
    if (frozen && error !== undefined && mine && reachable && this.#phase === undefined)
      this.break('not thawed', `${nameOf(run)} ends before the takeover and leaves its freeze`);
    if (error instanceof TypeError || error instanceof RangeError)
      this.break('bug', `${nameOf(run)}: ${error.stack ?? error.message}`);
  }

  /** All have ended: who has acted and came last must have told that writes are frozen, unless killed. */
  onQuiet(): void {
    const last = this.#last;
    if (!this.cluster.frozen || !last?.ended) return;
    const tells = ({ told }: Run) => told.some((line) => /frozen|freeze/.test(line));
    if (!tells(last) && !(this.#freezer?.ended && tells(this.#freezer)))
      this.break('freeze left', `${nameOf(last)} ends without a word of the freeze that is left`);
  }

  #onPhase(run: Run): void {
    const row = this.cluster.stores.target.get(CUTOVER_KEY);
    this.#phase = row && parseCutover(row).state.phase;
    const dead = run.deadAtGo.find(({ down }) => down !== undefined);
    // A fence knows of no apiservers.
    if (dead && run.command !== 'fence')
      this.break(
        'begun though one was dead',
        `${nameOf(run)} begins, and ${dead.name} never answered`,
      );
    this.#lostTo(run, this.#phase ? (ENDS[this.#phase] ?? []) : ALL);
  }

  /** What a dead run has sent takes the night from nobody. */
  #lostTo(run: Run, commands: readonly Command[]): void {
    if (!run.process.alive) return;
    for (const other of this.runs)
      if (other !== run && !other.ended && commands.includes(other.command))
        other.lostAt ??= this.step();
  }

  #act(run: Run, what: string): void {
    run.acted = true;
    if (run.lostAt !== undefined)
      this.break('acts after loss', `${nameOf(run)} ${what} after it has lost the night`);
  }
}

/** Retire takes the owner away with its last write, and claims nothing by that. */
function claims({ success }: pb.TxnRequest.$Properties): boolean {
  return (success ?? []).some(({ requestPut }) => text(requestPut?.key ?? NONE) === OWNER_KEY);
}

export function nameOf({ command, process }: Run): string {
  return `${process.name} (${command})`;
}
