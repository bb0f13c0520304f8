/** Every night of a scenario in which not more than so many things go wrong. */
import { Night, type At, type Happening, type Scenario } from './night.js';
import type { Rule } from './rules.js';

/** The shortest night that breaks a rule. */
export interface Finding {
  rule: Rule;
  what: string;
  plan: readonly At[];
  trace: readonly string[];
}

/** One thing that may go wrong. */
export interface Deviation {
  kinds: readonly Happening['kind'][];
  /** Only before calls with such a label; undefined: before any. */
  before?: RegExp;
}

/** Of all the longest plans this one and each so many further on, so that all of them have their turn. */
export interface Share {
  of: number;
  turn: number;
}

const ALL: Share = { of: 1, turn: 0 };

export class Exploration {
  nights = 0;
  readonly findings = new Map<Rule, Finding>();

  constructor(private readonly scenario: Scenario) {}

  /**
   * Every night with so many deviations and fewer; the fewer first, so that what is found is short.
   * @param deviations what may be the first, what the second, …
   */
  async explore(deviations: readonly Deviation[], { of, turn }: Share = ALL): Promise<void> {
    let plans: At[][] = [[]];
    for (const [i, one] of [...deviations, undefined].entries()) {
      const longer: At[][] = [];
      for (const plan of plans) longer.push(...(await this.#play(plan, one)));
      const isLast = i === deviations.length - 1;
      plans = isLast ? longer.filter((plan, at) => (sumOf(plan) + at) % of === turn % of) : longer;
    }
  }

  /** @returns the plans with one deviation more, behind the last */
  async #play(plan: At[], more: Deviation | undefined): Promise<At[][]> {
    const night = new Night(this.scenario, plan);
    this.nights++;
    await night.play();
    for (const { rule, what } of night.violations)
      if (!this.findings.has(rule))
        this.findings.set(rule, { rule, what, plan, trace: night.trace });
    if (!more) return [];
    const from = (plan.at(-1)?.step ?? -1) + 1;
    return night.options.flatMap(({ label, may }, step) =>
      step < from || more.before?.test(label) === false
        ? []
        : may
            .filter(({ kind }) => more.kinds.includes(kind))
            .map((what) => [...plan, { step, what }]),
    );
  }
}

/** What comes in the same place at one step comes in another one at the next. */
function sumOf(plan: readonly At[]): number {
  return plan.reduce((sum, { step }) => sum + step, 0);
}
