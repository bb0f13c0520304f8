/**
 * The way back, with the night in hand: catch up where it is the short way, freeze, bring what was changed
 * (bringing.ts), switch, unfreeze, watch.
 *
 * Nothing that passes ends it: apiservers are on both sides. Before each is moved all that it relies on is
 * proven once more (proof/proveagain.ts), and that the night is still this run's and the freeze stands all
 * the time.
 */
import { untilAnswered } from '../async/again.js';
import { beside } from '../async/together.js';
import { failpoint } from '../failpoint.js';
import type { ApiServer } from '../kube/api.js';
import { Freeze } from '../kube/freeze.js';
import { thaw } from '../kube/freezing.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import { DeadOnes } from '../proof/dead.js';
import { LateWrites } from '../proof/latewrites.js';
import { movedBy } from '../proof/movedresources.js';
import { refuseOtherObjects } from '../proof/objects.js';
import { keepProving, proveAgain, type Proofs } from '../proof/proveagain.js';
import type { Heads } from '../proof/servedfrom.js';
import { reverseKey } from '../target/reversecursor.js';
import { resourcesIn } from '../target/claim.js';
import { watchAfterwards } from './afterwards.js';
import { bring, markOwn, type ReturningOptions } from './bringing.js';
import { noneBrought, type Brought } from './bringkeys.js';
import { freezeOver } from './freezeover.js';
import type { Moving } from './nightevents.js';
import { unmark, type Marker } from './raise.js';
import { moveAll, type SwitchOptions } from './switch.js';

/** What the way back has come to. */
export interface Returned {
  brought: Brought;
  /** Written on the target after it was left. */
  late: LateWrites['named'];
  heads: Heads;
}

export class Returning {
  /** Whether writes were seen to be refused, and whether they may be let in again by now. */
  frozen: 'not seen' | 'seen' | 'thawing' = 'not seen';
  readonly #c: ReturningOptions;
  readonly #dead: DeadOnes;
  readonly #moving: Moving;
  /** What was under way on the target has come to its end; what still comes is late. */
  #quiet = false;
  /** The source's head was seen above the target's. */
  #raised = false;

  constructor(options: Omit<ReturningOptions, 'prefixes'>) {
    const { claim, o } = options;
    this.#c = { ...options, prefixes: PrefixSet.of(claim.state.prefixes) };
    this.#dead = new DeadOnes(o.without);
    this.#moving = { resources: resourcesIn(claim), epoch: claim.epoch };
  }

  /** All of it, up to the end of the watch. */
  async all(): Promise<Returned> {
    const { o, claim, teller, shortWay } = this.#c;
    if (shortWay.isOpen)
      await teller.step('catch up', async () => {
        const heads = await this.#patiently(o.signal, () => this.#heads());
        await shortWay.catchUp(claim, heads);
      });
    failpoint('cutover.rollback.caught');
    const freeze = await teller.step('freeze', () => this.#freeze(o.signal));
    failpoint('cutover.rollback.frozen');
    const late = await this.#lateWrites();
    const proofs = this.#proofs(freeze, late);
    return this.#besideWatch(late, async (stop) => {
      const { brought, marker } = await bring({
        ...{ ...this.#c, late, freeze, proofs, signal: stop },
        heads: () => this.#heads(),
        onQuiet: () => {
          this.#quiet = true;
        },
      });
      await teller.step('switch', () =>
        beside(stop, [(end) => keepProving(proofs, end)], (end) => this.#switch(proofs, end)),
      );
      await claim.setPhase('switched back');
      failpoint('cutover.rollback.switched');
      return this.#end(brought, marker, freeze, late, stop);
    });
  }

  /** A run before came to where the source counts: what is left is to let writes in. */
  async letIn(): Promise<Returned> {
    const { o } = this.#c;
    const marker = await markOwn({ ...this.#c, signal: o.signal });
    const standing = await this.#patiently(o.signal, () => Freeze.find(o.apiservers));
    const late = await this.#lateWrites();
    this.#quiet = true;
    return this.#besideWatch(late, async (stop) => {
      // One may have gone to the target again, with an old manifest, and would write there.
      if (standing) await this.#untilAllServe(this.#proofs(standing, late), {}, stop);
      return this.#end(noneBrought(), marker, standing, late, stop);
    });
  }

  async #besideWatch<T>(late: LateWrites, main: (stop: AbortSignal) => Promise<T>): Promise<T> {
    const tasks = [
      (stop: AbortSignal) => late.run(stop),
      (stop: AbortSignal) => this.#dead.watch(stop),
    ];
    return beside(this.#c.o.signal, tasks, main);
  }

  async #freeze(signal: AbortSignal): Promise<Freeze> {
    const { o, claim, self, teller } = this.#c;
    const { apiservers: apis, onNote } = o;
    const over = {
      ...{ claim, self, apis, onNote, signal },
      onFrozen: (at: Date) => {
        this.frozen = 'seen';
        teller.frozen(at.getTime());
      },
    };
    return (await this.#patiently(signal, () => freezeOver(over))).freeze;
  }

  async #switch(proofs: Proofs, signal: AbortSignal): Promise<void> {
    const { o, claim } = this.#c;
    const { apiservers, resources, source, switchHook } = o;
    const hook = async (api: ApiServer) => {
      await proveAgain(proofs, signal);
      await switchHook?.(api, this.#moving, signal);
    };
    await this.#untilAllServe(proofs, switchHook ? { hook } : {}, signal);
    const moved = movedBy(claim.state.prefixes, resources);
    for (const api of apiservers)
      await this.#patiently(signal, () => refuseOtherObjects(source, api, moved));
  }

  /** Ends when each serves from the source, and all else still holds. */
  async #untilAllServe(
    proofs: Proofs,
    hook: Pick<SwitchOptions, 'hook'>,
    signal: AbortSignal,
  ): Promise<void> {
    const { apiservers, without, onEvent, onNote } = this.#c.o;
    const moving = this.#moving;
    await moveAll({
      ...{ apiservers, without, signal, to: 'source', ...hook },
      resources: moving.resources,
      onWait: (waiting) => {
        onEvent({ kind: 'waiting', until: 'moved', waiting, moving });
      },
      onServing: (serving, there) => {
        onEvent({ kind: 'serving', serving, there });
      },
      heads: () => this.#heads(),
      onMoved: (apiserver) => {
        onNote(`${apiserver} serves from the source`);
      },
    });
    await proveAgain({ ...proofs, dead: undefined }, signal);
  }

