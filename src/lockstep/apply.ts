/**
 * Apply: journal ─► target, in lockstep.
 *
 * The algorithm. The target stands at position p, its cursor was written at c ≤ p.
 *   fill   for each revision up to the next one with records, one filler: a put to a slot key.
 *          Fillers of one interval run concurrently: their order does not matter, only their number.
 *   data   the revision's records and the new cursor, one transaction, when the head is one below.
 *          In a long interval a cursor without records now and then, in place of a filler: where it lands
 *          tells whether only fillers have landed before it.
 * How they are sent and guarded, many at once, is the way's: transactions.ts, or proposals.ts where the
 * target's peer port may be used.
 *
 * The invariant: after every write that lands the target's head is a position of the source.
 *
 * Starting, and after every doubt. An answer that did not come says nothing, so apply forgets what
 * it believed and takes stock: cursor, slots, chain and head in one read. Its next write, whatever
 * it is, goes alone and by the client API; it is guarded by the cursor, the chain *and every slot as
 * read*, rewrites the cursor and puts a link. If it fails, something sent earlier has landed since the read: take stock again.
 * If it succeeds, a new term has begun and everything sent earlier is void, be it ours or another
 * process's. It is also how two followers notice each other: the second one's term makes the
 * first one's next write fail, who then finds the other's name in the cursor and stops; of two that stand
 * by for each other it may run again later (standby.ts).
 *
 * A stock cannot tell a filler from somebody else's put to a slot. So the feed has a say: behind the
 * cursor only revisions without records may have been filled, or one was left out.
 *
 * Tried and dropped: a term that begins with a filler of its own before anything else. It has no room when
 * the very next revision has records. Guarding whatever comes next needs no special case.
 */
import { randomUUID } from 'node:crypto';
import { Backoff, type Rest } from '../async/again.js';
import { LockstepError, passes } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { Gap } from '../journal/state.js';
import type { WholeRevision } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import type { Position } from '../position.js';
import { newTerm, type Link } from '../target/chain.js';
import { SLOTS } from '../target/guard.js';
import {
  foreignWrite,
  otherFollower,
  takeStock,
  type Identity,
  type Stock,
} from '../target/stock.js';
import type { Target } from '../target/target.js';
import { Cursors, type DigestBefore } from './cursors.js';
import { AdaptivePace, type Pace } from './pace.js';
import { Proposals } from './proposals.js';
import { bytesOf, type Data } from './stage.js';
import { Throttle } from './throttle.js';
import { Transactions } from './transactions.js';
import { GuardFailed, type Way } from './way.js';
import { Ways } from './ways.js';
import { AdaptiveWindow, type Window } from './window.js';

/** What apply is fed: the next revisions that have records, and up to where there are no others. */
export interface Stretch {
  revisions: readonly WholeRevision[];
  position: Position;
}

/** Where a target stands. */
export type TargetStanding = Pick<Stock, 'position' | 'cursor'>;

/** Where the records come from; the journal, or a model of it. */
export interface Feed {
  /**
   * What lies above the target's position, for ever; ends when `signal` aborts.
   * @throws LockstepError TARGET_FOREIGN_WRITE if a revision with records lies behind the cursor, up to
   *   the position
   */
  stretches(target: TargetStanding, signal: AbortSignal): AsyncIterable<Stretch>;
  digestBefore: DigestBefore;
}

interface ApplyOptions extends Identity {
  /** Where the feed's history is not the source's, if it is so anywhere. */
  gap?: () => Gap | null;
  /** Makes sure that the target knows the leases that these records name. */
  ensureLeases?: (whole: WholeRevision) => Promise<void>;
  /** Called when a write failed in a way that passes; apply goes on by itself. */
  onRetry?: (error: LockstepError) => void;
  /** Between tries; a growing time unless given. */
  pause?: Rest;
  /** Which way it is written; by transactions unless given. */
  ways?: Ways;
  /** How soon transactions follow each other; found out unless given. */
  pace?: Pace;
  /** How much is proposed at once; found out unless given. */
  window?: Window;
  /** How fast it may be written; as fast as it goes unless given. */
  throttle?: Throttle;
  /** By transactions no more fillers than this without a cursor; 256 unless given. */
  fillersPerCursor?: number;
  /** Called after stock was taken of the target, before anything is written; what it throws ends the run. */
  onStock?: (stock: Stock) => void | Promise<void>;
  /** Called when a write of ours has moved a cursor that may have borne another's name. */
  onOwner?: () => void;
}

