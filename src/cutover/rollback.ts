/**
 * Rollback: the apiservers go back to the source, and no client's revision goes backwards.
 *
 *     preflight ─► go ─► preflight again ─► claim ─► freeze ─► quiet ─► raise ─► bring back ─► compare
 *       ─► switch ─► unfreeze ─► clean up
 *
 * Where the source was kept current since (`follow --reverse`), all keys are compared before go, while all is
 * live, and in the freeze nothing is left but the last changes (shortway.ts):
 *
 *     preflight ─► audit ─► go ─► preflight again ─► claim ─► catch up ─► freeze ─► quiet ─► drain ─► raise
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
 *     here           preflight, go, claim; what a run before has left to be done; what is told
 *     returning.ts   freeze, switch, unfreeze, watch
 *     bringing.ts    quiet, raise, bring back, compare
 *
 * Where no apiserver has moved yet, the source counts from the beginning: a late write there is what
 * clients see, and stays.
 */
import { Patience } from '../async/patience.js';
import { hasCode } from '../errors.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { LateWrites } from '../proof/latewrites.js';
import { askHeads, type Heads } from '../proof/servedfrom.js';
import { Claim, resourcesIn, whyEnded } from '../target/claim.js';
import { thisRun } from '../target/nightowner.js';
import { tellGoneBack } from './afterwards.js';
import { Alarms } from './alarms.js';
import { noneBrought, type Brought } from './bringkeys.js';
import { frozenStill } from './crossing.js';
import { tellOwnFreeze } from './freezeover.js';
import { unbreakable } from './nightevents.js';
import type { NightOptions } from './nightoptions.js';
import { preflightBack, type CheckedBack } from './preflightback.js';
import { Returning, type Returned } from './returning.js';
import { ROLLBACK_STEPS } from './script.js';
import { ShortWay, type WayBack } from './shortway.js';
import { StepTeller, type StepTime } from './steps.js';

type RollbackOptions = NightOptions;

/** The JSON contract in docs/reference.md is made of this. */
export interface RollbackReport {
  prefixes: string[];
  resources: string[];
  apiservers: string[];
  /** Whether every key had to be read while writes were refused, and why. */
  back: WayBack;
  brought: Brought;
  heads: Heads | null;
  frozenSeconds: number | null;
  /** Of that, ours: drain, raise, bring back, compare. Only what this run has done. */
  ownSeconds: number;
  steps: StepTime[];
  /** Written on the target after it was left. */
  lateWrites: LateWrites['named'];
  alarms: string[];
}

/** What it means that it ends before its end, by what it has seen of the freeze. */
const STOPPED = {
  'not seen':
    'writes may be frozen by the run before, or not: `etcd-lockstep freeze probe` says; the same command goes on',
  seen: 'writes stay frozen: the same command goes on',
  thawing:
    'the source serves; writes may still be frozen, or be let in already: the same command ends it',
};

export class Rollback {
  private readonly o: RollbackOptions;
  readonly #self = thisRun('rollback');
  readonly #teller: StepTeller;
  readonly #alarms: Alarms;
  readonly #tell: Patience;

  constructor(options: RollbackOptions) {
    const onEvent = unbreakable(options.onEvent, options.onNote);
    this.o = { ...options, onEvent };
    this.#teller = new StepTeller(ROLLBACK_STEPS, onEvent);
    this.#alarms = new Alarms(onEvent);
    this.#tell = new Patience(options.onNote);
  }

  /**
   * Where it is rolled back already that is the result.
   * @throws LockstepError TARGET_NOT_OURS where there was no cutover, LATE_WRITE, OTHER_RUN, FREEZE_LOST,
   *   and what etcds and apiservers say
   */
  async run(): Promise<RollbackReport> {
    const { o } = this;
    const first = await this.#teller.step('preflight', () => preflightBack(o, true));
    const { exact, state } = first.seen.stored;
    o.onEvent({ kind: 'taken over', exact, state, earlier: state.phase });
    if (state.phase === 'rolled back') return this.#done(first);
    const shortWay = await this.#lookForShortWay(first);
    try {
      return await this.#return(first, shortWay);
    } finally {
      await shortWay.end();
    }
  }

  async #return(first: CheckedBack, shortWay: ShortWay): Promise<RollbackReport> {
    const { o } = this;
    await o.go(first);
    const { seen } = await preflightBack(o, false);
    if (seen.stored.state.phase === 'rolled back') return this.#done(first);
    const back = seen.stored.state.phase === 'switched back';
    const claiming = { target: o.target, self: this.#self, tell: this.#tell, signal: o.signal };
    const claim = await Claim.take(claiming, seen, back ? 'switched back' : 'rolling back');
    o.onMustGoOn();
    const returning = new Returning({
      ...{ o, self: this.#self, claim, teller: this.#teller },
      ...{ alarms: this.#alarms, tell: this.#tell, shortWay },
    });
    try {
      const returned = await (back ? returning.letIn() : returning.all());
      return this.#report(claim, returned, shortWay.taken);
    } catch (error) {
      const why = await whyEnded(claim, error);
      const { apiservers: apis, onNote } = o;
      if (hasCode(why, 'OTHER_RUN')) await tellOwnFreeze({ self: this.#self, apis, onNote });
      // These say themselves who has the night, or the freeze.
      if (!hasCode(why, 'OTHER_RUN', 'FREEZE_LOST')) onNote(STOPPED[returning.frozen], true);
      throw why;
    }
  }

  /** Over, by a run before: nothing is written. A freeze that it has left is no part of it. */
  async #done({ seen, heads }: CheckedBack): Promise<RollbackReport> {
    const { source, target, apiservers, onNote, onEvent } = this.o;
    const { state } = seen.stored;
    onNote('it is rolled back already');
    const left = await frozenStill(this.o, seen.owner?.owner.run);
    if (left) this.#alarms.raise(left);
    await tellGoneBack({
      ...{ apiservers, resources: resourcesIn(seen.stored), left: 'target' },
      ...{ alarms: this.#alarms, onEvent },
      heads: () => askHeads(source, target, probeKey(PrefixSet.of(state.prefixes))),
    });
    return this.#report(seen.stored, { brought: noneBrought(), late: [], heads });
  }

  /** Where the source serves again nothing is left to be brought, by whatever way. */
  async #lookForShortWay({ seen: { stored } }: CheckedBack): Promise<ShortWay> {
    const { source, target, margin, onNote, onEvent, signal } = this.o;
    const options = {
      ...{ source, target, margin, onNote, signal, alarms: this.#alarms },
      onProgress: (text: string) => {
        onEvent({ kind: 'progress', text });
      },
    };
    if (stored.state.phase === 'switched back') return ShortWay.none(options, stored);
    return ShortWay.look(options, stored, (compare) => this.#teller.step('audit', compare));
  }

  #report(
    { state }: Pick<Claim, 'state'>,
    { brought, late, heads }: Returned,
    back: WayBack = { way: 'long', why: null },
  ): RollbackReport {
    return {
      prefixes: state.prefixes,
      resources: state.resources,
      apiservers: this.o.apiservers.map(({ url }) => url),
      ...{ back, brought, heads },
      frozenSeconds: this.#teller.frozenSeconds,
      ownSeconds: this.#teller.took('drain', 'raise', 'bring back', 'compare'),
      steps: this.#teller.times,
      lateWrites: late,
      alarms: this.#alarms.list,
    };
  }
}
