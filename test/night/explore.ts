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

export class Exploration {
  nights = 0;
  readonly findings = new Map<Rule, Finding>();

  constructor(private readonly scenario: Scenario) {}

  /**
   * Every night with so many deviations and fewer; the fewer first, so that what is found is short.
   * @param kinds what may be the first deviation, what the second, …
   */
  async explore(kinds: readonly (readonly Happening['kind'][])[]): Promise<void> {
    let plans = await this.#play([], kinds[0]);
    for (const more of [...kinds.slice(1), undefined]) {
      const longer: At[][] = [];
      for (const plan of plans) longer.push(...(await this.#play(plan, more)));
      plans = longer;
    }
  }

  /** @returns the plans with one deviation more, behind the last */
  async #play(plan: At[], more: readonly Happening['kind'][] = []): Promise<At[][]> {
    const night = new Night(this.scenario, plan);
    this.nights++;
    await night.play();
    for (const { rule, what } of night.violations)
      if (!this.findings.has(rule))
        this.findings.set(rule, { rule, what, plan, trace: night.trace });
    const from = (plan.at(-1)?.step ?? -1) + 1;
    return night.options.flatMap((options, step) =>
      step < from
        ? []
        : options
            .filter(({ kind }) => more.includes(kind))
            .map((what) => [...plan, { step, what }]),
    );
  }
}
