/**
 * Rollback: the apiservers go back to the source, and no client's revision goes backwards.
 *
 *     preflight ─► go ─► preflight again ─► claim ─► freeze ─► quiet ─► raise ─► bring back ─► compare
 *       ─► switch ─► unfreeze ─► clean up
 *
 * It is the cutover's mirror image. Clients now hold revisions of the target, so the source's head is
 * raised above the target's before any apiserver returns to it. What was changed on the target is
 * written to the source above that head: a client that has seen it there sees it once more, at a
 * higher revision, and none sees it at a lower one. What was never touched still has its revision.
 *
 * A cutover may be under way on another machine. The claim ends it: from then on it writes no phase,
 * raises no head and starts no hook. A hook that it has started may still move an apiserver, so which
 * etcd serves is looked at behind the claim, in the freeze, and again at the end.
 *
 * Killed anywhere, it begins anew: each step finds what was done. The phase on the target says that
 * it has begun, so that no cutover goes on meanwhile; and, before writes are let in, that the source
 * is the one that counts again. From there on a run that begins anew must not bring anything back: it
 * would undo what clients have written since.
 *
 * Where no apiserver has moved yet, the source counts from the beginning: a late write there is what
 * clients see, and stays.
 */
import { thisRun } from '../cutoverowner.js';
import { hasCode, LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { ApiServer } from '../kube/api.js';
import { Freeze } from '../kube/freeze.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import { Patience } from '../patience.js';
import { beside, untilAnswered } from '../tasks.js';
import { pause } from '../backoff.js';
import { tellGoneBack, watchAfterwards } from './afterwards.js';
import { Alarms } from './alarms.js';
import {
  bringBack,
  compareContent,
  noneBrought,
  type BringOptions,
  type Brought,
} from './bring.js';
import { Claim, resourcesIn, whyEnded } from './claim.js';
import { frozenStill } from './crossing.js';
import { DeadOnes } from './dead.js';
import { freezeOver, tellOwnFreeze } from './freezeover.js';
import { LateWrites } from './late.js';
import { refuseOtherObjects } from './objects.js';
import type { Moving, NightOptions } from './options.js';
import { keepProving, proveAgain, type Proofs } from './proofs.js';
import { anyMoved } from './moved.js';
import { mark, raiseSource, unmark, type Marker } from './raise.js';
import { preflightBack, type CheckedBack } from './preflightback.js';
import { movedBy } from './resources.js';
import { ROLLBACK_STEPS } from './script.js';
import { askHeads, type Heads } from './serving.js';
import { StepTeller, type StepTime } from './steps.js';
import { moveAll, type SwitchOptions } from './switch.js';
import { thaw } from './freezing.js';
import { isAsTaken } from './unmoved.js';

export type RollbackOptions = NightOptions;

/** The JSON contract in docs/reference.md is made of this. */
export interface RollbackReport {
  prefixes: string[];
  resources: string[];
  apiservers: string[];
  brought: Brought;
  heads: Heads | null;
  frozenSeconds: number | null;
  steps: StepTime[];
  /** Written on the target after it was left. */
  lateWrites: LateWrites['named'];
  alarms: string[];
}

/** What it means that it ends before its end. */
const STOPPED = {
  'not seen':
    'writes may be frozen by the run before, or not: `etcd-lockstep freeze probe` says; the same command goes on',
  seen: 'writes stay frozen: the same command goes on',
  thawing:
    'the source serves; writes may still be frozen, or be let in already: the same command ends it',
};

/** What a run that has begun works with. */
interface Begun {
  claim: Claim;
  prefixes: PrefixSet;
  late: LateWrites;
  freeze: Freeze;
}

export class Rollback {
  readonly #self = thisRun('rollback');
  readonly #teller: StepTeller;
  readonly #alarms: Alarms;
  readonly #tell: Patience;
  readonly #dead: DeadOnes;
  /** Whether writes were seen to be refused, and whether they may be let in again by now. */
  #frozen: 'not seen' | 'seen' | 'thawing' = 'not seen';
  /** What was under way on the target has come to its end; what still comes is late. */
  #quiet = false;

  constructor(private readonly o: RollbackOptions) {
    this.#teller = new StepTeller(ROLLBACK_STEPS, o.onStep);
    this.#alarms = new Alarms(o.onAlarm);
    this.#tell = new Patience(o.onNote);
    this.#dead = new DeadOnes(o.without);
  }

  /**
   * Where it is rolled back already that is the result.
   * @throws LockstepError TARGET_NOT_OURS where there was no cutover, LATE_WRITE, OTHER_RUN, FREEZE_LOST,
   *   and what etcds and apiservers say
   */
  async run(): Promise<RollbackReport> {
    const { o } = this;
    const first = await this.#teller.step('preflight', () => preflightBack(o, true));
    if (first.seen.stored.state.phase === 'rolled back') return this.#done(first);
    await o.go(first);
    const { seen, heads } = await preflightBack(o, false);
    if (seen.stored.state.phase === 'rolled back') return this.#done(first);
    const back = seen.stored.state.phase === 'switched back';
    const claiming = { target: o.target, self: this.#self, tell: this.#tell, signal: o.signal };
    const claim = await Claim.take(claiming, seen, back ? 'switched back' : 'rolling back');
    o.onMustGoOn();
    try {
      return await (back ? this.#afterwards(claim, heads) : this.#back(claim));
    } catch (error) {
      const why = await whyEnded(claim, error);
      const { apiservers: apis, onNote } = o;
      if (hasCode(why, 'OTHER_RUN')) await tellOwnFreeze({ self: this.#self, apis, onNote });
      this.#tellFrozen(why);
      throw why;
    }
  }

  #tellFrozen(error: unknown): void {
    if (hasCode(error, 'OTHER_RUN', 'FREEZE_LOST')) return;
    this.o.onNote(STOPPED[this.#frozen]);
  }

  async #back(claim: Claim): Promise<RollbackReport> {
    const { signal } = this.o;
    const prefixes = PrefixSet.of(claim.state.prefixes);
    const freeze = await this.#teller.step('freeze', () => this.#freeze(claim, signal));
    failpoint('rollback.frozen');
    const heads = () => this.#heads(claim, prefixes);
    const late = await this.#lateWrites(prefixes);
    const begun = { claim, prefixes, late, freeze };
    const tasks = [
      (stop: AbortSignal) => late.run(stop),
      (stop: AbortSignal) => this.#dead.watch(stop),
    ];
    return beside(signal, tasks, async (stop) => {
      const { brought, marker } = await this.#bring(begun, stop);
      const proofs = this.#proofs(begun);
      await this.#teller.step('switch', () =>
        beside(stop, [(end) => keepProving(proofs, end)], (end) => this.#switch(begun, end)),
      );
      await claim.setPhase('switched back');
      failpoint('rollback.switched');
      await this.#unfreeze(claim, marker, freeze, stop);
      await this.#teller.step('watch', () => this.#watch(claim, prefixes, late, stop));
      return this.#report(claim, brought, late, await heads());
    });
  }

  /** A run before came to where the source counts: what is left is to let writes in. */
  async #afterwards(claim: Claim, heads: Heads): Promise<RollbackReport> {
    const { signal, apiservers } = this.o;
    const prefixes = PrefixSet.of(claim.state.prefixes);
    const marker = await this.#mark(claim, signal);
    const standing = await this.#patiently(signal, () => Freeze.find(apiservers));
    const late = await this.#lateWrites(prefixes);
    const tasks = [
      (stop: AbortSignal) => late.run(stop),
      (stop: AbortSignal) => this.#dead.watch(stop),
    ];
    return beside(signal, tasks, async (stop) => {
      // One may have gone to the target again, with an old manifest, and would write there.
      const begun = standing && { claim, prefixes, late, freeze: standing };
      if (begun) await this.#untilAllServe(begun, {}, stop);
      await this.#unfreeze(claim, marker, standing, stop);
      await this.#teller.step('watch', () => this.#watch(claim, prefixes, late, stop));
      return this.#report(claim, noneBrought(), late, heads);
    });
  }

  /** Over, by a run before: nothing is written. A freeze that it has left is no part of it. */
  async #done({ seen, heads }: CheckedBack): Promise<RollbackReport> {
    const { source, target, apiservers, onNote } = this.o;
    const { state } = seen.stored;
    onNote('it is rolled back already');
    const left = await frozenStill(this.o, seen.owner?.owner.run);
    if (left) this.#alarms.raise(left);
    await tellGoneBack({
      ...{ apiservers, resources: resourcesIn(seen.stored), left: 'target' },
      heads: () => askHeads(source, target, probeKey(PrefixSet.of(state.prefixes))),
      onAlarm: (text) => {
        this.#alarms.raise(text);
      },
    });
    return this.#report(seen.stored, noneBrought(), undefined, heads);
  }

  async #freeze(claim: Claim, signal: AbortSignal): Promise<Freeze> {
    const { apiservers, onNote } = this.o;
    const over = {
      ...{ claim, self: this.#self, apis: apiservers, onNote, signal },
      onFrozen: (at: Date) => {
        this.#frozen = 'seen';
        this.#teller.frozen(at.getTime());
      },
    };
    return (await this.#patiently(signal, () => freezeOver(over))).freeze;
  }

  async #bring(
    { claim, prefixes, late, freeze }: Begun,
    signal: AbortSignal,
  ): Promise<{ brought: Brought; marker: Marker }> {
    const { source, target, margin, onProgress } = this.o;
    const teller = this.#teller;
    await teller.step('quiet', () => this.#untilQuiet(late, signal));
    // Not before: what was under way on the target is part of it.
    const unmoved = await this.#nobodyMoved(claim, prefixes, signal);
    const marker = await teller.step('raise', async () => {
      const put = await this.#mark(claim, signal);
      const heads = () => this.#heads(claim, prefixes);
      // Also where nobody has moved: somebody may have asked the target.
      await this.#patiently(signal, () =>
        raiseSource(source, heads, { marker: put, margin, signal }),
      );
      return put;
    });
    failpoint('rollback.raised');
    const bring: BringOptions = {
      ...{ source, target, prefixes, marker, signal },
      exact: claim.exact,
      onProgress: (keys, changes) => {
        onProgress(`bringing back: ${keys} keys looked at, ${changes} written`);
      },
    };
    const brought = unmoved
      ? noneBrought()
      : await teller.step('bring back', () => bringBack(bring));
    this.#tellReplaced(brought);
    if (!unmoved) await teller.step('compare', () => refuseDifferent(bring));
    failpoint('rollback.brought');
    await proveAgain(this.#proofs({ claim, late, freeze }), signal);
    this.#refuseLate(late);
    return { brought, marker };
  }

  /** Whoever puts it when all is over takes it off again. */
  async #mark(claim: Claim, signal: AbortSignal): Promise<Marker> {
    const { source } = this.o;
    const marker = await this.#patiently(signal, () => mark(source, this.#self.run, claim.exact));
    try {
      await this.#patiently(signal, () => claim.check());
    } catch (error) {
      if (hasCode(error, 'OTHER_RUN')) await unmark(source, marker);
      throw error;
    }
    return marker;
  }

  /** Then the source counts as it is. */
  async #nobodyMoved(claim: Claim, prefixes: PrefixSet, signal: AbortSignal): Promise<boolean> {
    const { apiservers, target, onNote } = this.o;
    const resources = resourcesIn(claim);
    const heads = () => this.#heads(claim, prefixes);
    if (await anyMoved({ apiservers, resources, heads, tell: this.#tell, signal })) return false;
    const asTaken = () => isAsTaken(target, claim, prefixes, signal);
    if (!(await this.#patiently(signal, asTaken))) return false;
    onNote('no apiserver has moved: the source has everything, nothing is brought back');
    return true;
  }

  #tellReplaced({ replaced: { count, keys } }: Brought): void {
    if (count === 0) return;
    this.#alarms.raise(
      `${count} late writes on the source were replaced by what the target has: ${keys.join(', ')}`,
    );
  }

  /** Still on the target, whatever was written there: begun anew, it is brought as well. */
  #refuseLate({ named: [first], count }: LateWrites): void {
    if (!first) return;
    throw new LockstepError(
      'LATE_WRITE',
      `${count} keys were written on the target while it was brought back, first ${first.key} at revision ${first.revision}`,
      {
        disposition: 'retry',
        revision: first.revision,
        hint: 'No apiserver has gone back yet. Run the same command again: it brings that as well. If it comes again, find the writer (`etcd-lockstep freeze probe`).',
      },
    );
  }

  async #untilQuiet(late: LateWrites, signal: AbortSignal): Promise<void> {
    for (let seen = -1; late.count !== seen;) {
      seen = late.count;
      await pause(this.o.quietMs, signal);
      signal.throwIfAborted();
      await late.passed(signal);
    }
    // It is read with all the rest.
    late.forget();
    this.#quiet = true;
  }

  async #switch(begun: Begun, signal: AbortSignal): Promise<void> {
    const { apiservers, resources, source, switchHook } = this.o;
    const { claim } = begun;
    const hook = async (api: ApiServer) => {
      await proveAgain(this.#proofs(begun), signal);
      await switchHook?.(api, this.#moving(claim), signal);
    };
    await this.#untilAllServe(begun, switchHook ? { hook } : {}, signal);
    const moved = movedBy(claim.state.prefixes, resources);
    for (const api of apiservers)
      await this.#patiently(signal, () => refuseOtherObjects(source, api, moved));
  }

  /** Ends when each serves from the source, and all else still holds. */
  async #untilAllServe(
    begun: Begun,
    hook: Pick<SwitchOptions, 'hook'>,
    signal: AbortSignal,
  ): Promise<void> {
    const { apiservers, without, onWait, onNote } = this.o;
    const { claim, prefixes } = begun;
    const moving = this.#moving(claim);
    await moveAll({
      ...{ apiservers, without, signal, to: 'source', ...hook },
      resources: moving.resources,
      onWait: (waiting) => {
        onWait(waiting, moving);
      },
      heads: () => this.#heads(claim, prefixes),
      onMoved: (apiserver) => {
        onNote(`${apiserver} serves from the source`);
      },
    });
    await proveAgain({ ...this.#proofs(begun), dead: undefined }, signal);
  }

  #moving(claim: Claim): Moving {
    return { resources: resourcesIn(claim), epoch: claim.epoch };
  }

  async #unfreeze(
    claim: Claim,
    marker: Marker,
    freeze: Freeze | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { source, apiservers, onNote } = this.o;
    await this.#teller.step('unfreeze', async () => {
      // First: what a dead run has sent must not land among what clients write.
      await this.#patiently(signal, () => unmark(source, marker));
      await this.#patiently(signal, () => claim.check());
      this.#frozen = 'thawing';
      const options = { apiservers, resources: resourcesIn(claim), onNote, signal };
      await this.#patiently(signal, () => thaw(freeze, options));
    });
    this.#teller.thawed();
    failpoint('rollback.unfrozen');
    await this.#teller.step('clean up', () => claim.setPhase('rolled back'));
  }

  async #watch(
    claim: Claim,
    prefixes: PrefixSet,
    late: LateWrites,
    signal: AbortSignal,
  ): Promise<void> {
    const { apiservers, watchSeconds, onNote } = this.o;
    await watchAfterwards({
      ...{ apiservers, resources: resourcesIn(claim), left: 'target', late, onNote, signal },
      heads: () => this.#heads(claim, prefixes),
      seconds: watchSeconds,
      onAlarm: (text) => {
        this.#alarms.raise(text);
      },
    });
  }

  /** From the target's head as it is now: all before it is read and brought. */
  async #lateWrites(prefixes: PrefixSet): Promise<LateWrites> {
    const { target } = this.o;
    const { revision, clusterId } = await target.head(probeKey(prefixes));
    return new LateWrites({
      ...{ client: target, clusterId, prefixes, after: revision, tell: this.#tell },
      onWrite: ({ key, revision: at }) => {
        if (this.#quiet) this.#alarms.raise(`late write on the target: ${key} at revision ${at}`);
      },
    });
  }

  #proofs({ claim, late, freeze }: Pick<Begun, 'claim' | 'late' | 'freeze'>): Proofs {
    return { claim, freeze, apis: this.o.apiservers, late, dead: this.#dead, tell: this.#tell };
  }

  async #heads(claim: Claim, prefixes: PrefixSet): Promise<Heads> {
    const { revision } = await this.o.source.head(probeKey(prefixes));
    return { source: revision, target: await claim.check() };
  }

  async #patiently<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
    return untilAnswered(signal, ask, this.#tell);
  }

  #report(
    { state }: Pick<Claim, 'state'>,
    brought: Brought,
    late: LateWrites | undefined,
    heads: Heads,
  ): RollbackReport {
    return {
      prefixes: state.prefixes,
      resources: state.resources,
      apiservers: this.o.apiservers.map(({ url }) => url),
      brought,
      heads,
      frozenSeconds: this.#teller.frozenSeconds,
      steps: this.#teller.times,
      lateWrites: late?.named ?? [],
      alarms: this.#alarms.list,
    };
  }
}

async function refuseDifferent(options: BringOptions): Promise<void> {
  const { different } = await compareContent(options);
  const [first] = different;
  if (first === undefined) return;
  throw new LockstepError('TARGET_DIFFERENT', `source and target differ, first in ${first}`, {
    disposition: 'retry',
    hint: 'Something was written while it was brought back. Run the same command again.',
  });
}
