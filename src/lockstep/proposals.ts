/**
 * By proposals: whole runs of revisions, data and fillers alike, handed to the target's raft in one message.
 *
 *     queue ─► batch ─► peer port ─► raft's log ─► applied one by one ─► the chain moves
 *                                                                            │
 *     room for more ◄── confirmed ◄── a linearizable read of the chain ◄─────┘
 *
 * raft appends the entries of a message together and in their order, and one message is handed over after
 * the other, so the line of writes is the line of the log. Each entry is a transaction of its own, guarded
 * by the link of the one before (target/chain.ts): in its turn that always holds; late, twice, behind a
 * write that was lost or behind somebody else's it never does, and then all that follow do nothing either.
 * So there is nothing to be sent again and nothing that could overtake: a batch has effect up to some
 * entry, and behind that none.
 *
 * That a batch was taken says nothing. Where lockstep stands is what the chain says in a linearizable read;
 * the same read has the head, which must be where the chain is.
 *
 * Given up is what does not show in time: raft drops entries without a word while it has no leader, where
 * a queue between members is full, where no space, lease or permission is left. Then apply takes stock, and
 * the first write of the next term, alone and by the client API, says which it was; it makes all void that
 * may still come.
 *
 * The invariant: nothing lands but at the revision that it was meant for, save one write behind somebody
 * else's; the read that sees it ends the work.
 *
 * Tried and dropped: a guard by the chain's mod_revision alone. Behind somebody else's write the entry for r
 * lands at r + 1, and the one for r + 2 takes it for its own predecessor.
 */
