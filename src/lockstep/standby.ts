/**
 * A standby: one of two followers, which writes only while the other one does not.
 *
 * Both run the same. Each captures the source into a journal of its own all the time, looks at the target
 * twice a second, and has its turn:
 *
 *     stand by ──(the target stands still, and the journal has what comes next)──► turn: apply.ts
 *         ▲                                                                           │
 *         └──────────(the cursor bears another's name, or the target moves)───────────┘
 *
 * Nobody is asked whether the other one lives: what counts is whether the target moves. So one that is alive
 * and cannot write is relieved, and one that is slow and does write is not.
 *
 * The invariant is not kept here: that two who write do no harm is said by terms and guards (apply.ts). Here
 * it is only seen to that they do not take it from each other all the time. So a turn begins only where
 *   - for the whole of `afterMs` each look was answered, and found the target where it was;
 *   - for all that time the source answered, and the journal had more than the target. A target that does
 *     not answer, a source that is silent, or nothing to do, is no sign of a dead follower;
 *   - the first write finds it still there, and soon: a stock that shows another place, or comes late, ends
 *     the turn before it has begun. Guarded as it is, that write lands on what the stock has shown.
 * A base that bears nobody's name yet is begun at once; of two that do, the second one's guard fails.
 *
 * Each look counts for no more than a second: a process that was stopped for an hour has not watched for an
 * hour. Whoever has lost the target waits for all of the time again, with some jitter, as two might stand by.
 *
 * Tried and dropped: a lease or a key as a lock. On the target both cost revisions that are the source's, and
 * a lock says who holds it, not whether the target comes on.
 */
import { repeat } from '../async/again.js';
import type { OnNote } from '../async/patience.js';
import { Wakeup } from '../async/wakeup.js';
import { hasCode, type LockstepError } from '../errors.js';
import type { Journal } from '../journal/journal.js';
import type { Revision } from '../mvcc/revision.js';
import type { Position } from '../position.js';
import { otherFollower, takeStock, type Identity, type Stock } from '../target/stock.js';
import type { Target } from '../target/target.js';
import { duration } from '../text.js';
import type { Applier } from './apply.js';
import { behindJournal } from './feed.js';
import { LagClock } from './lag.js';
import type { SourceHead } from './sourcehead.js';
import type { TargetTrouble } from './targettrouble.js';

/** For status, metrics and page. */
export interface StandbyStatus {
  /** Whether it is the one that writes, as far as it knows. */
  active: boolean;
  /** Its own id, as a cursor names who has written it. */
  follower: string;
  /** Whom the target's cursor named at the last look; null: nobody, or it has not answered yet. */
  named: string | null;
  /** So long the target stands still although the journal has more; 0 while it moves, or this one writes. */
  stillSeconds: number;
  /** How far the journal is behind the source. */
  journalLagSeconds: number;
  /** How often it has begun to write since it was started. */
  turns: number;
}

interface StandbyOptions {
  /** How long the target stands still before it is taken over, in milliseconds. */
  afterMs: number;
  applier: Applier;
  target: Target;
  /** What the target must be a copy of. */
  identity: Identity;
  journal: Pick<Journal, 'position' | 'state'>;
  head: SourceHead;
  trouble: TargetTrouble;
  /** A look at the target failed in a way that passes. */
  failed: (error: LockstepError) => void;
  /** A turn has ended: nothing of the target is ours any more. */
  onTurnOver: () => void;
  onNote: OnNote;
}

const LOOK_MS = 500;
/** A look vouches for so much of the time since the one before it, and no more. */
const VOUCHED_MS = 2 * LOOK_MS;
/** A turn whose first stock comes later has been held up: meanwhile the other one may be well again. */
const FRESH_MS = 5000;
/** Of the time that is waited: so much more at the most. */
const JITTER = 0.25;

export class Standby {
  /** The source's heads, for the journal: the pipeline's own clock is asked about the target. */
  readonly #captured = new LagClock();
  readonly #looked = new Wakeup();
  #position: Position | undefined;
  #named: string | null = null;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #stillMs = 0;
  #waitMs = 0;
  /** Where it was decided to begin a turn, and when. */
  #due: { position: Position; ms: number } | undefined;
  #turn: AbortController | undefined;
  /** Why it could not take over, and where the target stood then. */
  #unfit: { error: LockstepError; at: Revision | undefined } | undefined;
  #turns = 0;

  constructor(private readonly o: StandbyOptions) {
    this.#reset();
  }

  /** Whether it is the one that writes. */
  get active(): boolean {
    return this.#turn !== undefined && this.o.applier.owns;
  }

  /** The target's head at the last look; undefined before that. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** Why it could not take over; undefined where it could. */
  get trouble(): LockstepError | undefined {
    return this.active ? undefined : this.#unfit?.error;
  }

