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
import { LockstepError } from '../errors.js';
import type { Revision } from '../mvcc/revision.js';
import { Rate } from '../status/progress.js';
import { repeat } from '../tasks.js';
import type { EtcdClient } from '../wire/client.js';
import { raiseHead } from './fillers.js';

/** So far above the source's head the target's is at the least, once the fence stands. */
export const DEFAULT_MARGIN = 1000;
/** For so long the fence holds without us, at the rate at which the source is written. */
const RESERVE_SECONDS = 60;
const POLL_MS = 100;

export interface Heads {
  source: Revision;
  target: Revision;
}

export class Fence {
  #heads: Heads | undefined;
  #overtaken: Heads | undefined;
  readonly #rate = new Rate();

  /**
   * @param keys one key of each side that the user may read
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

  /** Raises the target's head to the margin; takes a second for each few thousand revisions. */
  async raise(signal: AbortSignal): Promise<Heads> {
    const heads = await this.ask();
    return heads.target >= heads.source + this.margin
      ? heads
      : this.#raiseTo(heads.source + this.margin, signal);
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

  /** The source first: the target's head only rises. */
  async ask(): Promise<Heads> {
    const { revision: source } = await this.source.head(this.key);
    const { revision: target } = await this.target.head(CUTOVER_KEY);
    this.#heads = { source, target };
    return this.#heads;
  }

  async #raiseTo(goal: Revision, signal: AbortSignal): Promise<Heads> {
    const guard = [createdAt(CUTOVER_KEY, this.cutover.exact + 1)];
    const { head, held } = await raiseHead(this.target, goal, guard, signal);
    if (!held) throw replaced();
    this.#heads = { source: this.#heads?.source ?? 0, target: head };
    return this.#heads;
  }
}

function replaced(): LockstepError {
  return new LockstepError('TARGET_NOT_OURS', "the cutover's state on the target is gone", {
    disposition: 'fatal',
    hint: 'The target was restored or retired under the cutover. Check --dest-endpoints.',
  });
}
