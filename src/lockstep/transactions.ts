/**
 * By transactions: writes on their way to the target, many at once, each with effect only in its turn.
 *
 * The line of writes is cut into stages: the interval behind cursor c, and the data that ends it.
 *
 *     c ─► filler filler filler … data r ─► filler … data r2 ─►
 *          └───── stage after c ───────┘    └─ after r ─┘
 *
 * Fillers of a stage are order-free. Data is not, and a stage needs the data before it. But what is
 * sent too early does no harm, because its guards name what must have happened before:
 *   filler  the cursor was written at c, and its slot is untouched since its last answer
 *   data r  the cursor was written at c and is, byte for byte, the one meant for c; and for each filler
 *           of its stage without an answer: its slot's mod lies between the slot's last one and r
 * c is known before it is written: in lockstep a cursor's mod_revision is the source's revision. So
 * writes are sent ahead of the answers of those before them, and the rare one that overtakes its
 * predecessor is refused and sent again.
 *
 * The mod_revision alone does not say that the predecessor has landed: behind somebody else's write
 * data r lands at r + 1, and somebody else may write the cursor itself at r. Data that took either for
 * its own predecessor would land at its own revision, and make cursor and head look well again. No
 * cursor is like another, so its bytes say it. Fillers need not compare them: behind a cursor that is
 * not what belongs there nothing moves the cursor any more, and it shows in the next stock.
 *
 * Everything is also guarded by the chain, which nothing moves but the beginning of a term. A write that
 * was sent ahead fits a state that is still to come; without the chain a lost one could land after a new
 * stock was taken, when that state has come, and be one filler too many.
 *
 * A target that is restored from its base meanwhile may come to the same term, cursor and slots once
 * more, and meet what was sent before. Data names its cursor byte for byte, so it finds none of its own.
 * A filler may land, as one of that interval; if it is one too many, data misses its revision, or the feed
 * finds a revision with records behind the cursor (apply.ts).
 *
 * The invariant: data lands only at its own revision. Fillers of a stage are never more than its interval
 * has revisions; data's guard is false until the last of them has landed, and also if one of them
 * landed at r or above, which is what somebody else's write leads to.
 *
 * A refusal means that something else is going on only where all that had to come before was confirmed
 * when the write was sent.
 */
import { Wakeup } from '../async/wakeup.js';
import { failpoint } from '../failpoint.js';
import type { Revision } from '../mvcc/revision.js';
import { proven, type Position } from '../position.js';
import type { Effect, Guard } from '../target/guard.js';
import { foreignWrite } from '../target/stock.js';
import type { Target } from '../target/target.js';
import type { Pace } from './pace.js';
import {
  bytesOf,
  refuseMiscount,
  stageAfter,
  type Data,
  type Sending,
  type Stage,
} from './stage.js';
import { GuardFailed, worst, type Way, type WayOptions } from './way.js';

/** Data on its way before the one in front of it has landed. */
const MAX_AHEAD = 16;
/** Of all data on its way, or waiting to be sent; one that is larger goes alone. */
const MAX_BYTES = 4 * 1024 * 1024;
/**
 * Fillers without an answer that data may be sent behind: two comparisons for each, and etcd takes 128
 * in a transaction.
 */
const MAX_FILLERS_GUARDED = 48;
/**
 * Data that is larger waits for the answers instead. Comparisons count against what the levels of a long
 * transaction may hold, and against the bytes of a request: near its limit they would be too much.
 */
const MAX_RECORDS_GUARDED = 1000;
const MAX_BYTES_GUARDED = 256 * 1024;

/** Where the target stands when a term has begun. */
interface Start {
  cursorMod: Revision;
  cursor: Buffer;
  chainMod: Revision;
  slotMods: readonly Revision[];
}

interface TransactionsOptions extends WayOptions {
  pace: Pace;
}

