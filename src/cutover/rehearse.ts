/**
 * A cutover, rehearsed: all of a night but the freeze and the switch. It changes nothing.
 *
 *     preflight ─► probe ─► audit ─► live: quiet, drain, compare ─► serving ─► hooks ─► preflight once more
 *
 * A night stops at the first thing that stands in its way. This one goes on, and tells all of them: what a
 * night would be refused with is a finding (findings.ts), and what hangs on it is left out. At its end it
 * says what the freeze will be (outlook.ts).
 *
 * What it writes: nothing on an etcd, and to Kubernetes dry runs alone and questions about our rights. Hooks
 * are the operator's; rehearsedhooks.ts looks what they have done.
 *
 * Tried and dropped: raising the head of a scratch key to measure the fence. It would use up revisions of the
 * target, and lockstep would be over.
 */
import { beside } from '../async/together.js';
import { audit } from '../audit/audit.js';
import { LiveAudit } from '../audit/live.js';
import type { AuditReport } from '../audit/report.js';
import type { ApiServer } from '../kube/api.js';
import { Freeze, whoHas } from '../kube/freeze.js';
import { probe } from '../kube/probe.js';
import { resourceName, type Resource } from '../kube/resource.js';
import { needFreezeRights } from '../kube/rights.js';
import type { Revision } from '../mvcc/revision.js';
import { marginFor } from '../plan/estimates.js';
import { peerPort } from '../plan/peercheck.js';
import { DeadOnes } from '../proof/dead.js';
import { movedBy, type Moved } from '../proof/movedresources.js';
import type { Heads } from '../proof/servedfrom.js';
import { CUTOVER_KEY } from '../target/cutoverstate.js';
import { Findings, type Finding } from './findings.js';
import { sampleLive, type LiveSample } from './livesample.js';
import type { CutoverOptions } from './nightoptions.js';
import { outlookOf, type Outlook } from './outlook.js';
import {
  endpointWarnings,
  leaseWarnings,
  lookAtSides,
  refuseBehind,
  refuseOtherLists,
  type Sides,
} from './preflight.js';
import {
  RehearsedHooks,
  type HookRun,
  type RehearsedApiserver,
  type RunHook,
} from './rehearsedhooks.js';
import { REHEARSAL_STEPS } from './script.js';
import { StepTeller, type StepTime } from './steps.js';

type OfTheNight =
  | ('source' | 'target' | 'resources' | 'apiservers' | 'oldApiservers' | 'without')
  | ('margin' | 'quietMs' | 'maxFreezeSeconds' | 'peers' | 'onEvent' | 'onNote' | 'signal');

/** What a cutover is told, but for what freezes and switches. */
export interface RehearseOptions extends Pick<CutoverOptions, OfTheNight> {
  /** How long the source is watched. */
  sampleSeconds: number;
  switchHook?: RunHook<[api: ApiServer]> | undefined;
  flipHook?: RunHook<[]> | undefined;
  /** How long an apiserver is asked until it is clear which etcd serves it; overridden by tests alone. */
  clearWithinMs?: number;
  /** Told of each finding when it is found. */
  onFinding?: (finding: Finding) => void;
}

/** The JSON contract in docs/reference.md is made of this. */
export interface RehearsalReport {
  /** Nothing was found that would stop a night. */
  goesThrough: boolean;
  findings: Finding[];
  prefixes: string[];
  /** As kubectl names them. */
  resources: string[];
  /** Null where it did not come to its end. */
  audit:
    (Pick<AuditReport, 'equal' | 'revision' | 'differences' | 'seconds'> & { keys: number }) | null;
  /** What the source does, and how fast the target is there; null where it could not be measured. */
  live: LiveSample | null;
  /** Revisions: as it was given, and what the source's rate asks for. */
  margin: { given: number; needed: number | null };
  apiservers: RehearsedApiserver[];
  flip: HookRun | null;
  /** Null without `live`. */
  outlook: Outlook | null;
  steps: StepTime[];
}

/** So many reads of the target are timed. */
const READS = 5;
const CLEAR_WITHIN_MS = 15_000;

export class Rehearsal {
  readonly #findings: Findings;
  readonly #teller: StepTeller;
  #audit: RehearsalReport['audit'] = null;
  #live: LiveSample | null = null;
  #hooks: RehearsedHooks | undefined;
  #readSeconds = 0;

  constructor(private readonly o: RehearseOptions) {
    this.#findings = new Findings(o.onFinding ?? (() => undefined));
    this.#teller = new StepTeller(REHEARSAL_STEPS, o.onEvent);
  }

