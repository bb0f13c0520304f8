/** Alarms of a night: told as they come; of a run that lasts for days only the first are kept. */
import type { OnNightEvent } from './nightevents.js';

const MAX_KEPT = 100;

export class Alarms {
  count = 0;
  readonly #kept: string[] = [];

  constructor(private readonly onEvent: OnNightEvent) {}

  raise(text: string): void {
    this.count++;
    if (this.#kept.length < MAX_KEPT) this.#kept.push(text);
    this.onEvent({ kind: 'alarm', alarm: text });
  }

  /** The first of them, and how many more there were. */
  get list(): string[] {
    const more = this.count - this.#kept.length;
    return more > 0 ? [...this.#kept, `and ${more} more, told as they came`] : [...this.#kept];
  }
}