export class Transactions implements Way {
  readonly chained = false;
  readonly #stages: Stage[];
  readonly #slotMods: Revision[];
  readonly #free: number[];
  readonly #onTheirWay = new Set<Promise<void>>();
  readonly #errors: unknown[] = [];
  readonly #moved = new Wakeup();
  #bytes = 0;
  #woken = false;

  constructor(
    private readonly target: Target,
    private readonly start: Start,
    private readonly options: TransactionsOptions,
  ) {
    this.#stages = [stageAfter(start.cursorMod, start.cursor)];
    this.#slotMods = [...start.slotMods];
    this.#free = this.#slotMods.map((_, slot) => slot);
  }

  /** While fillers are on their way the head may be higher. */
  get position(): Position {
    const { after, landed } = this.#first;
    return proven(after + landed);
  }

  fill(end: Revision): number {
    const stage = this.#last;
    const more = Math.max(0, end - stage.end);
    stage.unsent += more;
    stage.end += more;
    this.#pump();
    return more;
  }

  async write(data: Data): Promise<void> {
    this.#last.data = { ...data, sentAt: 0, state: 'waiting' };
    this.#stages.push(stageAfter(data.revision, data.cursor));
    this.#bytes += bytesOf(data);
    this.#pump();
    const { stopped } = this.options;
    while (!this.#hasRoom() && !stopped.aborted)
      await this.#moved.after(this.#moved.generation, stopped);
  }

  /** Waits for the answers to all that was sent. */
  async settle(): Promise<void> {
    while (this.#onTheirWay.size > 0) await Promise.all(this.#onTheirWay);
    if (this.#errors.length > 0) throw worst(this.#errors);
  }

  get #first(): Stage {
    return this.#stage(0);
  }

  get #last(): Stage {
    return this.#stage(-1);
  }

  #stage(at: 0 | -1): Stage {
    const stage = this.#stages.at(at);
    if (!stage) throw new Error('there is always a stage, if only an empty one');
    return stage;
  }

