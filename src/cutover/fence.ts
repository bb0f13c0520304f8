/**
 * The fence: the target's head stays above the source's until the last apiserver has moved.
 *
 * A client that holds a revision above the head of the etcd that now serves it loses, without an
 * error, every event up to that revision. Clients get revisions from the source for as long as one
 * apiserver still serves from it, and other resources go on raising the source's head. So it is not
 * enough to raise the target's head once: it is kept ahead, by a margin and by what the source
 * would write in the time that somebody needs to start us again.
 */
import { createdAt } from '../lockstep/txn.js';
import { CUTOVER_KEY, type StoredCutover } from '../cutoverstate.js';
import type { Revision } from '../mvcc/revision.js';
import { Rate } from '../status/progress.js';
import { repeat } from '../tasks.js';
import type { EtcdClient } from '../wire/client.js';
import { raiseHead } from './fillers.js';
import { gone } from './phase.js';
import { askHeads, type Heads } from './serving.js';

/**
 * With so much of it the fence stands, and apiservers may be moved; the rest is written while they are,
 * so that the freeze need not wait for it.
 */
export const FIRST_REVISIONS = 300;
/** For so long the fence holds without us, at the rate at which the source is written. */
const RESERVE_SECONDS = 60;
const POLL_MS = 100;

export class Fence {
  #heads: Heads | undefined;
  #overtaken: Heads | undefined;
  readonly #rate = new Rate();

  /**
   * @param key one of the source that the user may read
   * @param margin revisions above the source's head
   */
  constructor(
    private readonly source: EtcdClient,
    private readonly target: EtcdClient,
    private readonly cutover: StoredCutover,
    private readonly key: Buffer,
    readonly margin: number,
  ) {}

  /** As they were asked last. */
  get heads(): Heads | undefined {
    return this.#heads;
  }

  /**
   * The heads when the target's was first found not to be above the source's, after it had been: then
   * a client may hold a revision that the target had not reached.
   */
  get overtaken(): Heads | undefined {
    return this.#overtaken;
  }

  /**
   * Raises the target's head to the margin; takes a second for each few thousand revisions.
   * @param margin only so much of it
   */
  async raise(signal: AbortSignal, margin = this.margin): Promise<Heads> {
    const { source, target } = await this.ask();
    if (target < source + margin) await this.#raiseTo(source + margin, signal);
    return this.ask();
  }

  /** Raises it to where it is safe to begin, however large the margin. */
  async begin(signal: AbortSignal): Promise<void> {
    await this.raise(signal, Math.min(this.margin, FIRST_REVISIONS));
  }

  /** Keeps it there until `signal` aborts, and builds up the reserve. */
  async keep(signal: AbortSignal): Promise<void> {
    await repeat(POLL_MS, signal, async () => {
      const { source, target } = await this.ask();
      if (target <= source) this.#overtaken ??= { source, target };
      const reserve = Math.round(this.#rate.per(source) * RESERVE_SECONDS);
      const goal = source + this.margin + reserve;
      // In steps, so that the source's head is not out of sight for long.
      if (target < goal) await this.#raiseTo(Math.min(goal, target + this.margin), signal);
    });
  }

  async ask(): Promise<Heads> {
    this.#heads = await askHeads(this.source, this.target, this.key);
    return this.#heads;
  }

  async #raiseTo(goal: Revision, signal: AbortSignal): Promise<void> {
    const guard = [createdAt(CUTOVER_KEY, this.cutover.exact + 1)];
    const { held } = await raiseHead(this.target, goal, guard, signal);
    if (!held) throw gone();
  }
}

/** What that means, for people. */
export function overtakenText({ source, target }: Heads): string {
  return `the fence was overtaken: the source's head was ${source}, the target's ${target}. If an apiserver had moved by then, clients that listed through another one meanwhile may miss events: restart them`;
}
