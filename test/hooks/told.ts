/** A hook that writes down what it is told, and whoever waits for that. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import type { EventName } from '../../src/hooks/events.js';
import { hookEvent } from '../cli/contract.js';
import { whole } from '../cli/run.js';
import { until } from '../cutover/pair.js';

export type HookEvent = z.infer<typeof hookEvent>;

export class Book {
  readonly #file: string;

  constructor(dir: string) {
    this.#file = join(dir, `told-${Book.#made++}`);
  }

  static #made = 0;

  /** For `--on-event`. */
  get command(): string {
    return `cat >> '${this.#file}'`;
  }

  get text(): string {
    return existsSync(this.#file) ? readFileSync(this.#file, 'utf8') : '';
  }

  /** All so far, each held to the contract. */
  get events(): HookEvent[] {
    return whole(this.text).map((line) => hookEvent.parse(line));
  }

  get names(): EventName[] {
    return this.events.map(({ event }) => event);
  }

  /** Waits for one of this kind, the last of which is so. */
  async heard<N extends EventName>(
    name: N,
    is: (one: HookEvent & { event: N }) => boolean = () => true,
  ): Promise<HookEvent & { event: N }> {
    const found = () =>
      this.events.find((one): one is HookEvent & { event: N } => {
        return one.event === name && is(one as HookEvent & { event: N });
      });
    await until(() => found() !== undefined);
    return found()!;
  }
}
