/**
 * Cutover: the apiservers move from source to target, and nobody notices but the freeze.
 *
 *     approach.ts   preflight ─► audit ─► freeze ─► drain ─► compare ─► take over
 *     crossing.ts   fence ─► switch ─► unfreeze
 *     here          what goes on after a crash, and the watch for late writes
 *
 * What makes it safe. When writes are refused and both sides were compared up to the source's head,
 * the target is an exact copy and stays one. From then on its head is kept above the source's, so a
 * client that comes over never holds a revision that the target has not reached (fence.ts). Writes
 * are let in again when every apiserver has shown by its own lists that it serves from the target.
 *
 * Killed anywhere, it goes on: up to the takeover every step can be done again; from there on the
 * target says which one was the last (target/cutoverstate.ts), and whose the night is
 * (target/claim.ts): of two runs the one that claims it later goes on, and the other one ends.
 *
 * What takes the time of the freeze grows with the changes since the audit, not with the keys.
 */
import { Patience } from '../async/patience.js';
import { beside } from '../async/together.js';
import { hasCode } from '../errors.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import { LateWrites } from '../proof/latewrites.js';
import { movedBy } from '../proof/movedresources.js';
import { refuseOtherSource } from '../proof/othersource.js';
import { Claim, look, resourcesIn, whyEnded } from '../target/claim.js';
import { refuseCutOver } from '../target/cutoverstate.js';
import { thisRun } from '../target/nightowner.js';
import type { RaisingPort } from '../target/peerport.js';
import { withPort } from '../target/peers.js';
import { EtcdTarget } from '../target/target.js';
import { watchAfterwards } from './afterwards.js';
import { Alarms } from './alarms.js';
import { Approach, STAYS_FROZEN, type Taken } from './approach.js';
import { Crossing, frozenStill } from './crossing.js';
import { Fence } from './fence.js';
import { tellOwnFreeze } from './freezeover.js';
import type { CutoverOptions, CutoverReport } from './nightoptions.js';
import { unbreakable } from './nightevents.js';
import { CUTOVER_STEPS } from './script.js';
import { StepTeller } from './steps.js';
import { accountFor } from './takeover.js';

/** What it means that it ends before its end, by what this run has seen of the freeze. */
const STOPPED = {
  'not seen':
    'the target is taken over, and writes should be frozen (`etcd-lockstep status` with --kubeconfig says): the same command goes on, `etcd-lockstep rollback` goes back',
  seen: STAYS_FROZEN,
  thawing:
    'every apiserver has moved; writes may still be frozen, or be let in already: the same command ends it',
};

export class Cutover {
  readonly #o: CutoverOptions;
  readonly #self = thisRun('cutover');
  readonly #teller: StepTeller;
  readonly #alarms: Alarms;
  readonly #tell: Patience;
  /** Raises the target's head faster. */
  #port: RaisingPort | undefined;

  constructor(options: CutoverOptions) {
    const onEvent = unbreakable(options.onEvent, options.onNote);
    this.#o = { ...options, onEvent };
    this.#teller = new StepTeller(CUTOVER_STEPS, onEvent);
    this.#alarms = new Alarms(onEvent);
    this.#tell = new Patience(options.onNote);
  }

  /**
   * @throws LockstepError TARGET_DIFFERENT, NOT_DRAINED, LATE_WRITE, OTHER_RUN, FREEZE_LOST, and what
   *   etcds and apiservers say. Before the takeover writes are let in again first.
   */
  async run(): Promise<CutoverReport> {
    const { target, peers, onNote } = this.#o;
    // Found now, and not while writes are frozen.
    return withPort(target, peers, onNote, (port) => {
      this.#port = port;
      return this.#run();
    });
  }