  /** Lets writes in, and watches. */
  async #end(
    brought: Brought,
    marker: Marker,
    freeze: Freeze | undefined,
    late: LateWrites,
    signal: AbortSignal,
  ): Promise<Returned> {
    const { teller } = this.#c;
    await this.#unfreeze(marker, freeze, signal);
    // By whoever asked last; afterwards the night may be somebody else's.
    const heads = await this.#patiently(signal, () => this.#heads());
    await teller.step('watch', () => this.#watch(late, signal));
    return { brought, late: late.named, heads };
  }

  async #unfreeze(marker: Marker, freeze: Freeze | undefined, signal: AbortSignal): Promise<void> {
    const { o, claim, teller } = this.#c;
    const { source, apiservers, onNote } = o;
    await teller.step('unfreeze', async () => {
      // First: what a dead run has sent, or a reverse, must not land among what clients write.
      const cursor = reverseKey(this.#c.prefixes);
      await this.#patiently(signal, () => unmark(source, marker, cursor));
      await this.#patiently(signal, () => claim.check());
      this.frozen = 'thawing';
      const options = { apiservers, resources: this.#moving.resources, onNote, signal };
      await this.#patiently(signal, () => thaw(freeze, options));
    });
    teller.thawed();
    failpoint('cutover.rollback.unfrozen');
    await teller.step('clean up', () => claim.setPhase('rolled back'));
  }

  async #watch(late: LateWrites, signal: AbortSignal): Promise<void> {
    const { o, self, alarms } = this.#c;
    const { apiservers, watchSeconds, onNote, onEvent } = o;
    await watchAfterwards({
      ...{ self, apiservers, resources: this.#moving.resources, left: 'target' },
      ...{ late, alarms, onNote, onEvent, signal },
      heads: () => this.#heads(),
      seconds: watchSeconds,
    });
  }

  /** From the target's head as it is now: all before it is read and brought. */
  async #lateWrites(): Promise<LateWrites> {
    const { o, prefixes, tell, alarms } = this.#c;
    const { target: client } = o;
    const { revision, clusterId } = await client.head(probeKey(prefixes));
    return new LateWrites({
      ...{ client, clusterId, prefixes, after: revision, tell, onNote: o.onNote },
      onWrite: ({ key, revision: at }) => {
        if (this.#quiet) alarms.raise(`late write on the target: ${key} at revision ${at}`);
      },
    });
  }

  #proofs(freeze: Freeze, late: LateWrites): Proofs {
    const { o, claim, tell } = this.#c;
    return { claim, freeze, apis: o.apiservers, late, dead: this.#dead, tell };
  }

  /** The source's first. @throws LockstepError OTHER_RUN */
  async #heads(): Promise<Heads> {
    const { o, claim, prefixes } = this.#c;
    const { revision } = await o.source.head(probeKey(prefixes));
    const heads = { source: revision, target: await claim.check() };
    const ahead = heads.source - heads.target;
    this.#raised ||= ahead > 0;
    if (this.#raised) o.onEvent({ kind: 'heads', heads, ahead });
    return heads;
  }

  async #patiently<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
    return untilAnswered(signal, ask, this.#c.tell);
  }
}
