/**
 * The crossing: from a target that is taken over to one that serves.
 *
 *     freeze, as it was left or anew ─► fence ─► nothing came late ─► switch, one by one ─► unfreeze
 *
 * From here on stopping strands apiservers on both sides, so nothing that passes ends it; only the
 * operator does, or the proof that it must not go on: another run has the night, the freeze was taken
 * away, something was written late while nobody has moved. Each is looked at again before each
 * apiserver is moved (proof/proveagain.ts).
 */
import { pause, untilAnswered } from '../async/again.js';
import type { Attempts } from '../async/patience.js';
import { beside } from '../async/together.js';
import { Wakeup } from '../async/wakeup.js';
import { hasCode } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { ApiServer } from '../kube/api.js';
import { Freeze } from '../kube/freeze.js';
import { thaw } from '../kube/freezing.js';
import type { Resource } from '../kube/resource.js';
import { answering, DeadOnes } from '../proof/dead.js';
import type { LateWrites } from '../proof/latewrites.js';
import { anyMoved } from '../proof/anymoved.js';
import { movedBy } from '../proof/movedresources.js';
import { refuseOtherObjects } from '../proof/objects.js';
import { keepProving, proveAgain, type Proofs } from '../proof/proveagain.js';
import { servingNow } from '../proof/servedfrom.js';
import { resourcesIn, type Claim } from '../target/claim.js';
import type { Owner } from '../target/nightowner.js';
import type { Alarms } from './alarms.js';
import { overtakenText, type Fence } from './fence.js';
import { freezeOver } from './freezeover.js';
import type { Moving } from './nightevents.js';
import type { CutoverOptions } from './nightoptions.js';
import type { StepTeller } from './steps.js';
import { moveAll, untilGone, type SwitchOptions } from './switch.js';

/** Where the source has overtaken what was just raised. */
const RAISE_AGAIN_MS = 10;

interface CrossingOptions {
  o: CutoverOptions;
  self: Owner;
  claim: Claim;
  fence: Fence;
  late: LateWrites;
  teller: StepTeller;
  alarms: Alarms;
  tell: Attempts;
}

export class Crossing {
  /** Whether this run has seen that writes are refused, and whether they may be let in again by now. */
  frozen: 'not seen' | 'seen' | 'thawing' = 'not seen';
  readonly #dead: DeadOnes;
  readonly #resources: readonly Resource[];

  constructor(private readonly c: CrossingOptions) {
    this.#dead = new DeadOnes(c.o.without);
    this.#resources = resourcesIn(c.claim);
  }

  /** @param freeze of this run; undefined where an earlier run was at it: then it is looked for */
  async fenceAndSwitch(freeze: Freeze | undefined, signal: AbortSignal): Promise<Freeze> {
    const { claim, fence, teller, alarms } = this.c;
    const before = await this.#patiently(signal, () => fence.ask());
    if (!freeze && before.target <= before.source) alarms.raise(overtakenText(before));
    return this.#besideFence(signal, async (begun, stop) => {
      const frozen = await teller.step('fence', async () => {
        await begun();
        const held = freeze ?? (await this.#freezeAgain(stop));
        this.frozen = 'seen';
        await this.#ready(this.#proofs(held), stop);
        return held;
      });
      failpoint('cutover.fenced');
      const proofs = this.#proofs(frozen);
      await teller.step('switch', () =>
        beside(stop, [(end) => keepProving(proofs, end)], (end) => this.#switch(proofs, end)),
      );
      await claim.setPhase('switched');
      failpoint('cutover.switched');
      return frozen;
    });
  }

  /** @param main gets what raises the fence; from then on it is kept, until that ends */
  async #besideFence<T>(
    signal: AbortSignal,
    main: (begun: () => Promise<void>, stop: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { fence } = this.c;
    const stands = new Wakeup();
    const keep = async (stop: AbortSignal) => {
      await stands.after(0, stop);
      await fence.keep(stop);
    };
    return beside(signal, [keep, (stop) => this.#dead.watch(stop)], async (stop) => {
      const begun = async () => {
        await this.#patiently(stop, () => fence.begin(stop));
        stands.wake();
      };
      return main(begun, stop);
    });
  }

