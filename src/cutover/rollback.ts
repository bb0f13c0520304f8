/**
 * Rollback: the apiservers go back to the source, and no client's revision goes backwards.
 *
 *     freeze ─► quiet ─► raise ─► bring back ─► compare ─► switch ─► unfreeze ─► clean up
 *
 * It is the cutover's mirror image. Clients now hold revisions of the target, so the source's head is
 * raised above the target's before any apiserver returns to it. What was changed on the target is
 * written to the source above that head: a client that has seen it there sees it once more, at a
 * higher revision, and none sees it at a lower one. What was never touched still has its revision.
 *
 * Killed anywhere, it begins anew: each step finds what was done. The phase on the target says that
 * it has begun, so that no cutover goes on meanwhile; and, before writes are let in, that the source
 * is the one that counts again. From there on a run that begins anew must not bring anything back: it
 * would undo what clients have written since.
 *
 * Where no apiserver has moved yet, the source counts from the beginning: a late write there is what
 * clients see, and stays.
 */
import { refuseCutOver, type StoredCutover } from '../cutoverstate.js';
import { LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { Freeze } from '../kube/freeze.js';
import { freezeOwner } from '../kube/owner.js';
import { EtcdTarget } from '../lockstep/target.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { beside } from '../tasks.js';
import { pause } from '../backoff.js';
import {
  bringBack,
  compareContent,
  noneBrought,
  type BringOptions,
  type Brought,
} from './bring.js';
import { freezeAll, thaw } from './freezing.js';
import { LateWrites } from './late.js';
import type { CutoverOptions } from './options.js';
import { gone, refuseOtherSource, setPhase } from './phase.js';
import { endpointWarnings } from './preflight.js';
import { mark, raiseSource, unmark } from './raise.js';
import { ROLLBACK_STEPS } from './script.js';
import { askHeads, servingNow, type Heads, type Serving } from './serving.js';
import { StepTeller, type StepTime } from './steps.js';
import { moveAll } from './switch.js';
import { nobodyMoved } from './unmoved.js';

export type RollbackOptions = Omit<
  CutoverOptions,
  'sourceWatch' | 'oldApiservers' | 'flipHook' | 'onWaitGone' | 'maxFreezeSeconds'
>;

/** The JSON contract in docs/reference.md is made of this. */
export interface RollbackReport {
  prefixes: string[];
  apiservers: string[];
  brought: Brought;
  heads: Heads;
  frozenSeconds: number | null;
  steps: StepTime[];
  /** Written on the target after it was left. */
  lateWrites: LateWrites['named'];
  alarms: string[];
}

const POLL_MS = 20;

export class Rollback {
  readonly #teller: StepTeller;
  readonly #alarms: string[] = [];
  /** From the go until writes are let in again, for all that anybody knows. */
  #frozen = false;
  /** What was under way on the target has come to its end; what still comes is late. */
  #quiet = false;

  constructor(private readonly o: RollbackOptions) {
    this.#teller = new StepTeller(ROLLBACK_STEPS, o.onStep);
  }

  /** @throws LockstepError TARGET_NOT_OURS where there was no cutover, LATE_WRITE, and what etcds and apiservers say */
  async run(): Promise<RollbackReport> {
    try {
      return await this.#run();
    } catch (error) {
      if (this.#frozen) this.o.onNote('writes stay frozen: the same command goes on');
      throw error;
    }
  }

  async #run(): Promise<RollbackReport> {
    const { target, signal, apiservers } = this.o;
    const teller = this.#teller;
    const { stored, back } = await teller.step('preflight', () => this.#preflight());
    await this.o.go(await endpointWarnings({ apiservers, oldApiservers: [] }));
    this.#frozen = true;
    await setPhase(target, back ? 'switched back' : 'rolling back', signal);
    this.#quiet = back;
    if (!back) {
      const { at } = await teller.step('freeze', async () =>
        freezeAll(this.o, freezeOwner('rollback'), await Freeze.find(apiservers)),
      );
      teller.frozen(at.getTime());
      failpoint('rollback.frozen');
    }
    const prefixes = PrefixSet.of(stored.state.prefixes);
    const { revision: frozenHead } = await target.head(probeKey(prefixes));
    const late = new LateWrites(target, prefixes, frozenHead, ({ key, revision }) => {
      if (this.#quiet) this.#alarm(`late write on the target: ${key} at revision ${revision}`);
    });
    const brought = await beside(signal, [(stop) => late.run(stop)], async (stop) => {
      const found = back
        ? await this.#leave(prefixes, stop)
        : await this.#bring(stored, prefixes, late, stop);
      await setPhase(target, 'switched back', stop);
      failpoint('rollback.switched');
      await teller.step('unfreeze', async () => {
        // First: what a dead run has sent must not land among what clients write.
        await unmark(this.o.source);
        await thaw(await Freeze.find(apiservers), { ...this.o, signal: stop });
      });
      teller.thawed();
      this.#frozen = false;
      failpoint('rollback.unfrozen');
      await teller.step('clean up', () => setPhase(target, 'rolled back', stop));
      await teller.step('watch', () => pause(this.o.watchSeconds * 1000, stop));
      return found;
    });
    return this.#report(stored, brought, late);
  }

  /** @returns whether the source is the one that counts already */
  async #preflight(): Promise<{ stored: StoredCutover; back: boolean }> {
    const { source, target, apiservers, resources, onNote, signal } = this.o;
    const stored = (await new EtcdTarget(target).read()).cutover;
    if (!stored) throw gone();
    const { phase } = stored.state;
    if (phase === 'rolled back') throw refuseCutOver(stored);
    if (phase === 'rolling back' || phase === 'switched back')
      onNote(`going on with the rollback that was begun (${phase})`);
    const prefixes = PrefixSet.of(stored.state.prefixes);
    const key = probeKey(prefixes);
    await refuseOtherSource(source, stored.state);
    const sides: Serving['from'][] = [];
    for (const api of apiservers) {
      const heads = () => askHeads(source, target, key);
      const { from } = await servingNow(api, resources, heads);
      sides.push(from);
      onNote(`${api.url}: ${from === 'does not answer' ? from : `serves from ${from}`}`);
    }
    const unmoved = await nobodyMoved(target, stored, prefixes, sides, signal);
    if (unmoved)
      onNote('no apiserver has moved: the source has everything, nothing is brought back');
    return { stored, back: unmoved || phase === 'switched back' };
  }

  /** The source is left as it is. Its head is raised all the same: somebody may have asked the target. */
  async #leave(prefixes: PrefixSet, signal: AbortSignal): Promise<Brought> {
    await this.#teller.step('raise', () => this.#raise(prefixes, signal));
    return noneBrought();
  }

  /** @returns the marker's revision */
  async #raise(prefixes: PrefixSet, signal: AbortSignal): Promise<Revision> {
    const { source, target, margin } = this.o;
    const marker = await mark(source);
    const heads = () => askHeads(source, target, probeKey(prefixes));
    await raiseSource(source, heads, { marker, margin, signal });
    return marker;
  }

  async #bring(
    stored: StoredCutover,
    prefixes: PrefixSet,
    late: LateWrites,
    signal: AbortSignal,
  ): Promise<Brought> {
    const { source, target, onProgress } = this.o;
    const teller = this.#teller;
    const heads = () => askHeads(source, target, probeKey(prefixes));
    await teller.step('quiet', () => this.#untilQuiet(prefixes, late, signal));
    const marker = await teller.step('raise', () => this.#raise(prefixes, signal));
    failpoint('rollback.raised');
    const bring: BringOptions = {
      ...{ source, target, prefixes, marker, signal },
      exact: stored.exact,
      onProgress: (keys, changes) => {
        onProgress(`bringing back: ${keys} keys looked at, ${changes} written`);
      },
    };
    const brought = await teller.step('bring back', () => bringBack(bring));
    const { count, keys } = brought.replaced;
    if (count > 0)
      this.#alarm(
        `${count} late writes on the source were replaced by what the target has: ${keys.join(', ')}`,
      );
    await teller.step('compare', () => refuseDifferent(bring));
    failpoint('rollback.brought');
    await teller.step('switch', () => this.#switch(heads, signal));
    return brought;
  }

  async #untilQuiet(prefixes: PrefixSet, late: LateWrites, signal: AbortSignal): Promise<void> {
    for (let seen = -1; late.count !== seen;) {
      seen = late.count;
      await pause(this.o.quietMs, signal);
      const { revision } = await this.o.target.head(probeKey(prefixes));
      while (late.position < revision && !signal.aborted) await pause(POLL_MS, signal);
      signal.throwIfAborted();
    }
    // It is read with all the rest.
    late.forget();
    this.#quiet = true;
  }

  async #switch(heads: () => Promise<Heads>, signal: AbortSignal): Promise<void> {
    const { apiservers, resources, switchHook, onWait, onNote } = this.o;
    await moveAll({
      ...{ apiservers, resources, heads, onWait, signal, to: 'source' },
      ...(switchHook ? { hook: switchHook } : {}),
      onMoved: (apiserver) => {
        onNote(`${apiserver} serves from the source`);
      },
    });
  }

  #alarm(text: string): void {
    this.#alarms.push(text);
    this.o.onAlarm(text);
  }

  async #report(
    { state }: StoredCutover,
    brought: Brought,
    late: LateWrites,
  ): Promise<RollbackReport> {
    const { source, target, apiservers } = this.o;
    return {
      prefixes: state.prefixes,
      apiservers: apiservers.map(({ url }) => url),
      brought,
      heads: await askHeads(source, target, probeKey(PrefixSet.of(state.prefixes))),
      frozenSeconds: this.#teller.frozenSeconds,
      steps: this.#teller.times,
      lateWrites: late.named,
      alarms: this.#alarms,
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