import { Wakeup } from '../async/wakeup.js';
import { LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { Revision } from '../mvcc/revision.js';
import { proven, type Position } from '../position.js';
import type { Link } from '../target/chain.js';
import type { Chained } from '../target/guard.js';
import type { ChainStanding, PeerPort } from '../target/peerport.js';
import { foreignBehind, foreignWrite } from '../target/stock.js';
import { bytesOf, type Data } from './stage.js';
import { GuardFailed, worst, type Way, type WayOptions } from './way.js';
import type { Amount, Window } from './window.js';

/** Of records that wait to be handed over, and how many revisions they may be. */
const MAX_QUEUED_BYTES = 2 * 1024 * 1024;
const MAX_QUEUED = 2048;

interface ProposalsOptions extends WayOptions {
  window: Window;
}

export class Proposals implements Way {
  readonly chained = true;
  readonly #term: string;
  readonly #moved = new Wakeup();
  readonly #errors: unknown[] = [];
  readonly #work: Promise<void>[];
  /** Data that waits, and data that was handed over, each in its order; what lies between is fillers. */
  readonly #queued: Data[] = [];
  readonly #unconfirmed: Data[] = [];
  #queuedBytes = 0;
  #unconfirmedBytes = 0;
  /** The last revision that may be handed over, that was, and that is confirmed. */
  #end: Revision;
  #sent: Revision;
  #confirmed: Revision;
  #sending = true;
  /** Who waits with it is woken at the end, too. */
  readonly #never = new AbortController().signal;

  /** @param first the link that the term began with, which has landed */
  constructor(
    private readonly port: PeerPort,
    private readonly first: Link,
    private readonly options: ProposalsOptions,
  ) {
    this.#term = first.term;
    this.#end = this.#sent = this.#confirmed = first.revision;
    options.window.begin();
    this.#work = [this.#watched(this.#send()), this.#watched(this.#confirm())];
  }

  get position(): Position {
    return proven(this.#confirmed);
  }

  fill(end: Revision, dataFollows: boolean): number {
    const more = Math.max(0, end - this.#end);
    this.#end += more;
    // With the data in one message they are in raft's log by one fsync.
    if (more > 0 && !dataFollows) this.#moved.wake();
    return more;
  }

  async write(data: Data): Promise<void> {
    this.#queued.push(data);
    this.#queuedBytes += bytesOf(data);
    this.#end = data.revision;
    this.#moved.wake();
    const { stopped } = this.options;
    while (!this.#hasRoom() && !stopped.aborted)
      await this.#moved.after(this.#moved.generation, stopped);
  }

  async settle(): Promise<void> {
    await Promise.all(this.#work);
    if (this.#errors.length > 0) throw worst(this.#errors);
  }

  #hasRoom(): boolean {
    return this.#queued.length < MAX_QUEUED && this.#queuedBytes < MAX_QUEUED_BYTES;
  }

  async #watched(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#errors.push(error);
      this.options.stop();
    }
    this.#moved.wake();
  }

  async #send(): Promise<void> {
    const { stopped, window, throttle } = this.options;
    const isOver = () => stopped.aborted;
    try {
      while (!isOver()) {
        const seen = this.#moved.generation;
        if (!this.#next()) {
          await this.#moved.after(seen, stopped);
          continue;
        }
        await throttle.turn(stopped);
        await window.gather(this.#waiting, this.#unconfirmedAmount);
        if (isOver()) return;
        const batch = this.#nextBatch();
        // Meanwhile the window may have become narrower than what is unconfirmed.
        if (batch.length === 0) continue;
        this.#moved.wake();
        failpoint('lockstep.proposals.send');
        await this.port.propose(batch);
        failpoint('lockstep.proposals.sent');
        window.sent(this.#sent);
      }
    } finally {
      this.#sending = false;
    }
  }

  /** What may be handed over in one message. */
  #nextBatch(): Chained[] {
    const { window, throttle } = this.options;
    const batch: Chained[] = [];
    let bytes = 0;
    for (let next = this.#next(); next && throttle.take(1) > 0; next = this.#next()) {
      const { data, size } = next;
      if (data) {
        this.#queued.shift();
        this.#queuedBytes -= size;
        this.#unconfirmed.push(data);
        this.#unconfirmedBytes += size;
      }
      this.#sent++;
      batch.push({ link: { term: this.#term, revision: this.#sent }, data });
      bytes += size;
      if (window.isWhole({ entries: batch.length, bytes })) break;
    }
    return batch;
  }

  /** The next write, if it may be handed over now. */
  #next(): { data: Data | undefined; size: number } | undefined {
    const unconfirmed = this.#unconfirmedAmount;
    if (this.#sent === this.#end) return undefined;
    // The first one goes alone: it shows whether the port is the target's at all.
    const isFirst = this.#confirmed === this.first.revision;
    const hasRoom = isFirst ? unconfirmed.entries === 0 : this.options.window.hasRoom(unconfirmed);
    if (!hasRoom) return undefined;
    const [queued] = this.#queued;
    const data = queued?.revision === this.#sent + 1 ? queued : undefined;
    return { data, size: data ? bytesOf(data) : 0 };
  }

  get #unconfirmedAmount(): Amount {
    return { entries: this.#sent - this.#confirmed, bytes: this.#unconfirmedBytes };
  }

  get #waiting(): Amount {
    return { entries: this.#end - this.#sent, bytes: this.#queuedBytes };
  }

  /** Until nothing is handed over any more and all that was is confirmed. */
  async #confirm(): Promise<void> {
    const { window } = this.options;
    while (await this.#hasUnconfirmed()) {
      await window.rest();
      const [asked, before] = [performance.now(), this.#confirmed];
      const unconfirmed = this.#unconfirmedAmount;
      this.#judge(await this.port.look());
      const [tookMs, moved] = [performance.now() - asked, this.#confirmed > before];
      if (window.looked(this.#confirmed, { moved, unconfirmed, tookMs })) throw lost(this.port);
      if (moved) failpoint('lockstep.proposals.confirmed');
    }
  }

  async #hasUnconfirmed(): Promise<boolean> {
    while (this.#errors.length === 0) {
      if (this.#sent > this.#confirmed) return true;
      if (!this.#sending) return false;
      await this.#moved.after(this.#moved.generation, this.#never);
    }
    return false;
  }

  /**
   * @throws GuardFailed where another term has begun
   * @throws LockstepError TARGET_FOREIGN_WRITE
   */
  #judge({ head, chainMod, link }: ChainStanding): void {
    if (link?.term !== this.#term) throw new GuardFailed();
    const { revision } = link;
    if (revision !== chainMod) throw foreignWrite(revision, chainMod);
    if (head !== chainMod) throw foreignBehind(chainMod, head);
    // It was restored from an older state, or from a newer one of another's.
    if (revision < this.#confirmed || revision > this.#sent) throw new GuardFailed();
    while (this.#confirmed < revision) {
      const data = this.#unconfirmed[0];
      this.#confirmed++;
      if (data?.revision !== this.#confirmed) this.options.onLanded('filler');
      else {
        this.#unconfirmed.shift();
        this.#unconfirmedBytes -= bytesOf(data);
        this.options.onLanded(data);
      }
    }
    this.#moved.wake();
  }
}

function lost({ where }: PeerPort): LockstepError {
  return new LockstepError('PEER_PORT', `what was handed to ${where} does not show on the target`, {
    hint: 'Is it a peer port of the target, and does every change there need a user (then give --dest-user root)?',
  });
}