  get status(): StandbyStatus {
    const { journal, applier } = this.o;
    return {
      active: this.active,
      follower: applier.follower,
      named: this.active ? applier.follower : this.#named,
      stillSeconds: this.active ? 0 : Math.floor(this.#stillMs / 1000),
      journalLagSeconds: this.#captured.behind(journal.position).seconds,
      turns: this.#turns,
    };
  }

  /**
   * Looks at the target until `signal` aborts, whoever writes.
   * @throws LockstepError what target/stock.ts refuses a target for, TARGET_AHEAD
   */
  async watch(signal: AbortSignal): Promise<void> {
    const failed = (error: LockstepError) => {
      this.#reset();
      this.o.failed(error);
    };
    await repeat(LOOK_MS, signal, () => this.#look(), { failed, answered: () => undefined });
  }

  /**
   * Writes whenever it is this one's turn, until `signal` aborts.
   * @throws LockstepError whatever ends a follower that is alone, but for what says that it is another's turn
   */
  async takeTurns(signal: AbortSignal): Promise<void> {
    const isOver = () => signal.aborted;
    while (!isOver()) {
      await this.#untilDue(signal);
      if (isOver()) return;
      const turn = (this.#turn = new AbortController());
      try {
        await this.o.applier.run(AbortSignal.any([signal, turn.signal]));
      } catch (error) {
        if (!hasCode(error, ...NOT_NOW)) throw error;
        if (error.code !== 'TARGET_TAKEN_OVER') this.#refused(error);
      }
      if (!isOver()) this.#turnOver();
    }
  }

  /**
   * Whether a turn may begin, or go on, with the target like this.
   * @throws LockstepError TARGET_TAKEN_OVER where it is the other one's
   */
  mayWrite({ position, cursor: { follower } }: Stock): void {
    if (follower === null || follower === this.o.applier.follower) return;
    const due = this.#due;
    const fresh = due && performance.now() - due.ms <= FRESH_MS;
    if (!fresh || position !== due.position) throw otherFollower(position, follower);
  }

  /** A write of ours has moved the cursor. */
  hasBegun(): void {
    this.#turns++;
    const before = this.#named === null ? 'nobody has before' : `before it was ${this.#named}`;
    this.o.onNote(`writing to the target from now on; ${before}`);
  }

  async #untilDue(signal: AbortSignal): Promise<void> {
    const isOver = () => signal.aborted;
    while (!isOver()) {
      // What was seen before the last turn has ended says nothing any more.
      await this.#looked.after(this.#looked.generation, signal);
      const position = this.#position;
      if (position !== undefined && this.#isDue(position)) {
        this.#due = { position, ms: performance.now() };
        if (this.#named !== null) this.#tellTakingOver(position);
        return;
      }
    }
  }

  #isDue(position: Position): boolean {
    if (this.#unfit || !this.#hasMore(position)) return false;
    return this.#named === null || this.#stillMs >= this.#waitMs;
  }

  /** Whether there is something to do for whoever writes. */
  #hasMore(position: Position): boolean {
    const { journal, head } = this.o;
    return journal.position > position && !head.isSilent;
  }

  async #look(): Promise<void> {
    const { applier, target, identity, head, trouble } = this.o;
    this.#captured.saw(head.lag.head);
    // As it was before the read, which is linearizable: it shows that, or what came behind it.
    const [mine, written] = [this.active, applier.position ?? 0];
    const { position, cursor } = takeStock(await target.read(), identity);
    trouble.answered(position);
    if (mine && (cursor.follower !== applier.follower || position < written)) this.#turn?.abort();
    this.#saw(position, cursor.follower);
    this.#judgeFitness(position);
    this.#looked.wake();
    // Last: a source that is silent must not hide whose the target is.
    await head.refuseAhead(position);
  }

  #saw(position: Position, follower: string | null): void {
    const now = performance.now();
    const moved = position !== this.#position || follower !== this.#named;
    if (moved || this.active || !this.#hasMore(position)) this.#reset();
    else this.#stillMs += Math.min(now - this.#lookedMs, VOUCHED_MS);
    if (follower !== null && follower !== this.#named && follower !== this.o.applier.follower)
      this.o.onNote(`standing by: the target was written last by follower ${follower}`);
    this.#lookedMs = now;
    this.#position = position;
    this.#named = follower;
  }

  #reset(): void {
    this.#stillMs = 0;
    this.#waitMs = this.o.afterMs * (1 + Math.random() * JITTER);
  }

  /** What the target stands at has to be in the journal. */
  #judgeFitness(position: Position): void {
    const { state } = this.o.journal;
    if (position < state.compactRevision)
      this.#refused(behindJournal(position, state.compactRevision));
    else if (this.#unfit && this.#unfit.at !== position) {
      this.#unfit = undefined;
      this.o.onNote('could take over again');
    }
  }

  #refused(error: LockstepError): void {
    if (this.#unfit?.error.code !== error.code)
      this.o.onNote(`could not take over: ${error.message}. ${error.hint ?? ''}`.trim(), true);
    this.#unfit = { error, at: error.revision };
  }

  #turnOver(): void {
    if (this.active) this.o.onNote('writing to the target no more; standing by', true);
    this.#turn = undefined;
    this.#due = undefined;
    this.#reset();
    this.o.onTurnOver();
  }

  #tellTakingOver(at: Revision): void {
    const still = duration(this.#stillMs / 1000);
    this.o.onNote(
      `the target stands still at revision ${at} for ${still} although the source has gone on; taking over`,
      true,
    );
  }
}

/** Ends of a turn that are no end of a standby. */
const NOT_NOW = ['TARGET_TAKEN_OVER', 'TARGET_BEHIND_JOURNAL', 'TARGET_OTHER_GAP'] as const;
