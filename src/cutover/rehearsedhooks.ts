/**
 * The operator's hooks, in a rehearsal: run with REHEARSE=1, one apiserver after the other.
 *
 * Only the hook can keep its hands off: it is the operator's, and moves apiservers. So one that does not so
 * much as name REHEARSE is not run (whoever runs it says so); and after each it is looked where that
 * apiserver serves from. One that has moved is an alarm, and no other hook is run: its clients write to the
 * target now, while all others write to the source. One of which that cannot be seen ends it as well.
 */
import type { ApiServer } from '../kube/api.js';
import { servingText, type Serving } from '../proof/servedfrom.js';
import { duration } from '../text.js';
import type { Findings } from './findings.js';
import type { Moving } from './nightevents.js';
import { seeServing, type SeenOptions } from './stillserves.js';

/** What has become of a hook. */
export interface HookRun {
  /** What it took from its start to its end; null: it was not run. */
  seconds: number | null;
  /** `restart-seconds=12.3` as it has printed it: what it would take in a night. */
  restartSeconds: number | null;
  /** How it failed, or why it was not run; null: it has done well. */
  failed: string | null;
}

/** Runs a hook of the operator's, which has to move nothing. */
export type RunHook<Of extends unknown[]> = (
  ...args: [...of: Of, moving: Moving, signal: AbortSignal]
) => Promise<HookRun>;

/** From which etcd one serves; `why`: what left it unclear. */
export interface ServedFrom {
  from: Serving['from'];
  why: string | null;
}

/** One apiserver, as the rehearsal has seen it. */
export interface RehearsedApiserver {
  apiserver: string;
  /** It serves now, and will be gone; the others serve in the end. */
  old: boolean;
  before: ServedFrom;
  /** After its hook; null: none was run for it. */
  after: ServedFrom | null;
  hook: HookRun | null;
}

export interface HooksOptions {
  apiservers: readonly ApiServer[];
  oldApiservers: readonly ApiServer[];
  moving: Moving;
  switchHook?: RunHook<[api: ApiServer]> | undefined;
  flipHook?: RunHook<[]> | undefined;
  seen: Omit<SeenOptions, 'signal' | 'answersWithinMs'>;
  findings: Findings;
  onAlarm: (alarm: string) => void;
  onNote: (note: string, warn?: boolean) => void;
  signal: AbortSignal;
}

/** A restart in a rehearsal, with today's flags, may be part of it. */
const RESTARTS_WITHIN_MS = 120_000;
const HOOK = { switch: '--switch-hook', flip: '--flip-hook' };

export class RehearsedHooks {
  readonly apiservers: RehearsedApiserver[] = [];
  flip: HookRun | null = null;

  constructor(private readonly o: HooksOptions) {}

  /** Where each serves from. Afterwards {@link apiservers} has them. */
  async look(): Promise<void> {
    const { apiservers, oldApiservers } = this.o;
    const prewarmed = oldApiservers.length > 0;
    const one = async (api: ApiServer, old: boolean): Promise<RehearsedApiserver> => {
      const before = await this.#serving(api, 0);
      this.#expect(api, before, prewarmed && !old ? 'target' : 'source');
      return { apiserver: api.url, old, before: servedFrom(before), after: null, hook: null };
    };
    this.apiservers.push(
      ...(await Promise.all([
        ...apiservers.map((api) => one(api, false)),
        ...oldApiservers.map((api) => one(api, true)),
      ])),
    );
  }

  /** All hooks that a night would run. */
  async run(): Promise<void> {
    const { apiservers, oldApiservers, switchHook, flipHook } = this.o;
    if (oldApiservers.length === 0) {
      if (switchHook)
        for (const api of apiservers) if (!(await this.#switch(api, switchHook))) return;
      return;
    }
    if (flipHook) await this.#flip(flipHook);
  }

  /** @returns whether the next one may be rehearsed */
  async #switch(api: ApiServer, hook: RunHook<[api: ApiServer]>): Promise<boolean> {
    const { moving, signal, findings } = this.o;
    const one = this.#of(api);
    // As in a night: one that serves from the target already is not moved.
    if (one?.before.from === 'target') return true;
    if (one?.before.from !== 'source') {
      findings.warn(
        api.url,
        `${HOOK.switch} was not rehearsed: it is not known where it serves from`,
      );
      return true;
    }
    one.hook = await hook(api, moving, signal);
    this.#judge(`${HOOK.switch} for ${api.url}`, one.hook);
    if (one.hook.seconds === null) return true;
    return this.#see(api, `${HOOK.switch} for ${api.url}`);
  }

  async #flip(hook: RunHook<[]>): Promise<void> {
    const { apiservers, oldApiservers, moving, signal, findings } = this.o;
    if (this.apiservers.some(({ before }) => !isClear(before))) {
      findings.warn(HOOK.flip, 'it was not rehearsed: it is not known where each serves from');
      return;
    }
    this.flip = await hook(moving, signal);
    this.#judge(HOOK.flip, this.flip);
    if (this.flip.seconds === null) return;
    for (const api of [...oldApiservers, ...apiservers]) {
      await this.#see(api, `${HOOK.flip}, and ${api.url}`);
    }
  }

