/**
 * The fence: the target's head stays above the source's until the last apiserver has moved.
 *
 * A client that holds a revision above the head of the etcd that now serves it loses, without an
 * error, every event up to that revision. Clients get revisions from the source for as long as one
 * apiserver still serves from it, and other resources go on raising the source's head. So it is not
 * enough to raise the target's head once: it is kept ahead, by a margin and by what the source
 * would write in the time that somebody needs to start us again.
 */
import { repeat } from '../async/again.js';
import type { Attempts } from '../async/patience.js';
import type { Revision } from '../mvcc/revision.js';
import type { Heads } from '../proof/servedfrom.js';
import { Rate } from '../rate.js';
import type { Claim } from '../target/claim.js';
import type { RaisingPort } from '../target/peerport.js';
import type { EtcdClient } from '../wire/client.js';
import type { Alarms } from './alarms.js';
import { raiseHead } from '../target/fillers.js';
import { proposeFillers } from './proposedfillers.js';
import type { OnNightEvent } from './nightevents.js';

/**
 * With so much of it the fence stands, and apiservers may be moved; the rest is written while they are,
 * so that the freeze need not wait for it.
 */
export const FIRST_REVISIONS = 300;
/** For so long the fence holds without us, at the rate at which the source is written. */
const RESERVE_SECONDS = 60;
const POLL_MS = 100;

interface FenceOptions {
  source: EtcdClient;
  target: EtcdClient;
  /** Who has lost the night raises nothing any more. */
  claim: Claim;
  /** One of the source that the user may read. */
  key: Buffer;
  /** Revisions above the source's head. */
  margin: number;
  /** Raised once, when the target's head is found not to be above the source's after it had been. */
  alarms: Alarms;
  onEvent: OnNightEvent;
  tell: Attempts;
  /** Takes many fillers at once; by transactions unless given. */
  port?: RaisingPort | undefined;
}

export class Fence {
  #heads: Heads | undefined;
  #overtaken = false;
  /** It has been raised. */
  #stands = false;
  /** See {@link end}. */
  #over = false;
  readonly #rate = new Rate();
  #port: RaisingPort | undefined;

  constructor(private readonly o: FenceOptions) {
    this.#port = o.port;
  }

  /** As they were asked last. */
  get heads(): Heads | undefined {
    return this.#heads;
  }

  /**
   * Raises the target's head to the margin; takes a second for each few thousand revisions.
   * @param margin only so much of it
   * @throws the signal's reason; LockstepError OTHER_RUN as {@link keep}
   */
  async raise(signal: AbortSignal, margin = this.o.margin): Promise<Heads> {
    const { source, target } = await this.ask();
    if (target < source + margin) await this.#raiseTo(source + margin, signal);
    // Stopped on the way it does not stand yet, and cannot be overtaken.
    signal.throwIfAborted();
    this.#stands = true;
    return this.ask();
  }

  /** Raises it to where it is safe to begin, however large the margin. */
  async begin(signal: AbortSignal): Promise<void> {
    await this.raise(signal, Math.min(this.o.margin, FIRST_REVISIONS));
  }

  /**
   * Keeps it there until `signal` aborts, and builds up the reserve.
   * @throws LockstepError OTHER_RUN where another run has the night now
   */
  async keep(signal: AbortSignal): Promise<void> {
    const { margin, tell } = this.o;
    this.#stands = true;
    const once = async () => {
      const { source, target } = await this.ask();
      const reserve = Math.round(this.#rate.per(source) * RESERVE_SECONDS);
      const goal = source + margin + reserve;
      // In steps, so that the source's head is not out of sight for long.
      if (target < goal) await this.#raiseTo(Math.min(goal, target + margin), signal);
    };
    await repeat(POLL_MS, signal, once, tell);
  }

  /**
   * Whether it stands now. That it is kept proves nothing: this process may have stood still, or the target
   * may not take what {@link keep} writes.
   */
  async holds(): Promise<boolean> {
    const { source, target } = await this.ask();
    return target > source;
  }

  /** Every apiserver has moved: from now on the source's head may pass the target's. */
  end(): void {
    this.#over = true;
  }

  /** Both heads now, the source's first. @throws LockstepError OTHER_RUN as {@link keep} */
  async ask(): Promise<Heads> {
    const { source, claim, key } = this.o;
    const { revision } = await source.head(key);
    const heads = { source: revision, target: await claim.check() };
    this.#heads = heads;
    if (this.#stands) this.#tell(heads);
    return heads;
  }

  #tell(heads: Heads): void {
    const { alarms, onEvent } = this.o;
    const ahead = heads.target - heads.source;
    onEvent({ kind: 'heads', heads, ahead });
    if (ahead > 0 || this.#over || this.#overtaken) return;
    this.#overtaken = true;
    alarms.raise(overtakenText(heads));
  }

  async #raiseTo(goal: Revision, signal: AbortSignal): Promise<void> {
    const { target, claim, tell } = this.o;
    const guard = [claim.guard];
    // What does not do once is not tried again in this night.
    if (this.#port && !(await proposeFillers(target, this.#port, goal, guard, signal)))
      this.#port = undefined;
    const { held } = await raiseHead(target, goal, guard, signal, tell);
    if (!held) await claim.check();
  }
}

/** What it means that a client may hold a revision that the target had not reached. */
export function overtakenText({ source, target }: Heads): string {
  return `the fence was overtaken: the source's head was ${source}, the target's ${target}. If an apiserver had moved by then, clients that listed through another one meanwhile may miss events: restart them`;
}
