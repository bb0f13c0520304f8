/**
 * What has happened, from one look at a view (listen/view.ts) to the next.
 *
 *     view, each second and at each step of a night ─► what is new in it ─► events
 *
 * The view is what page, metrics and `watch` show, so a hook cannot say anything else; and the follower, the
 * mirror and the night know nothing of hooks. What begins and ends between two looks is not told, which is
 * meant: an event is for somebody who may be asleep. Nothing is told twice.
 */
import { join } from 'node:path';
import type { ErrorCode } from '../errors.js';
import type { NightStepView, View } from '../listen/view.js';
import { count, duration } from '../text.js';
import type { Happened } from './events.js';
import { Steady } from './steady.js';

/** The state in which the target has all that the source has. */
const THERE: Partial<Record<View['command'], string>> = {
  follow: 'in lockstep',
  mirror: 'mirroring',
  reverse: 'the way back is open',
};
/** Lockstep is not lost there: its time is over. */
const ENDED = ['taken over', 'over', 'failed'];
/** The target is another's, who tells of it, under the same incident. */
const OTHERS = 'standby';

/** In a night: nobody waits there until it has lasted, and its view tells only what has. */
const AT_ONCE_MS = 1;

type Trouble = NonNullable<View['trouble']>;

/** What several events have in common that are about one thing: who opens a ticket closes it by that. */
export function incidentOf({ command, clusters }: Pick<View, 'command' | 'clusters'>): string {
  return `${command}/${clusters.target ?? 'unknown'}`;
}

export class Happenings {
  #reached = false;
  #lost: Steady;
  readonly #troubles = new Map<ErrorCode, { steady: Steady; told: Trouble; incident: string }>();
  #auditedAt: string | undefined;
  #auditFailed = false;
  #steps: readonly NightStepView['state'][] = [];

  /**
   * @param reports folder of the reports of audits; undefined: there are none
   * @param lastsMs how long what is told as lasting has lasted
   */
  constructor(
    private readonly reports: string | undefined,
    private readonly lastsMs?: number,
  ) {
    this.#lost = new Steady(lastsMs);
  }

  /** @param nowMs of a clock that only goes forward */
  look(view: View, nowMs: number): Happened[] {
    return [
      ...this.#lockstep(view, nowMs),
      ...this.#trouble(view, nowMs),
      ...this.#audits(view),
      ...this.#night(view),
    ];
  }

  #lockstep(view: View, nowMs: number): Happened[] {
    const { state, heads, lag, sentence: text, trouble } = view;
    if (state === OTHERS) {
      this.#reached = false;
      this.#lost = new Steady(this.lastsMs);
      return [];
    }
    const there = THERE[view.command] === state;
    const about = {
      ...{ text, revision: heads.target, lag, incident: `${incidentOf(view)}/lockstep` },
    };
    if (there && !this.#reached) {
      this.#reached = true;
      return [{ event: 'lockstep-reached', again: false, ...about }];
    }
    const isLost = this.#reached && !there && !ENDED.includes(state);
    switch (this.#lost.look(isLost, nowMs)) {
      case 'begun':
        return [{ event: 'lockstep-lost', state, trouble, ...about }];
      case 'over':
        return [{ event: 'lockstep-reached', again: true, ...about }];
      case undefined:
        return [];
    }
  }

  /** One that is only waited for, as a target before it is restored, is none: the mood says so. */
  #trouble(view: View, nowMs: number): Happened[] {
    const now = view.mood === 'trouble' && view.state !== 'failed' ? view.trouble : null;
    if (now && !this.#troubles.has(now.code)) {
      const incident = `${incidentOf(view)}/trouble/${now.code}`;
      const steady = new Steady(view.night ? AT_ONCE_MS : this.lastsMs);
      this.#troubles.set(now.code, { steady, told: now, incident });
    }
    return [...this.#troubles].flatMap(([code, one]): Happened[] => {
      if (now?.code === code) one.told = now;
      const { told: trouble, incident } = one;
      switch (one.steady.look(now?.code === code, nowMs)) {
        case 'begun':
          return [{ event: 'trouble', trouble, incident, text: troubleText(trouble) }];
        case 'over':
          return [{ event: 'trouble-over', trouble, incident, text: `Over: ${trouble.message}.` }];
        case undefined:
          return [];
      }
    });
  }

  /** Those that were there when it began are of a process before. */
  #audits(view: View): Happened[] {
    const since = this.#auditedAt ?? view.startedAt;
    const fresh = view.audits.filter(({ at }) => at > since).reverse();
    this.#auditedAt = fresh.at(-1)?.at ?? since;
    return fresh.flatMap(({ at: _, file, ...outcome }): Happened[] => {
      const failsAgain = this.#auditFailed && outcome.result === 'failed';
      this.#auditFailed = outcome.result === 'failed';
      if (failsAgain) return [];
      const report = file === null || !this.reports ? null : join(this.reports, file);
      const incident = `${incidentOf(view)}/audit`;
      return [{ event: 'audit', ...outcome, report, incident, text: auditText(outcome) }];
    });
  }

  #night({ night, command }: View): Happened[] {
    const { steps = [], frozenAt = null } = night ?? {};
    const before = this.#steps;
    this.#steps = steps.map(({ state }) => state);
    return steps.flatMap(({ name: step, does, state: now, seconds }, i): Happened[] => {
      // What an earlier run has done is done without having taken any time.
      if (now === 'to do' || now === before[i] || (now !== 'now' && seconds === null)) return [];
      const state = now === 'now' ? 'begun' : now;
      const took = now === 'now' ? null : seconds;
      const place = `[${i + 1}/${steps.length}] ${step}`;
      const text = now === 'now' ? `${command} ${place}: ${does}` : `${command} ${place}: ${state}`;
      const number = { number: i + 1, of: steps.length };
      return [
        { event: 'step', step, ...number, state, seconds: took, frozenAt, incident: null, text },
      ];
    });
  }
}

function troubleText({ message, hint, code }: Trouble): string {
  return `${message} [${code}].${hint === null ? '' : ` ${hint}`}`;
}

function auditText({
  result,
  keys,
  differences,
  seconds,
  message,
}: Omit<View['audits'][number], 'at' | 'file'>): string {
  const why = message === null ? '' : `: ${message}`;
  if (result === 'failed') return `The audit could not be carried through${why}.`;
  const found = result === 'equal' ? '' : `; ${count(differences)} differences`;
  return `Audit: ${result.toUpperCase()}, ${count(keys)} keys in ${duration(seconds)}${found}${why}.`;
}
