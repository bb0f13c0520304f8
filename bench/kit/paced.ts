/** Writes at a steady rate until it is ended, and how long each took. */
import { setTimeout as sleep } from 'node:timers/promises';

const TICK_MS = 5;

export class Paced {
  readonly #perSecond: number;
  readonly #write: (i: number) => Promise<unknown>;
  readonly #done: Promise<void>;
  #ended = false;
  #ms: number[] = [];
  /** Writes that got an error for their answer, or none; they are in the times, too. */
  failed = 0;

  /** Starts at once. Nobody waits for an answer before the next write is due. */
  constructor(perSecond: number, write: (i: number) => Promise<unknown>) {
    this.#perSecond = perSecond;
    this.#write = write;
    this.#done = this.#run();
  }

  /** Of the writes that were answered since this was last asked, in ms. */
  take(): number[] {
    const ms = this.#ms;
    this.#ms = [];
    return ms;
  }

  async end(): Promise<number[]> {
    this.#ended = true;
    await this.#done;
    return this.take();
  }

  async #run(): Promise<void> {
    const started = performance.now();
    const writes: Promise<void>[] = [];
    while (!this.#ended) {
      const due = Math.floor(((performance.now() - started) / 1000) * this.#perSecond);
      while (writes.length < due) writes.push(this.#timed(writes.length));
      await sleep(TICK_MS);
    }
    await Promise.all(writes);
  }

  async #timed(i: number): Promise<void> {
    const sent = performance.now();
    await this.#write(i).catch(() => this.failed++);
    this.#ms.push(performance.now() - sent);
  }
}