  /**
   * Before an earlier run's writes are let in: an apiserver may have gone back meanwhile, with an old
   * manifest, and would write to the source. Nothing is to be done where it has let them in already.
   * @param standing its freeze
   */
  async #seeMoved(standing: Freeze | undefined, signal: AbortSignal): Promise<void> {
    if (!standing) return;
    await this.#besideFence(signal, async (begun, stop) => {
      await begun();
      await this.#untilAllServe({}, stop);
      await this.#untilOldGone(stop);
      await proveAgain(this.#proofs(standing), stop);
    });
  }

  /** @param freeze undefined: whatever an earlier run has left */
  async unfreeze(freeze: Freeze | undefined, signal: AbortSignal): Promise<void> {
    const { o, claim, fence, teller } = this.c;
    const apis = [...o.apiservers, ...o.oldApiservers];
    await teller.step('unfreeze', async () => {
      const standing = freeze ?? (await this.#patiently(signal, () => Freeze.find(apis)));
      if (!freeze) await this.#seeMoved(standing, signal);
      await this.#patiently(signal, () => claim.check());
      const { apiservers, onNote } = o;
      this.frozen = 'thawing';
      const options = { apiservers, resources: this.#resources, onNote, signal };
      await this.#patiently(signal, () => thaw(standing, options));
    });
    fence.end();
    teller.thawed();
    failpoint('cutover.unfrozen');
    await claim.setPhase('done');
  }

  async #switch(proofs: Proofs, signal: AbortSignal): Promise<void> {
    const { o } = this.c;
    await this.#untilAllServe(this.#hook(proofs, signal), signal);
    if (o.oldApiservers.length > 0) {
      await this.#ready(proofs, signal);
      await o.flipHook?.(this.#moving(), signal);
      await this.#untilOldGone(signal);
    }
    // Whatever was written on the source until the last one had moved is known before anybody writes.
    await proveAgain({ ...proofs, dead: undefined }, signal);
    await this.#refuseOtherLists(signal);
  }

  /** Ends when each serves from the target. */
  async #untilAllServe(hook: Pick<SwitchOptions, 'hook'>, signal: AbortSignal): Promise<void> {
    const { o, fence } = this.c;
    const { apiservers, without } = o;
    const moving = this.#moving();
    await moveAll({
      ...{ apiservers, without, resources: this.#resources, to: 'target', signal, ...hook },
      heads: () => fence.ask(),
      onWait: (waiting) => {
        o.onEvent({ kind: 'waiting', until: 'moved', waiting, moving });
      },
      onServing: (serving, there) => {
        o.onEvent({ kind: 'serving', serving, there });
      },
      onMoved: (apiserver) => {
        failpoint('cutover.moved');
        o.onNote(`${apiserver} serves from the target`);
      },
    });
  }

  async #untilOldGone(signal: AbortSignal): Promise<void> {
    const { o, fence } = this.c;
    await untilGone({
      ...{ apiservers: o.oldApiservers, resources: this.#resources, to: 'target', signal },
      heads: () => fence.ask(),
      onWait: (waiting) => {
        o.onEvent({ kind: 'waiting', until: 'gone', waiting, moving: this.#moving() });
      },
      onServing: (serving, there) => {
        o.onEvent({ kind: 'serving', serving, there });
      },
    });
  }

  /** A list has the target's revision wherever in it the apiserver looks: it must find what lies there. */
  async #refuseOtherLists(signal: AbortSignal): Promise<void> {
    const { o, claim } = this.c;
    const moved = movedBy(claim.state.prefixes, o.resources);
    for (const api of o.apiservers)
      await this.#patiently(signal, () => refuseOtherObjects(o.target, api, moved));
  }

  /** The operator's command, when all that it relies on was looked at once more. */
  #hook(proofs: Proofs, signal: AbortSignal): { hook?: (api: ApiServer) => Promise<void> } {
    const { switchHook } = this.c.o;
    if (!switchHook) return {};
    return {
      hook: async (api) => {
        await this.#ready(proofs, signal);
        await switchHook(api, this.#moving(), signal);
      },
    };
  }

  /** What was proven while the fence was raised anew is proven again. */
  async #ready(proofs: Proofs, signal: AbortSignal): Promise<void> {
    const { fence } = this.c;
    while (true) {
      await proveAgain(proofs, signal);
      await this.#refuseLate(signal);
      if (await this.#patiently(signal, () => fence.holds())) return;
      await this.#patiently(signal, () => fence.begin(signal));
      await pause(RAISE_AGAIN_MS, signal);
      signal.throwIfAborted();
    }
  }

  /** A write on the source alone stops it, as long as nobody has moved: then the source has everything. */
  async #refuseLate(signal: AbortSignal): Promise<void> {
    const { late } = this.c;
    if (late.count > 0 && !(await this.#anyMoved(signal))) late.refuseAny();
  }

  /**
   * Whether clients may have seen the target already: then there is no way back but rollback. Where new
   * apiservers were pre-warmed the old ones do not answer when clients were taken to the new.
   */
  async #anyMoved(signal: AbortSignal): Promise<boolean> {
    const { o, fence, tell } = this.c;
    const { apiservers, oldApiservers } = o;
    const [resources, heads] = [this.#resources, () => fence.ask()];
    if (oldApiservers.length === 0) return anyMoved({ apiservers, resources, heads, tell, signal });
    const ask = (api: ApiServer) =>
      this.#patiently(signal, () => servingNow(api, resources, heads));
    return (await Promise.all(oldApiservers.map(ask))).some(({ from }) => from !== 'source');
  }

  /**
   * An earlier run was here: its freeze is taken over. Where it is gone, writes were let in; it is made
   * anew, and what was under way gets its quiet time before anybody says that nothing came late. An
   * apiserver that is being moved does not answer, and knows of the freeze when it does again.
   */
  async #freezeAgain(signal: AbortSignal): Promise<Freeze> {
    const { o, self, teller, claim } = this.c;
    const { freeze, stood } = await this.#patiently(signal, async () =>
      freezeOver({
        ...{ claim, self, onNote: o.onNote, signal },
        apis: await answering([...o.apiservers, ...o.oldApiservers]),
        onFrozen: (at) => {
          teller.frozen(at.getTime());
        },
      }),
    );
    if (stood) return freeze;
    o.onNote('the freeze was gone, and was made anew: looking for late writes', true);
    await pause(o.quietMs, signal);
    signal.throwIfAborted();
    return freeze;
  }

  #moving(): Moving {
    return { resources: this.#resources, epoch: this.c.claim.epoch };
  }

  #proofs(freeze: Freeze): Proofs {
    const { o, claim, late, tell } = this.c;
    const apis = [...o.apiservers, ...o.oldApiservers];
    return { claim, freeze, apis, late, dead: this.#dead, tell };
  }

  /** While it is frozen and the fence has to be kept, nothing that passes may end us. */
  async #patiently<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
    return untilAnswered(signal, ask, this.c.tell);
  }
}

/**
 * Of a night that is over: a freeze of one of its runs is taken away, any other is told.
 * @param run that had the night before
 * @returns what has to be told
 */
export async function frozenStill(
  { apiservers, onNote }: Pick<CutoverOptions, 'apiservers' | 'onNote'>,
  run: string | undefined,
): Promise<string | undefined> {
  const standing = await Freeze.find(apiservers);
  if (!standing) return undefined;
  if (standing.owner !== undefined && standing.owner.run === run) {
    try {
      await thaw(standing, { apiservers, resources: standing.resources, onNote });
      return undefined;
    } catch (error) {
      if (!hasCode(error, 'FREEZE_LOST')) throw error;
    }
  }
  return `writes are frozen, by ${standing.owner?.text ?? 'somebody, by hand'}: if nobody needs it, \`etcd-lockstep freeze remove\` ends it`;
}