  /**
   * All that a hook was run for, once more: one that only begins a restart, and ends, is seen to move by and by.
   */
  async lookAgain(): Promise<void> {
    const { apiservers, oldApiservers } = this.o;
    for (const api of [...apiservers, ...oldApiservers]) {
      const one = this.#of(api);
      if (one?.after && one.after.from === one.before.from) await this.#see(api, api.url);
    }
  }

  async #see(api: ApiServer, name: string): Promise<boolean> {
    const one = this.#of(api);
    if (!one) return true;
    const after = await this.#serving(api, RESTARTS_WITHIN_MS);
    one.after = servedFrom(after);
    return this.#unmoved(name, after, one.before.from);
  }

  #judge(name: string, { failed, seconds }: HookRun): void {
    const { findings, onNote } = this.o;
    if (seconds === null) findings.warn(name, failed ?? 'it was not run');
    else if (failed !== null)
      findings.stop(
        name,
        failed,
        'In a night that one would have to be moved by hand. Mend the hook.',
      );
    else onNote(`${name} has done well, in ${duration(seconds)}`);
  }

  /** @returns whether it serves from where it did */
  #unmoved(name: string, after: Serving, from: Serving['from']): boolean {
    const { findings, onAlarm } = this.o;
    if (after.from === from) return true;
    if (after.from === 'target' || after.from === 'neither' || after.from === 'source') {
      const what = `${name}: it HAS MOVED, and ${servingText(after)} now`;
      findings.add({
        ...{ weight: 'stops', about: name, code: 'HOOK_MOVED', message: what },
        hint: 'Move it back at once, by hand: clients of it write to another etcd than all others. Then `etcd-lockstep status` says whether the target is still a copy. The hook has to look at REHEARSE (docs/hooks.md).',
      });
      onAlarm(what);
      return false;
    }
    findings.stop(
      name,
      `after it, it is not known where ${after.apiserver} serves from (${servingText(after)})`,
      'Look at that apiserver by hand: does it run, and with the flags of before? No other hook was rehearsed.',
    );
    return false;
  }

  #expect(api: ApiServer, { from, why }: Serving, wanted: 'source' | 'target'): void {
    const { findings } = this.o;
    if (from === wanted) return;
    const serves = servingText({ apiserver: api.url, from, ...(why ? { why } : {}) });
    if (from === 'unclear')
      findings.stop(
        api.url,
        `which etcd it serves from could not be seen (${serves})`,
        'It shows when other resources are written meanwhile: is the source that quiet, or the target not followed? Rehearse again when the cluster does its work.',
      );
    else if (from === 'target')
      findings.warn(
        api.url,
        `${serves} already, and is none of a pre-warmed set: a write through it now would end lockstep`,
        'If it is pre-warmed, name those that serve now in --old-apiservers.',
      );
    else
      findings.stop(
        api.url,
        from === 'source' ? `${serves}: it was started without the override` : serves,
        'Look at its flags.',
      );
  }

  async #serving(api: ApiServer, answersWithinMs: number): Promise<Serving> {
    return seeServing(api, { ...this.o.seen, answersWithinMs, signal: this.o.signal });
  }

  #of({ url }: ApiServer): RehearsedApiserver | undefined {
    return this.apiservers.find(({ apiserver }) => apiserver === url);
  }
}

function servedFrom({ from, why }: Serving): ServedFrom {
  return { from, why: why ?? null };
}

function isClear({ from }: ServedFrom): boolean {
  return from === 'source' || from === 'target';
}