/**
 * A dead process leaves at most one write for each slot and one of data behind. Guards that fail more
 * often than that are failed by somebody who is alive.
 */
const MAX_GUARD_FAILURES = 2 * SLOTS;

export class Applier {
  readonly follower = randomUUID();
  /** By this process: revisions with records, fillers, keys put and deleted, bytes of records. */
  readonly written = { revisions: 0, fillers: 0, puts: 0, deletions: 0, bytes: 0 };
  readonly #ways: Ways;
  readonly #pace: Pace;
  readonly #window: Window;
  readonly #throttle: Throttle;
  #position: Position | undefined;
  /** How the target is written since the last term began. */
  #way: Way | undefined;
  /** Whether a write of ours has moved the cursor: until then it may bear another's name. */
  #owner = false;

  constructor(
    private readonly target: Target,
    private readonly feed: Feed,
    private readonly options: ApplyOptions,
  ) {
    this.#ways = options.ways ?? new Ways();
    this.#pace = options.pace ?? new AdaptivePace();
    this.#window = options.window ?? new AdaptiveWindow();
    this.#throttle = options.throttle ?? new Throttle();
  }

  /** Whether a write of this run has moved the cursor, and no other follower's has been seen since. */
  get owns(): boolean {
    return this.#owner;
  }

  /** The target's head as far as it is confirmed; undefined before it was read. */
  get position(): Position | undefined {
    return this.#way?.position ?? this.#position;
  }

