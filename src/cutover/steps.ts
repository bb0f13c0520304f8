/** The steps of a cutover and of a rollback, as they are told to whoever stands by. */
import type { OnNightEvent } from './nightevents.js';

export interface StepText {
  /** `drain` */
  name: string;
  does: string;
  waitsFor: string;
  /** What it would mean to stop here. */
  ifAborted: string;
}

/** One step, when it begins. */
export interface NightStep extends StepText {
  number: number;
  of: number;
  /** Since writes are refused; null while they are not, or nobody knows since when. */
  frozenSeconds: number | null;
}

/** How long a step has taken. */
export interface StepTime {
  step: string;
  seconds: number;
}

/** Tells each step as it begins and ends, and keeps how long each has taken. */
export class StepTeller {
  readonly times: StepTime[] = [];
  #frozenAt: number | undefined;
  #thawedAt: number | undefined;

  constructor(
    private readonly all: readonly StepText[],
    private readonly onEvent: OnNightEvent,
  ) {}

  /** @param at when writes were found to be refused by every apiserver, in ms of Date.now() */
  frozen(at: number): void {
    if (this.#frozenAt !== undefined) return;
    this.#frozenAt = at;
    this.onEvent({ kind: 'frozen', at: new Date(at) });
  }

  thawed(): void {
    this.#thawedAt = Date.now();
    this.onEvent({ kind: 'thawed', at: new Date(this.#thawedAt) });
  }

  get frozenSeconds(): number | null {
    if (this.#frozenAt === undefined) return null;
    return ((this.#thawedAt ?? Date.now()) - this.#frozenAt) / 1000;
  }

  /** How long these steps have taken together, in seconds. */
  took(...names: string[]): number {
    const some = this.times.filter(({ step }) => names.includes(step));
    return some.reduce((sum, { seconds }) => sum + seconds, 0);
  }

  async step<T>(name: string, run: () => Promise<T>): Promise<T> {
    const number = this.all.findIndex((text) => text.name === name) + 1;
    const text = this.all[number - 1];
    if (!text) throw new Error(`there is no step ${name}`);
    const frozenSeconds = this.#thawedAt === undefined ? this.frozenSeconds : null;
    this.onEvent({ kind: 'step', step: { ...text, number, of: this.all.length, frozenSeconds } });
    const started = performance.now();
    const ended = (failed: boolean) => {
      const seconds = (performance.now() - started) / 1000;
      this.onEvent({ kind: 'step ended', step: name, seconds, failed });
      return { step: name, seconds };
    };
    try {
      const result = await run();
      this.times.push(ended(false));
      return result;
    } catch (error) {
      ended(true);
      throw error;
    }
  }
}