  /** @throws the signal's reason; what stands in the way is a finding */
  async run(): Promise<RehearsalReport> {
    const { sides, moved } = await this.#step('preflight', () => this.#preflight());
    if (moved) await this.#step('probe', () => this.#probe(moved));
    if (sides) {
      await this.#compare(sides);
      if (moved) await this.#withHooks(sides, moved);
      // A hook, or whoever has written to the target meanwhile.
      await this.#of('lockstep', 'again', async () => {
        await this.#hooks?.lookAgain();
        await refuseBehind(this.o, await lookAtSides(this.o));
      });
    }
    return this.#report(sides, moved);
  }

  /** All that a night's preflight refuses. */
  async #preflight(): Promise<{ sides?: Sides | undefined; moved?: Moved[] | undefined }> {
    const { source, target, resources, apiservers, oldApiservers, without, peers } = this.o;
    const all = [...apiservers, ...oldApiservers];
    const [findings, signal] = [this.#findings, this.o.signal];
    const of = <T>(about: string, ask: () => Promise<T>) => findings.of(about, signal, ask);
    const sides = await of('both etcds', () => lookAtSides(this.o));
    // Of two that do not answer the first alone was told.
    if (!sides) await of('source', () => source.head(Buffer.from([0])));
    await of('--without', () => new DeadOnes(without).refuseAlive());
    await of('rights', () => needFreezeRights(all));
    for (const warning of (await of('endpoints', () => endpointWarnings(this.o))) ?? [])
      findings.warn('endpoints', warning);
    if (peers) {
      const { verdict, message, todo } = await peerPort(target, peers);
      if (verdict !== 'ok') findings.warn('peer port', message, todo);
    }
    if (!sides) return {};
    const position = (await of('lockstep', () => refuseBehind(this.o, sides))) ?? sides.state.head;
    const moved = await of('resources', () =>
      Promise.resolve().then(() => movedBy(sides.prefixes.list, resources)),
    );
    if (!moved) return { sides };
    for (const warning of leaseWarnings(moved, oldApiservers.length > 0))
      findings.warn('leases', warning);
    this.o.onEvent({
      ...{ kind: 'checked', prefixes: sides.prefixes.list },
      resources: moved.map(({ resource }) => resourceName(resource)),
    });
    await Promise.all(
      all.map((api) => of(api.url, () => refuseOtherLists(source, api, moved, position))),
    );
    return { sides, moved };
  }

  /** Every write, as a dry run, on every apiserver: what answers otherwise now would do so in the freeze. */
  async #probe(moved: readonly Moved[]): Promise<void> {
    const { apiservers, oldApiservers, signal } = this.o;
    const all = [...apiservers, ...oldApiservers];
    const findings = this.#findings;
    const standing = await findings.of('freeze', signal, () => Freeze.find(all));
    if (standing) {
      findings.stop(
        'freeze',
        `writes are frozen already: ${whoHas(standing)}`,
        'Rehearse when nothing is frozen; `etcd-lockstep status` says whose it is.',
      );
      return;
    }
    const resources = moved.map(({ resource }) => resource);
    // One after the other: nobody waits with writes refused, and each is asked by many connections.
    for (const api of all) {
      const probed = await findings.of(api.url, signal, () => probe(api, resources, 'open'));
      for (const { what, got, ok } of probed?.checks ?? [])
        if (!ok)
          findings.stop(
            api.url,
            `${what}: ${got}`,
            '`etcd-lockstep freeze probe --open` shows all of it. In a freeze this answer would prove nothing.',
          );
    }
  }

  /** The audit of all keys, and behind it how fast the target comes to what the source has. */
  async #compare({ prefixes, key }: Sides): Promise<void> {
    const { source, target, signal, onNote, quietMs, sampleSeconds, maxFreezeSeconds } = this.o;
    const equal = await this.#of('audit', 'audit', () => this.#auditAll(prefixes));
    if (equal === undefined) return;
    const measured = await this.#of('live', 'live', async () => {
      const live = await LiveAudit.of(source, target, { prefixes, after: equal, onNote });
      return beside(signal, [(stop) => live.run(stop)], async (stop) => {
        const options = { source, key, audit: live, quietMs, seconds: sampleSeconds };
        return sampleLive({
          ...{ ...options, withinSeconds: maxFreezeSeconds, signal: stop },
          onProgress: (left) => {
            this.#progress(`watching what the source writes: ${left.toFixed(0)} s left`);
          },
        });
      });
    });
    if (!measured) return;
    this.#live = measured;
    const reads = await this.#findings.of('target', signal, () => this.#timeReads());
    this.#readSeconds = reads ?? 0;
    const needed = marginFor(measured.revisionsPerSecond);
    if (needed > this.o.margin)
      this.#findings.warn(
        'margin',
        `the source makes ${measured.revisionsPerSecond.toFixed(0)} revisions a second, and --margin is ${this.o.margin}`,
        `Give the night --margin ${needed}: ten seconds of that.`,
      );
  }

  async #auditAll(prefixes: Sides['prefixes']): Promise<Revision | undefined> {
    const { source, target, signal } = this.o;
    const report = await audit({
      ...{ source, target, prefixes, signal, history: false, allowEmpty: true },
      onDifference: () => undefined,
      onProgress: (keys, total) => {
        this.#progress(`comparing: ${keys} of ${total} keys`);
      },
    });
    const { equal, revision, differences, seconds } = report;
    this.#audit = { equal, revision, differences, seconds, keys: report.source.keys };
    if (equal && report.cursor) return revision;
    this.#findings.add({
      ...{ weight: 'stops', about: 'audit', code: 'TARGET_DIFFERENT' },
      message: `the audit found ${differences} differences`,
      hint: 'Run `etcd-lockstep audit --history` to see them, and seed a new target.',
    });
    return undefined;
  }

  /** The worst of some linearizable reads, in seconds. */
  async #timeReads(): Promise<number> {
    let worst = 0;
    for (let i = 0; i < READS; i++) {
      const began = performance.now();
      await this.o.target.head(CUTOVER_KEY);
      worst = Math.max(worst, (performance.now() - began) / 1000);
    }
    return worst;
  }

  async #withHooks({ key, state }: Sides, moved: readonly Moved[]): Promise<void> {
    const { source, target, apiservers, oldApiservers, switchHook, flipHook, signal } = this.o;
    const { clearWithinMs = CLEAR_WITHIN_MS } = this.o;
    const resources: Resource[] = moved.map(({ resource }) => resource);
    const heads = async (): Promise<Heads> => {
      const both = [source.head(key), target.head(CUTOVER_KEY)] as const;
      const [there, here] = await Promise.all(both);
      return { source: there.revision, target: here.revision };
    };
    const hooks = new RehearsedHooks({
      ...{ apiservers, oldApiservers, switchHook, flipHook, signal, findings: this.#findings },
      // Lower than that of any night, which is the revision of a later write.
      moving: { resources, epoch: state.head },
      seen: { resources, heads, clearWithinMs },
      onNote: this.o.onNote,
      onAlarm: (alarm) => {
        this.o.onEvent({ kind: 'alarm', alarm });
      },
    });
    this.#hooks = hooks;
    await this.#of('apiservers', 'serving', () => hooks.look());
    if (switchHook ?? flipHook) await this.#of('hooks', 'hooks', () => hooks.run());
  }

  #report(sides: Sides | undefined, moved: readonly Moved[] | undefined): RehearsalReport {
    const { margin, quietMs, peers, oldApiservers } = this.o;
    const [live, readSeconds] = [this.#live, this.#readSeconds];
    const { apiservers = [], flip = null } = this.#hooks ?? {};
    return {
      goesThrough: !this.#findings.stops,
      findings: this.#findings.list,
      prefixes: [...(sides?.state.cursor?.prefixes ?? [])],
      resources: (moved ?? []).map(({ resource }) => resourceName(resource)),
      ...{ audit: this.#audit, live, apiservers, flip },
      margin: { given: margin, needed: live && marginFor(live.revisionsPerSecond) },
      outlook:
        live &&
        outlookOf({
          ...{ sample: live, quietMs, readSeconds, apiservers, flip },
          ...{ byProposals: peers !== undefined, prewarmed: oldApiservers.length > 0 },
        }),
      steps: this.#teller.times,
    };
  }

  /** A step whose failure is a finding. */
  async #of<T>(about: string, step: string, run: () => Promise<T>): Promise<T | undefined> {
    return this.#step(step, () => this.#findings.of(about, this.o.signal, run));
  }

  async #step<T>(name: string, run: () => Promise<T>): Promise<T> {
    return this.#teller.step(name, run);
  }

  #progress(text: string): void {
    this.o.onEvent({ kind: 'progress', text });
  }
}
