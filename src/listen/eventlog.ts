/** The last things that a command has logged, for who looks in only now. */
import type { View } from './view.js';

type Level = View['events'][number]['level'];

const KEPT = 50;
/** A message may name many keys; who needs all of it reads the log. */
const MAX_CHARACTERS = 2000;

export class EventLog {
  readonly #newest: View['events'] = [];
  readonly #hearing: ((level: Level, text: string) => void)[] = [];

  /** @param hears of each as it comes, from now on */
  hear(hears: (level: Level, text: string) => void): void {
    this.#hearing.push(hears);
  }

  add(level: Level, text: string): void {
    const cut = text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text;
    this.#newest.unshift({ at: new Date().toISOString(), level, text: cut });
    this.#newest.splice(KEPT);
    for (const hears of this.#hearing) hears(level, cut);
  }

  /** Newest first. */
  get newest(): View['events'] {
    return [...this.#newest];
  }
}