  async #run(): Promise<CutoverReport> {
    const { cutover } = await new EtcdTarget(this.#o.target).read();
    if (cutover) return this.#goOn();
    const approach = new Approach(this.#o, this.#self, this.#teller, this.#tell);
    return this.#cross(await approach.run());
  }

  /** What another run, or this one's command at another time, has begun. */
  async #goOn(): Promise<CutoverReport> {
    const { source, target, resources, onNote, onEvent, onMustGoOn, signal } = this.#o;
    const seen = await look(target);
    const { stored, owner } = seen;
    const { phase, fencedAt, frozenAt, prefixes } = stored.state;
    if (!['fenced', 'switched', 'done'].includes(phase)) throw refuseCutOver(stored);
    onEvent({ kind: 'taken over', exact: stored.exact, state: stored.state, earlier: phase });
    movedBy(prefixes, resources);
    if (this.#o.postponeUntil) onNote('--postpone-until is passed over: the night has begun');
    await refuseOtherSource(source, target, stored);
    onNote(`going on with the cutover that took the target over at ${fencedAt} (${phase})`);
    // When an earlier run has let writes in nobody has written down.
    if (frozenAt !== null && phase !== 'done') this.#teller.frozen(Date.parse(frozenAt));
    if (phase === 'fenced') await accountFor(target, stored);
    const options = { target, self: this.#self, tell: this.#tell, signal };
    const claim = await Claim.take(options, seen);
    if (phase !== 'done') onMustGoOn();
    const left = phase === 'done' && (await frozenStill(this.#o, owner?.owner.run));
    if (left) this.#alarms.raise(left);
    return this.#cross({ claim });
  }

  async #cross({ claim, freeze }: Pick<Taken, 'claim'> & Partial<Taken>): Promise<CutoverReport> {
    const { source, target, margin, onNote, onEvent, signal } = this.#o;
    const key = probeKey(PrefixSet.of(claim.state.prefixes));
    const tell = this.#tell;
    const fence = new Fence({
      ...{ source, target, claim, key, margin, onEvent, tell },
      ...{ alarms: this.#alarms, port: this.#port },
    });
    const late = this.#lateWrites(claim);
    const crossing = new Crossing({
      ...{ o: this.#o, self: this.#self, claim, fence, late, tell },
      ...{ teller: this.#teller, alarms: this.#alarms },
    });
    const begun = claim.state.phase;
    try {
      await beside(signal, [(stop) => late.run(stop)], async (stop) => {
        const held = begun === 'fenced' ? await crossing.fenceAndSwitch(freeze, stop) : undefined;
        if (begun !== 'done') await crossing.unfreeze(held, stop);
        await this.#teller.step('watch', () => this.#watch(claim, fence, late, stop));
      });
    } catch (error) {
      const why = await whyEnded(claim, error);
      const { apiservers, oldApiservers } = this.#o;
      const apis = [...apiservers, ...oldApiservers];
      if (hasCode(why, 'OTHER_RUN')) await tellOwnFreeze({ self: this.#self, apis, onNote });
      // These say themselves who has the night, or the freeze.
      if (begun !== 'done' && !hasCode(why, 'OTHER_RUN', 'FREEZE_LOST'))
        onNote(STOPPED[freeze && crossing.frozen === 'not seen' ? 'seen' : crossing.frozen], true);
      throw why;
    }
    return this.#report(claim, fence, late);
  }

  #lateWrites({ state, exact }: Claim): LateWrites {
    return new LateWrites({
      client: this.#o.sourceWatch,
      clusterId: state.source,
      prefixes: PrefixSet.of(state.prefixes),
      after: exact,
      onWrite: ({ key, revision, deleted }) => {
        this.#alarms.raise(
          `late write on the source: ${key} ${deleted ? 'deleted' : 'put'} at revision ${revision}`,
        );
      },
      tell: this.#tell,
      onNote: this.#o.onNote,
    });
  }

  async #watch(claim: Claim, fence: Fence, late: LateWrites, signal: AbortSignal): Promise<void> {
    const { apiservers, watchSeconds, onNote, onEvent } = this.#o;
    await watchAfterwards({
      ...{ self: this.#self, apiservers, resources: resourcesIn(claim), left: 'source' },
      ...{ late, alarms: this.#alarms, onNote, onEvent, signal },
      heads: () => fence.ask(),
      seconds: watchSeconds,
    });
  }

  #report(claim: Claim, fence: Fence, late: LateWrites): CutoverReport {
    const teller = this.#teller;
    const { keys, checksum, prefixes, resources } = claim.state;
    return {
      ...{ exact: claim.exact, keys, checksum, prefixes, resources },
      apiservers: this.#o.apiservers.map(({ url }) => url),
      heads: fence.heads ?? null,
      frozenSeconds: teller.frozenSeconds,
      ownSeconds: teller.took('drain', 'compare', 'takeover', 'fence'),
      steps: teller.times,
      lateWrites: { count: late.count, named: late.named },
      alarms: this.#alarms.list,
    };
  }
}