  #hasRoom(): boolean {
    return this.#stages.length <= MAX_AHEAD && this.#bytes < MAX_BYTES;
  }

  /** Sends what may be sent, in order, as far ahead of the answers as the pace has it. */
  #pump(): void {
    let before: Sending | undefined;
    let ahead = 0;
    for (const stage of this.#stages) {
      if (this.options.stopped.aborted) return;
      if (before?.state === 'on its way' && !this.#maySend(before.sentAt, ahead)) return;
      this.#sendFillers(stage);
      const { data } = stage;
      if (!data || stage.unsent > 0) return;
      const { size } = stage.outstanding;
      if (size > 0) ahead++;
      if (data.state === 'waiting') {
        if (size > 0 && !this.#mayPrecedeAnswers(stage, data, ahead)) return;
        if (!wasSent(data) && this.#granted(1) === 0) return;
        this.#sendData(stage, data);
      }
      if (data.state === 'on its way') ahead++;
      before = data;
    }
  }

  /** Whether its data may be sent although fillers before it have no answer yet. */
  #mayPrecedeAnswers({ outstanding, sentAt }: Stage, data: Data, ahead: number): boolean {
    const small = data.records.length <= MAX_RECORDS_GUARDED && bytesOf(data) <= MAX_BYTES_GUARDED;
    if (!small || outstanding.size > MAX_FILLERS_GUARDED) return false;
    return this.#maySend(sentAt, ahead);
  }

  /** Whether something may be sent behind `ahead` others without an answer, the last sent at `sentAt`. */
  #maySend(sentAt: number, ahead: number): boolean {
    return ahead < this.options.pace.window && this.#isTime(sentAt);
  }

  #isTime(sentAt: number): boolean {
    const wait = this.options.pace.wait(sentAt);
    // Below that the next answer comes sooner than a timer.
    if (wait >= 1) this.#wakeIn(wait);
    return wait === 0;
  }

  /** How many of so many revisions may be sent now; the rest has its turn later. */
  #granted(revisions: number): number {
    const { throttle } = this.options;
    const granted = throttle.take(revisions);
    if (granted < revisions) this.#wakeIn(throttle.waitMs);
    return granted;
  }

  #wakeIn(ms: number): void {
    if (this.#woken) return;
    this.#woken = true;
    setTimeout(() => {
      this.#woken = false;
      this.#pump();
    }, ms);
  }

  #sendFillers(stage: Stage): void {
    for (const slot of stage.refused.splice(0)) this.#sendFiller(stage, slot);
    const most = Math.min(stage.unsent, this.#free.length);
    for (const slot of this.#free.splice(0, this.#granted(most))) {
      stage.unsent--;
      this.#sendFiller(stage, slot);
    }
  }

  #sendFiller(stage: Stage, slot: number): void {
    const mod = this.#slotMods[slot] ?? 0;
    const certain = stage === this.#first;
    stage.outstanding.add(slot);
    stage.sentAt = performance.now();
    const guard = this.#guard(stage, { slots: [{ slot, mod }] });
    this.#send(guard, { kind: 'filler', slot }, (revision) => {
      stage.outstanding.delete(slot);
      if (revision === undefined) {
        stage.refused.push(slot);
        this.#refused(certain);
        return;
      }
      if (revision > stage.end) throw foreignWrite(stage.end, revision);
      failpoint('lockstep.filler.remember');
      this.#slotMods[slot] = revision;
      this.#free.push(slot);
      stage.landed++;
      stage.highest = Math.max(stage.highest, revision);
      refuseMiscount(stage);
      this.options.onLanded('filler');
    });
  }

  #sendData(stage: Stage, data: Sending): void {
    const certain = stage === this.#first && stage.outstanding.size === 0;
    data.state = 'on its way';
    data.sentAt = performance.now();
    const landed = [...stage.outstanding].map((slot) => {
      return { slot, above: this.#slotMods[slot] ?? 0, below: data.revision };
    });
    const { records, cursor } = data;
    const effect: Effect = { kind: 'cursor', records, cursor };
    const guard = this.#guard(stage, { cursor: stage.cursor, landed });
    this.#send(guard, effect, (revision) => {
      if (revision === undefined) {
        data.state = 'waiting';
        this.#refused(certain);
        return;
      }
      if (revision !== data.revision) throw foreignWrite(data.revision, revision);
      failpoint('lockstep.cursor.remember');
      data.state = 'landed';
      this.#bytes -= bytesOf(data);
      while (this.#first.data?.state === 'landed') this.#stages.shift();
      this.options.pace.landed(performance.now() - data.sentAt);
      this.options.onLanded(data);
    });
  }

  #guard({ after }: Stage, more: Partial<Pick<Guard, 'cursor' | 'slots' | 'landed'>>): Guard {
    return {
      chainMod: this.start.chainMod,
      cursorMod: after,
      cursor: more.cursor,
      slots: more.slots ?? [],
      landed: more.landed ?? [],
    };
  }

  /** @param certain whether all that it had to follow was confirmed when it was sent */
  #refused(certain: boolean): void {
    if (certain) throw new GuardFailed();
    this.options.pace.refused();
  }

  /** @param answered with the revision that it landed at; undefined if its guard was false */
  #send(guard: Guard, effect: Effect, answered: (revision: Revision | undefined) => void): void {
    const write = this.target
      .write(guard, effect)
      .then(({ succeeded, revision }) => {
        answered(succeeded ? revision : undefined);
        this.#moved.wake();
        this.#pump();
      })
      .catch((error: unknown) => {
        this.#errors.push(error);
        this.options.stop();
      })
      .finally(() => this.#onTheirWay.delete(write));
    this.#onTheirWay.add(write);
  }
}

/** Then it was refused since. */
function wasSent({ sentAt }: Sending): boolean {
  return sentAt > 0;
}
