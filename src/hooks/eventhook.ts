/**
 * One hook: told one event after the other, in their order, by a task of its own.
 *
 *     tell() ─► queue ─► one at a time ─► command or server
 *
 * Whoever tells never waits, and never hears of a failure: a hook that hangs, fails or is gone is a warning in
 * the log, once until it works again. An event that could not be told is not told later: by then others say
 * how things are.
 */
import type { OnNote } from '../async/patience.js';
import { count } from '../text.js';
import type { Told } from './events.js';
import { Queue } from './queue.js';

/** @returns how it failed; nothing if it did not */
export type Deliver = (told: Told, body: string, signal: AbortSignal) => Promise<string>;

/** At the end of the command: what has not been told by then stays untold. */
const GRACE_MS = 5000;

export class EventHook {
  readonly #queue = new Queue();
  readonly #over = new AbortController();
  #underWay = new AbortController();
  #working: Promise<void> | undefined;
  /** In a row, as they are told of at the first only. */
  #failed = 0;
  #overflows = false;

  /** @param name for the log: holds no secret */
  constructor(
    readonly name: string,
    private readonly deliver: Deliver,
    private readonly onNote: OnNote,
  ) {}

  tell(told: Told): void {
    if (this.#queue.push(told) && !this.#overflows) {
      this.#overflows = true;
      this.onNote(
        `${this.name} is too slow: of what it was to be told the oldest is dropped, alarms last`,
        true,
      );
    }
    this.#working ??= this.#work();
  }

  /**
   * Tells it one event, and waits for how that goes; before all others.
   * @returns how it failed; nothing if it did not
   */
  async try(told: Told): Promise<string> {
    return this.#deliver(told, JSON.stringify({ ...told, dropped: 0 }));
  }

  /** Waits until all is told, for so long at the most. The half of it is for what is kept alone. */
  async end(graceMs = GRACE_MS): Promise<void> {
    const hurry = setTimeout(() => {
      this.#queue.hurry();
      this.#underWay.abort();
    }, graceMs / 2);
    const late = setTimeout(() => {
      this.#over.abort();
      this.#underWay.abort();
    }, graceMs);
    await this.#working;
    clearTimeout(hurry);
    clearTimeout(late);
    const untold = this.#queue.size + this.#queue.takeDropped() + this.#failed;
    if (untold > 0)
      this.onNote(`${this.name}: events that were not told in the end: ${count(untold)}`, true);
  }

  async #work(): Promise<void> {
    // What is told in the same moment is all there by then.
    await Promise.resolve();
    while (!this.#over.signal.aborted) {
      const dropped = this.#queue.takeDropped();
      const told = this.#queue.take();
      if (!told) break;
      this.#underWay = new AbortController();
      const body = JSON.stringify({ ...told, dropped });
      this.#result(told, await this.#deliver(told, body), dropped);
    }
    this.#working = undefined;
  }

  /** A bug in here must not end what it tells of. */
  async #deliver(told: Told, body: string): Promise<string> {
    try {
      return await this.deliver(told, body, this.#underWay.signal);
    } catch (error) {
      return `this is a bug in etcd-lockstep (${String(error)})`;
    }
  }

  #result({ event }: Told, failed: string, dropped: number): void {
    if (failed !== '') {
      if (this.#failed++ === 0)
        this.onNote(
          `${this.name} could not be told of ${event}: ${failed}. Further failures are not logged until it works again`,
          true,
        );
      return;
    }
    if (this.#failed > 0)
      this.onNote(`${this.name} works again; ${count(this.#failed)} events could not be told`);
    if (dropped > 0) this.onNote(`${this.name}: ${count(dropped)} events were dropped`);
    this.#failed = 0;
    this.#overflows = false;
  }
}
