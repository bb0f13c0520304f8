/**
 * Cutover: the apiservers move from source to target, and nobody notices but the freeze.
 *
 *     preflight ─► audit, all keys, live ─► freeze ─► drain ─► compare the rest
 *       ─► take over ─► fence ─► switch ─► unfreeze ─► watch for late writes
 *
 * What makes it safe. When writes are refused and both sides were compared up to the source's head,
 * the target is an exact copy and stays one. From then on its head is kept above the source's, so a
 * client that comes over never holds a revision that the target has not reached (fence.ts). Writes
 * are let in again when every apiserver has shown by its own lists that it serves from the target.
 *
 * Killed anywhere, it goes on: up to the takeover every step can be done again; from there on the
 * target says which one was the last (cutoverstate.ts). Stopped before the takeover, it lets writes in
 * again, and nothing has happened.
 *
 * What takes the time of the freeze grows with the changes since the audit, not with the keys.
 */
import { randomUUID } from 'node:crypto';
import { audit } from '../audit/audit.js';
import { LiveAudit } from '../audit/live.js';
import { pause } from '../backoff.js';
import { LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { refuseCutOver, type StoredCutover } from '../cutoverstate.js';
import type { ApiServer } from '../kube/api.js';
import { Freeze } from '../kube/freeze.js';
import { freezeOwner } from '../kube/owner.js';
import { EtcdTarget } from '../lockstep/target.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { beside, untilAnswered } from '../tasks.js';
import { untilEqual, untilQuiet, type DrainOptions } from './drain.js';
import { Fence, overtakenText } from './fence.js';
import { LateWrites } from './late.js';
import { freezeAll, thaw, thawOwn } from './freezing.js';
import type { CutoverOptions, CutoverReport } from './options.js';
import { refuseOtherSource, setPhase } from './phase.js';
import { preflight, type Checked } from './preflight.js';
import { CUTOVER_STEPS } from './script.js';
import { servingNow } from './serving.js';
import { StepTeller } from './steps.js';
import { moveAll, untilGone } from './switch.js';
import { accountFor, takeOver } from './takeover.js';

const POLL_MS = 10;
const STAYS_FROZEN =
  'the target is taken over, and writes stay frozen: the same command goes on, `etcd-lockstep rollback` goes back';

export class Cutover {
  readonly #o: CutoverOptions;
  readonly #run = randomUUID();
  readonly #owner = freezeOwner('cutover', this.#run);
  readonly #teller: StepTeller;
  readonly #alarms: string[] = [];

  constructor(options: CutoverOptions) {
    this.#o = options;
    this.#teller = new StepTeller(CUTOVER_STEPS, options.onStep);
  }

  /**
   * @throws LockstepError TARGET_DIFFERENT, NOT_DRAINED, LATE_WRITE, and what etcds and apiservers
   *   say. Before the takeover writes are let in again first.
   */
  async run(): Promise<CutoverReport> {
    const stored = (await new EtcdTarget(this.#o.target).read()).cutover;
    if (!stored) return this.#fromFence(await this.#untilTakenOver(), false);
    const { phase, fencedAt, frozenAt } = stored.state;
    if (!['fenced', 'switched', 'done'].includes(phase)) throw refuseCutOver(stored);
    await refuseOtherSource(this.#o.source, stored.state);
    this.#o.onNote(`going on with the cutover that took the target over at ${fencedAt} (${phase})`);
    // When an earlier run has let writes in nobody has written down.
    if (frozenAt !== null && phase !== 'done') this.#teller.frozen(Date.parse(frozenAt));
    if (phase === 'fenced') await accountFor(this.#o.target, stored);
    return this.#fromFence(stored, true);
  }

  async #untilTakenOver(): Promise<StoredCutover> {
    const { source, target, apiservers, oldApiservers, signal } = this.#o;
    const checked = await this.#teller.step('preflight', () => preflight(this.#o));
    const equal = await this.#teller.step('audit', () => this.#auditAll(checked));
    failpoint('cutover.audited');
    const { prefixes } = checked;
    const live = await LiveAudit.of(source, target, { prefixes, after: equal });
    return beside(signal, [(stop) => live.run(stop)], async (stop) => {
      await this.#o.go(checked.warnings);
      try {
        return await this.#frozen(checked, live, stop);
      } catch (error) {
        await this.#thawIfOurs([...apiservers, ...oldApiservers]);
        throw error;
      }
    });
  }

  async #auditAll({ prefixes }: Checked): Promise<Revision> {
    const { source, target, signal, onProgress } = this.#o;
    const report = await audit({
      source,
      target,
      prefixes,
      history: false,
      onDifference: () => undefined,
      onProgress: (keys, total) => {
        onProgress(`comparing: ${keys} of ${total} keys`);
      },
      signal,
    });
    if (report.equal && report.cursor) return report.revision;
    throw new LockstepError('TARGET_DIFFERENT', 'the audit found differences', {
      disposition: 'fatal',
      revision: report.revision,
      hint: 'Nothing was changed. Run `etcd-lockstep audit` to see them, and seed a new target.',
    });
  }

  async #frozen(checked: Checked, live: LiveAudit, signal: AbortSignal): Promise<StoredCutover> {
    const { source, quietMs, maxFreezeSeconds } = this.#o;
    const teller = this.#teller;
    const apiservers = [...this.#o.apiservers, ...this.#o.oldApiservers];
    const { at } = await teller.step('freeze', async () => {
      const over = await Freeze.find(apiservers);
      return freezeAll({ ...this.#o, apiservers, signal }, this.#owner, over);
    });
    teller.frozen(at.getTime());
    failpoint('cutover.frozen');
    const since = performance.now();
    const drain: DrainOptions = {
      source,
      key: checked.key,
      audit: live,
      quietMs,
      deadline: since + maxFreezeSeconds * 1000,
      signal,
    };
    const head = await teller.step('drain', () => untilQuiet(drain, since));
    failpoint('cutover.drained');
    await teller.step('compare', () => untilEqual(drain, head));
    return teller.step('takeover', () =>
      takeOver(this.#o.target, {
        source: checked.source,
        prefixes: checked.prefixes,
        run: this.#run,
        equal: head,
        frozenAt: at,
        signal,
      }),
    );
  }

  /** Nothing has happened yet: writes are let in again. Unless the takeover landed and we never knew. */
  async #thawIfOurs(apis: CutoverOptions['apiservers']): Promise<void> {
    const { target, resources, onNote } = this.#o;
    try {
      if ((await new EtcdTarget(target).read()).cutover) {
        onNote(STAYS_FROZEN);
        return;
      }
      onNote('letting writes in again; nothing was changed');
      await thawOwn(this.#owner, { apiservers: apis, resources, onNote });
    } catch (failure) {
      const why = failure instanceof Error ? failure.message : String(failure);
      onNote(
        `writes are still frozen (${why}): run the same command again, or \`etcd-lockstep freeze remove\``,
      );
    }
  }

  async #fromFence(stored: StoredCutover, resumed: boolean): Promise<CutoverReport> {
    const { source, target, sourceWatch, margin, signal } = this.#o;
    const prefixes = PrefixSet.of(stored.state.prefixes);
    const fence = new Fence(source, target, stored, probeKey(prefixes), margin);
    const late = new LateWrites(
      sourceWatch,
      prefixes,
      stored.exact,
      ({ key, revision, deleted }) => {
        this.#alarm(
          `late write on the source: ${key} ${deleted ? 'deleted' : 'put'} at revision ${revision}`,
        );
      },
    );
    const tasks = [(stop: AbortSignal) => late.run(stop)];
    const begun = stored.state.phase;
    let frozen = begun !== 'done';
    try {
      await beside(signal, tasks, async (stop) => {
        if (begun === 'fenced') await this.#fenceAndSwitch(stored, fence, late, resumed, stop);
        if (begun !== 'done') await this.#unfreeze(stop);
        frozen = false;
        await this.#teller.step('watch', () => this.#watch(stop));
      });
    } catch (error) {
      if (frozen) this.#o.onNote(STAYS_FROZEN);
      throw error;
    }
    if (fence.overtaken) this.#alarm(overtakenText(fence.overtaken));
    return this.#report(stored, fence, late);
  }

  async #fenceAndSwitch(
    stored: StoredCutover,
    fence: Fence,
    late: LateWrites,
    resumed: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { target, apiservers, oldApiservers, resources } = this.#o;
    const before = await this.#patiently(signal, () => fence.ask());
    if (resumed && before.target <= before.source) this.#alarm(overtakenText(before));
    await this.#teller.step('fence', async () => {
      await this.#patiently(signal, () => fence.begin(signal));
      while (late.position < stored.exact) {
        await pause(POLL_MS, signal);
        signal.throwIfAborted();
      }
    });
    failpoint('cutover.fenced');
    if (!(await this.#anyMoved(fence, signal))) late.refuseAny();
    await beside(signal, [(stop) => fence.keep(stop)], async (stop) => {
      const heads = () => fence.ask();
      const common = { resources, heads, to: 'target' as const, signal: stop };
      await this.#teller.step('switch', async () => {
        await moveAll({
          ...common,
          apiservers,
          ...this.#hook(fence, late, stop),
          onWait: this.#o.onWait,
          onMoved: (apiserver) => {
            failpoint('cutover.moved');
            this.#o.onNote(`${apiserver} serves from the target`);
          },
        });
        if (oldApiservers.length > 0) {
          await this.#o.flipHook?.();
          await untilGone({ ...common, apiservers: oldApiservers, onWait: this.#o.onWaitGone });
        }
      });
      await setPhase(target, 'switched', stop);
      failpoint('cutover.switched');
    });
  }

  /** The operator's command, but not while a write is on the source alone and nobody has moved. */
  #hook(
    fence: Fence,
    late: LateWrites,
    signal: AbortSignal,
  ): { hook?: CutoverOptions['switchHook'] & object } {
    const { switchHook } = this.#o;
    if (!switchHook) return {};
    return {
      hook: async (api) => {
        if (late.count > 0 && !(await this.#anyMoved(fence, signal))) late.refuseAny();
        await switchHook(api);
      },
    };
  }

  /** Whether clients may have seen the target already: then there is no way back but rollback. */
  async #anyMoved(fence: Fence, signal: AbortSignal): Promise<boolean> {
    const { apiservers, oldApiservers, resources } = this.#o;
    const serving = oldApiservers.length > 0 ? oldApiservers : apiservers;
    const ask = (api: ApiServer) =>
      this.#patiently(signal, () => servingNow(api, resources, () => fence.ask()));
    const all = await Promise.all(serving.map(ask));
    return all.some(({ from }) => from !== 'source');
  }

  /** While it is frozen and the fence has to be kept, nothing that passes may end us. */
  async #patiently<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
    return untilAnswered(signal, ask, ({ message }) => {
      this.#o.onNote(`${message}; trying again`);
    });
  }

  async #unfreeze(signal: AbortSignal): Promise<void> {
    const { target, apiservers } = this.#o;
    await this.#teller.step('unfreeze', async () =>
      thaw(await Freeze.find(apiservers), { ...this.#o, signal }),
    );
    this.#teller.thawed();
    failpoint('cutover.unfrozen');
    await setPhase(target, 'done', signal);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    await pause(this.#o.watchSeconds * 1000, signal);
  }

  #alarm(text: string): void {
    this.#alarms.push(text);
    this.#o.onAlarm(text);
  }

  #report(stored: StoredCutover, fence: Fence, late: LateWrites): CutoverReport {
    const teller = this.#teller;
    return {
      exact: stored.exact,
      keys: stored.state.keys,
      checksum: stored.state.checksum,
      prefixes: stored.state.prefixes,
      apiservers: this.#o.apiservers.map(({ url }) => url),
      heads: fence.heads ?? null,
      frozenSeconds: teller.frozenSeconds,
      ownSeconds: teller.took('drain', 'compare', 'takeover', 'fence'),
      steps: teller.times,
      lateWrites: { count: late.count, named: late.named },
      alarms: this.#alarms,
    };
  }
}
