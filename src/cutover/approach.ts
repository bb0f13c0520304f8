/**
 * The approach: from a live source to a target that is taken over. All of it can be done again.
 *
 *     preflight ─► audit, all keys, live ─► go ─► preflight again ─► freeze ─► drain ─► compare ─► take over
 *
 * There is no state on the target yet, because a write there would break lockstep: the freeze is this
 * run's only trace, and its objects say whose it is. It is proven just before the takeover and, by the
 * write that marks it as held, right behind it: then it has stood all the time between, and nothing was
 * let in.
 *
 * Whatever fails before the takeover lets writes in again. A freeze that is another run's stays.
 */
import type { Attempts } from '../async/patience.js';
import { beside } from '../async/together.js';
import { audit } from '../audit/audit.js';
import { LiveAudit } from '../audit/live.js';
import type { Postponed } from '../config/postponed.js';
import { badArgument, hasCode, LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { Freeze } from '../kube/freeze.js';
import { freezeAll, thawOwn } from '../kube/freezing.js';
import { resourceName } from '../kube/resource.js';
import type { Revision } from '../mvcc/revision.js';
import { untilEqual, untilQuiet, type DrainOptions } from '../proof/drain.js';
import { keepProving } from '../proof/proveagain.js';
import type { Claim } from '../target/claim.js';
import { otherRun, type Owner } from '../target/nightowner.js';
import { EtcdTarget } from '../target/target.js';
import { freezeOwnerOf, tellOwnFreeze } from './freezeover.js';
import type { CutoverOptions } from './nightoptions.js';
import { refusePostponed, untilItsTime } from './postpone.js';
import { preflight, type Checked } from './preflight.js';
import type { StepTeller } from './steps.js';
import { takeOver } from './takeover.js';

/** What the approach has come to: the night is this run's, and nothing is written. */
export interface Taken {
  claim: Claim;
  freeze: Freeze;
}

/** Phases in which apiservers are on both sides, or on their way: whoever has frozen then must not let go. */
const FROZEN_PHASES = ['fenced', 'rolling back'];

export class Approach {
  /** The takeover may have been sent: from then on nobody lets writes in without looking. */
  #sent = false;

  constructor(
    private readonly o: CutoverOptions,
    private readonly self: Owner,
    private readonly teller: StepTeller,
    private readonly tell: Attempts,
  ) {}

  /** @throws LockstepError when writes are let in again, or it has been told why they are not */
  async run(): Promise<Taken> {
    const { source, target, onNote, postponeUntil, signal } = this.o;
    if (postponeUntil) refusePostponed(postponeUntil);
    const checked = await this.teller.step('preflight', () => preflight(this.o));
    this.o.onEvent({
      ...{ kind: 'checked', prefixes: checked.prefixes.list },
      resources: checked.moved.map(({ resource }) => resourceName(resource)),
    });
    if (postponeUntil && checked.standing) throw frozenAlready(checked.standing);
    const equal = await this.teller.step('audit', () => this.#auditAll(checked));
    failpoint('cutover.audited');
    const { prefixes } = checked;
    const live = await LiveAudit.of(source, target, { prefixes, after: equal, onNote });
    return beside(signal, [(stop) => live.run(stop)], async (stop) => {
      const { warnings, moved } = checked;
      await this.o.go({ warnings, resources: moved.map(({ resource }) => resource) });
      if (postponeUntil) await this.#wait(postponeUntil, checked, stop);
      const again = await preflight(this.o);
      refuseChanged(checked, again);
      try {
        return await this.#frozen(again, live, stop);
      } catch (error) {
        if (!hasCode(error, 'FREEZE_LOST')) await this.#letIn(again);
        throw error;
      }
    });
  }

  /** The live audit goes on beside it: a difference ends it at once. */
  async #wait(until: Postponed, checked: Checked, signal: AbortSignal): Promise<void> {
    const { onEvent, onNote } = this.o;
    const check = async () => {
      refuseChanged(checked, await preflight({ ...this.o, signal }));
    };
    await untilItsTime({ until, check, onEvent, onNote, signal });
  }

  async #auditAll({ prefixes }: Checked): Promise<Revision> {
    const { source, target, signal, onEvent } = this.o;
    const report = await audit({
      source,
      target,
      prefixes,
      history: false,
      // That there is nothing is held against what Kubernetes lists (proof/objects.ts).
      allowEmpty: true,
      onDifference: () => undefined,
      onProgress: (keys, total) => {
        onEvent({ kind: 'progress', text: `comparing: ${keys} of ${total} keys` });
      },
      signal,
    });
    onEvent({ kind: 'audited', audit: report });
    if (report.equal && report.cursor) return report.revision;
    throw new LockstepError('TARGET_DIFFERENT', 'the audit found differences', {
      revision: report.revision,
      hint: 'Nothing was changed. Run `etcd-lockstep audit` to see them, and seed a new target.',
    });
  }

  async #frozen(checked: Checked, audit: LiveAudit, signal: AbortSignal): Promise<Taken> {
    const { source, target, apiservers, oldApiservers, quietMs, maxFreezeSeconds } = this.o;
    const { prefixes, moved, key } = checked;
    const { teller, self, tell } = this;
    const all = [...apiservers, ...oldApiservers];
    const { onNote } = this.o;
    const resources = moved.map(({ resource }) => resource);
    const freezing = { apiservers: all, resources, onNote, signal };
    const { freeze, at } = await teller.step('freeze', () =>
      freezeAll(freezing, freezeOwnerOf(self), checked.standing),
    );
    teller.frozen(at.getTime());
    failpoint('cutover.frozen');
    // Whoever took it over while we were asked, or stood still, has done so before we froze.
    const { cutover, owner } = await new EtcdTarget(target).read();
    if (cutover) throw otherRun(owner);
    const deadline = performance.now() + maxFreezeSeconds * 1000 - (Date.now() - at.getTime());
    const standing = (stop: AbortSignal) => keepProving({ freeze, apis: all, tell }, stop);
    const equal = await beside(signal, [standing], async (stop) => {
      const drain: DrainOptions = { source, key, audit, quietMs, deadline, signal: stop };
      const quiet = await teller.step('drain', () => untilQuiet(drain));
      failpoint('cutover.drained');
      await teller.step('compare', () => untilEqual(drain, quiet));
      audit.end();
      return quiet;
    });
    return teller.step('takeover', async () => {
      await freeze.prove(all);
      // The last moment at which to stop changes nothing.
      signal.throwIfAborted();
      this.#sent = true;
      const claiming = { target, self, tell, signal: this.o.signal };
      const claim = await takeOver(claiming, {
        ...{ source: checked.source, prefixes, equal, frozenAt: at, signal },
        resources: resources.map(resourceName),
      });
      this.o.onMustGoOn();
      this.#tellTaken(claim);
      await hold(freeze, all);
      return { claim, freeze };
    });
  }

  #tellTaken({ exact, state }: Pick<Claim, 'exact' | 'state'>): void {
    this.o.onEvent({ kind: 'taken over', exact, state, earlier: null });
  }

  /** Nothing has happened yet: writes are let in again. Unless the takeover landed and we never knew. */
  async #letIn({ moved }: Checked): Promise<void> {
    const { target, apiservers, oldApiservers, onNote } = this.o;
    const all = [...apiservers, ...oldApiservers];
    try {
      const found = await new EtcdTarget(target).read().catch((error: unknown) => {
        if (this.#sent) throw error;
        return undefined;
      });
      const { cutover, owner } = found ?? {};
      const mine = owner?.owner.run === this.self.run;
      if (cutover && (mine || FROZEN_PHASES.includes(cutover.state.phase))) {
        if (mine) {
          this.#tellTaken(cutover);
          onNote(STAYS_FROZEN, true);
        } else await tellOwnFreeze({ self: this.self, apis: all, onNote });
        return;
      }
      onNote('letting writes in again; nothing was changed');
      const resources = moved.map(({ resource }) => resource);
      await thawOwn(freezeOwnerOf(this.self), { apiservers: all, resources, onNote });
      this.teller.thawed();
    } catch (failure) {
      const why = failure instanceof Error ? failure.message : String(failure);
      onNote(
        `writes may still be frozen (${why}): run the same command again, or \`etcd-lockstep freeze remove\``,
        true,
      );
    }
  }
}