  /**
   * Follows until `signal` aborts; writes that are under way are finished first. It may run again when it
   * has ended: it then believes nothing of what it knew.
   * @throws LockstepError for everything that another try cannot mend: see target/stock.ts, and
   *   TARGET_FOREIGN_WRITE, TARGET_TAKEN_OVER, REQUEST_TOO_LARGE
   */
  async run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(signal, this.options.pause);
    let guardFailures = 0;
    this.#owner = false;
    while (!signal.aborted) {
      const before = this.written.revisions + this.written.fillers;
      try {
        const stock = await this.#takeStock();
        await this.#follow(stock, signal);
      } catch (error) {
        if (this.written.revisions + this.written.fillers > before) {
          backoff.reset();
          guardFailures = 0;
        }
        if (error instanceof GuardFailed) {
          if (++guardFailures > MAX_GUARD_FAILURES) throw otherFollower(this.position);
          continue;
        }
        if (!passes(error)) throw error;
        this.options.onRetry?.(error);
        // There is another way, which need not wait.
        if (error.code === 'PEER_PORT') this.#ways.failed(error);
        else await backoff.rest();
      }
    }
  }

  async #takeStock(): Promise<Stock> {
    const stock = takeStock(await this.target.read(), this.options);
    // A base that was restored anew under us bears nobody's name.
    if (stock.cursor.follower === null) this.#owner = false;
    if (this.#owner && stock.cursor.follower !== this.follower)
      throw otherFollower(stock.position, stock.cursor.follower);
    await this.options.onStock?.(stock);
    this.#way = undefined;
    this.#position = stock.position;
    failpoint('lockstep.stock.taken');
    return stock;
  }

  /** Until `signal` aborts or a write fails; ends when all that was sent is answered. */
  async #follow(stock: Stock, signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const stopped = AbortSignal.any([signal, stop.signal]);
    const identity = { ...this.options, follower: this.follower };
    const digestBefore: DigestBefore = (key, revision) => this.feed.digestBefore(key, revision);
    const cursors = new Cursors(identity, digestBefore, this.options.gap ?? NO_GAP, stock);
    const stopNow = () => {
      stop.abort();
    };
    const writing = { stock, cursors, stopped, stopNow };
    try {
      for await (const { revisions, position } of this.feed.stretches(stock, stopped)) {
        for (const whole of revisions) {
          if (stopped.aborted) return;
          await this.#next(whole, writing);
        }
        if (stopped.aborted) return;
        await this.#next(position, writing);
      }
    } finally {
      stop.abort();
      await this.#way?.settle();
    }
  }

  /** A revision with the interval before it, or an interval alone. */
  async #next(next: WholeRevision | Position, { stock, cursors, stopped, stopNow }: Writing) {
    const whole = typeof next === 'number' ? undefined : next;
    const gapEnd = typeof next === 'number' ? next : next.revision - 1;
    if (!this.#way) {
      const { position } = stock;
      const filler = { revision: position + 1, records: [] };
      const first = gapEnd > position ? filler : whole;
      if (!first) return;
      await this.#throttle.turn(stopped);
      if (stopped.aborted) return;
      const port = await this.#ways.forTerm();
      const data = await this.#data(first, cursors, true);
      this.#throttle.take(1);
      const link = await this.#beginTerm(data, stock);
      const throttle = this.#throttle;
      const options = { stopped, stop: stopNow, onLanded: this.#landed, throttle };
      this.#way = port
        ? new Proposals(port, link, { ...options, window: this.#window })
        : new Transactions(this.target, startOf(data, stock), { ...options, pace: this.#pace });
      if (first === whole) return;
    }
    await this.#fill(this.#way, gapEnd, whole !== undefined, cursors);
    if (whole) await this.#way.write(await this.#data(whole, cursors, this.#way.chained));
    // Another way needs another term.
    if (!this.#way.chained && this.#ways.hasOpened()) stopNow();
  }

  /** The first write after stock was taken. Where the next revision has no records, it is a filler. */
  async #beginTerm(first: Data, stock: Stock): Promise<Link> {
    const { records, cursor } = first;
    const link = { term: newTerm(), revision: first.revision };
    const guard = {
      chainMod: stock.chainMod,
      cursorMod: stock.cursor.revision,
      cursor: undefined,
      slots: stock.slotMods.map((mod, slot) => ({ slot, mod })),
      landed: [],
    };
    const effect = { kind: 'cursor' as const, records, cursor, link };
    const { succeeded, revision } = await this.target.write(guard, effect);
    if (!succeeded) throw new GuardFailed();
    if (revision !== first.revision) throw foreignWrite(first.revision, revision);
    failpoint('lockstep.cursor.remember');
    const isNew = !this.#owner;
    this.#owner = true;
    if (isNew) this.options.onOwner?.();
    this.#count(first);
    return link;
  }

  async #fill(way: Way, end: Revision, dataFollows: boolean, cursors: Cursors): Promise<void> {
    const most = this.options.fillersPerCursor ?? FILLERS_PER_CURSOR;
    // What is chained shows by itself where somebody else has written in between.
    while (!way.chained && end - cursors.revision > most) {
      const revision = cursors.revision + most + 1;
      cursors.fillers(way.fill(revision - 1, true));
      await way.write(await this.#data({ revision, records: [] }, cursors, false));
    }
    cursors.fillers(way.fill(end, dataFollows));
  }

  readonly #landed = (write: Data | 'filler'): void => {
    if (this.#way?.chained) this.#ways.worked();
    this.#count(write);
  };

  async #data(whole: WholeRevision, cursors: Cursors, chained: boolean): Promise<Data> {
    await this.options.ensureLeases?.(whole);
    return { ...whole, cursor: await cursors.with(whole, chained) };
  }

  #count(landed: WholeRevision | 'filler'): void {
    if (landed === 'filler' || landed.records.length === 0) this.written.fillers++;
    else {
      const { records } = landed;
      const deletions = records.filter(({ tombstone }) => tombstone).length;
      this.written.revisions++;
      this.written.deletions += deletions;
      this.written.puts += records.length - deletions;
      this.written.bytes += bytesOf(landed);
    }
  }
}

function startOf({ revision, cursor }: Data, { slotMods }: Stock) {
  return { cursorMod: revision, cursor, chainMod: revision, slotMods };
}

/** What is written behind one stock of the target. */
interface Writing {
  stock: Stock;
  cursors: Cursors;
  stopped: AbortSignal;
  stopNow: () => void;
}

/** A foreign write among fillers is noticed so much later at the most. */
const FILLERS_PER_CURSOR = 256;

const NO_GAP = () => null;