export const STAYS_FROZEN =
  'the target is taken over, and writes stay frozen: the same command goes on, `etcd-lockstep rollback` goes back';

/**
 * That the freeze has stood through the takeover, and that nobody takes it away by hand from now on.
 * @throws LockstepError FREEZE_LOST: something may have been written that the target has not got
 */
async function hold(freeze: Freeze, apis: CutoverOptions['apiservers']): Promise<void> {
  try {
    await freeze.hold(apis);
  } catch (error) {
    if (!hasCode(error, 'FREEZE_LOST')) throw error;
    throw new LockstepError(
      'FREEZE_LOST',
      `${error.message}; the target has just been taken over, and the source may have been written since`,
      {
        hint: 'No apiserver has moved, so the source has everything. The same command freezes again and says whether something came late; `etcd-lockstep rollback` goes back.',
        cause: error,
      },
    );
  }
}

/** Who waits with writes refused would wait for nothing. */
function frozenAlready(standing: Freeze): LockstepError {
  return badArgument(
    `writes are frozen already, by ${standing.owner?.text ?? 'somebody, by hand'}, and --postpone-until would leave them so`,
    'If that was a run of this night that has died: the same command without --postpone-until goes on.',
  );
}

/** What stood before go has to stand as it was, and nothing new. */
function refuseChanged(before: Checked, now: Checked): void {
  const [was, is] = [before.standing, now.standing];
  if (!is || (was && was.owner?.run === is.owner?.run)) return;
  throw new LockstepError(
    'FREEZE_TAKEN',
    `writes have been frozen by ${is.owner?.text ?? 'somebody, by hand'} while this run waited for go`,
    {
      hint: 'Nothing was changed by this run. Ask who that is; `etcd-lockstep status` says how far it is.',
    },
  );
}
