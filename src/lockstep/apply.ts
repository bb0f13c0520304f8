/**
 * Apply: journal ─► target, in lockstep.
 *
 * The algorithm. The target stands at position p, its cursor was written at c ≤ p.
 *   gap    for each revision up to the next one with records, one filler: a put to a slot key, guarded
 *          by `cursor.mod == c` and by that slot's own mod as last seen. Fillers of one gap run
 *          concurrently: their order does not matter, only their number.
 *   data   the revision's records and the new cursor, one transaction, guarded by `cursor.mod == c`,
 *          sent when all fillers of the gap are confirmed and the head is one below.
 *
 * The invariant: after every confirmed write the target's head is a position of the source. It
 * holds because no more fillers are sent than the gap has revisions, each takes effect at most once
 * (its slot's mod changes with it) and never after the cursor has moved.
 *
 * Starting, and after every doubt. An answer that did not come says nothing, so apply forgets what
 * it believed and takes stock: cursor, slots and head in one read. Its next write, whatever it is,
 * is guarded by the cursor *and by every slot as read*, and it rewrites the cursor. If it fails,
 * something sent earlier has landed since the read: take stock again. If it succeeds, the cursor
 * has moved and everything sent earlier is void, be it ours or another process's. This is the
 * fence, and it is also how two followers notice each other: the second one's fence makes the
 * first one's next write fail, who then finds the other's name in the cursor and stops.
 *
 * Tried and dropped: a fence that is a filler of its own before anything else. It has no room when
 * the very next revision has records. Guarding whatever comes next needs no special case.
 */
import { randomUUID } from 'node:crypto';
import { backoffMs, pause } from '../backoff.js';
import { CURSOR_FORMAT, encodeCursor, type Cursor } from '../cursor.js';
import { LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { Gap } from '../journal/state.js';
import { digest, type Tally } from '../mvcc/tally.js';
import type { WholeRevision } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { proven, type Position } from '../position.js';
import { foreignWrite, takenOver, takeStock, type Identity } from './stock.js';
import { SLOTS, type Guard } from './guard.js';
import type { Target } from './target.js';

/** What apply is fed: revisions that have records, and proofs that there are no others up to here. */
export type Step =
  { kind: 'revision'; whole: WholeRevision } | { kind: 'position'; position: Position };

/** Where the records come from; the journal, or a model of it. */
export interface Feed {
  /** Steps above `after`, for ever; ends when `signal` aborts. */
  steps(after: Position, signal: AbortSignal): AsyncIterable<Step>;
  /** Digest of a key as it was before a revision; undefined if it did not exist. */
  digestBefore(key: Buffer, revision: Revision): Promise<bigint | undefined>;
}

export interface ApplyOptions extends Identity {
  /** Where the feed's history is not the source's, if it is so anywhere. */
  gap?: () => Gap | null;
  /** Makes sure that the target knows the leases that these records name. */
  ensureLeases?: (whole: WholeRevision) => Promise<void>;
  /** Called when a write failed in a way that passes; apply goes on by itself. */
  onRetry?: (error: LockstepError) => void;
  /** Waits before try `attempt` (from 0); a growing backoff unless given. Resolves when aborted. */
  pause?: (attempt: number, signal: AbortSignal) => Promise<void>;
  /** Called after stock was taken of the target. */
  onStock?: (position: Position, cursor: Cursor) => void | Promise<void>;
}

function backoff(attempt: number, signal: AbortSignal): Promise<void> {
  return pause(backoffMs(attempt), signal);
}

/** Something landed that we had given up on, or somebody else writes: look again. */
class GuardFailed extends Error {}

/**
 * A dead process leaves at most one write for each slot and one of data behind. Guards that fail more
 * often than that are failed by somebody who is alive.
 */
const MAX_GUARD_FAILURES = 2 * SLOTS;

export class Applier {
  readonly follower = randomUUID();
  /** Revisions with records, and fillers, written by this process. */
  readonly written = { revisions: 0, fillers: 0, bytes: 0 };
  #position: Position | undefined;
  #cursorMod: Revision = 0;
  #tally: Tally | undefined;
  /** As the cursor has it. */
  #gap: Gap | null = null;
  #slotMods: Revision[] = [];
  #slotWrites = 0;
  /** Whether a write of ours has moved the cursor: until then it may bear another's name. */
  #owner = false;
  /** Whether the next write must be guarded by everything. */
  #fence = true;

  constructor(
    private readonly target: Target,
    private readonly feed: Feed,
    private readonly options: ApplyOptions,
  ) {}

  /** The target's head as far as it is confirmed; undefined before it was read. */
  get position(): Position | undefined {
    return this.#position;
  }

  /**
   * Follows until `signal` aborts; a write that is under way is finished first.
   * @throws LockstepError for everything that another try cannot mend: see stock.ts, and
   *   TARGET_FOREIGN_WRITE, TARGET_TAKEN_OVER, REQUEST_TOO_LARGE
   */
  async run(signal: AbortSignal): Promise<void> {
    let attempt = 0;
    let guardFailures = 0;
    while (!signal.aborted) {
      const before = this.written.revisions + this.written.fillers;
      try {
        await this.#takeStock();
        await this.#follow(signal);
      } catch (error) {
        if (this.written.revisions + this.written.fillers > before) attempt = guardFailures = 0;
        if (error instanceof GuardFailed) {
          if (++guardFailures > MAX_GUARD_FAILURES) throw takenOver(this.#position);
          continue;
        }
        if (!(error instanceof LockstepError && error.disposition === 'retry')) throw error;
        this.options.onRetry?.(error);
        await (this.options.pause ?? backoff)(attempt++, signal);
      }
    }
  }

  async #takeStock(): Promise<void> {
    const stock = takeStock(await this.target.read(), this.options);
    // A base that was restored anew under us bears nobody's name.
    if (stock.cursor.follower === null) this.#owner = false;
    if (this.#owner && stock.cursor.follower !== this.follower)
      throw takenOver(stock.position, stock.cursor.follower);
    await this.options.onStock?.(stock.position, stock.cursor);
    this.#position = stock.position;
    this.#cursorMod = stock.cursor.revision;
    this.#tally = stock.tally;
    this.#gap = stock.cursor.gap;
    this.#slotMods = stock.slotMods;
    this.#slotWrites = stock.slotWrites;
    this.#fence = true;
    failpoint('stock.taken');
  }

  async #follow(signal: AbortSignal): Promise<void> {
    for await (const step of this.feed.steps(proven(this.#head()), signal)) {
      const gapEnd = step.kind === 'position' ? step.position : step.whole.revision - 1;
      await this.#fillUpTo(gapEnd, signal);
      if (signal.aborted) return;
      if (step.kind === 'revision') await this.#write(step.whole);
    }
  }

  /** One filler for each revision of the gap, concurrently, none more. */
  async #fillUpTo(end: Revision, signal: AbortSignal): Promise<void> {
    if (this.#fence && this.#head() < end) await this.#rewriteCursor();
    const start = this.#head();
    let sent = 0;
    let confirmed = 0;
    let highest: Revision = start;
    let failed = false;
    const worker = async (slot: number) => {
      while (start + sent < end && !failed && !signal.aborted) {
        sent++;
        const revision = await this.#filler(slot, end);
        highest = Math.max(highest, revision);
        // While others are on their way the head may be higher; it is not lower.
        this.#position = proven(start + ++confirmed);
      }
    };
    const workers = Array.from({ length: Math.min(SLOTS, end - start) }, (_, slot) =>
      worker(slot).catch((error: unknown) => {
        failed = true; // the others wait for what they have sent, and send nothing more
        throw error;
      }),
    );
    const errors = (await Promise.allSettled(workers)).filter((r) => r.status === 'rejected');
    if (errors[0]) throw worst(errors.map((e) => e.reason as unknown));
    if (highest !== start + confirmed) throw foreignWrite(start + confirmed, highest);
  }

  async #filler(slot: number, end: Revision): Promise<Revision> {
    const mod = this.#slotMods[slot] ?? 0;
    const guard = { cursorMod: this.#cursorMod, slots: [{ slot, mod }] };
    const { succeeded, revision } = await this.target.write(guard, { kind: 'filler', slot });
    if (!succeeded) throw new GuardFailed();
    if (revision > end) throw foreignWrite(end, revision);
    failpoint('filler.remember');
    this.#slotMods[slot] = revision;
    this.#slotWrites++;
    this.written.fillers++;
    return revision;
  }

  /** The fence where the next revision has no records: a filler that moves the cursor. */
  async #rewriteCursor(): Promise<void> {
    await this.#moveCursor({ revision: this.#head() + 1, records: [] }, this.#stock().tally);
    this.written.fillers++;
  }

  async #write(whole: WholeRevision): Promise<void> {
    await this.options.ensureLeases?.(whole);
    await this.#moveCursor(whole, await this.#tallyAfter(whole));
    this.written.revisions++;
    for (const { bytes } of whole.records) this.written.bytes += bytes.length;
  }

  async #moveCursor({ revision, records }: WholeRevision, tally: Tally): Promise<void> {
    const cursor = encodeCursor({
      format: CURSOR_FORMAT,
      source: this.options.source,
      prefixes: [...this.options.prefixes.list],
      revision,
      keys: tally.keys,
      checksum: tally.hex,
      slotWrites: this.#slotWrites,
      gap: this.#gapAt(revision),
      follower: this.follower,
      at: new Date().toISOString(),
    });
    const written = await this.target.write(this.#guard(), { kind: 'cursor', records, cursor });
    if (!written.succeeded) throw new GuardFailed();
    if (written.revision !== revision) throw foreignWrite(revision, written.revision);
    this.#cursorMod = revision;
    failpoint('cursor.remember');
    this.#position = proven(revision);
    this.#tally = tally;
    this.#owner = true;
    this.#fence = false;
  }

  /** The newest gap below: those before it have been compacted away since. */
  #gapAt(revision: Revision): Gap | null {
    const gap = this.options.gap?.() ?? null;
    return gap && revision > gap.after ? gap : this.#gap;
  }

  #guard(): Guard {
    const slots = this.#fence ? this.#slotMods.map((mod, slot) => ({ slot, mod })) : [];
    return { cursorMod: this.#cursorMod, slots };
  }

  /** Keys and checksum after a revision, from the rows that it supersedes. */
  async #tallyAfter({ revision, records }: WholeRevision): Promise<Tally> {
    const tally = this.#stock().tally.copy();
    const here = new Map<string, bigint | undefined>();
    for (const { key, tombstone, bytes } of records) {
      const name = key.toString('latin1');
      const old = here.has(name) ? here.get(name) : await this.feed.digestBefore(key, revision);
      if (old !== undefined) tally.remove(old);
      const now = tombstone ? undefined : digest(bytes);
      if (now !== undefined) tally.add(now);
      here.set(name, now);
    }
    return tally;
  }

  #head(): Revision {
    return this.#position ?? 0;
  }

  #stock(): { tally: Tally } {
    if (!this.#tally) throw new Error('stock has not been taken');
    return { tally: this.#tally };
  }
}

/** A foreign write outweighs a guard that failed, and that outweighs a connection that broke. */
function worst(errors: unknown[]): unknown {
  const fatal = errors.find((e) => e instanceof LockstepError && e.disposition !== 'retry');
  return fatal ?? errors.find((e) => e instanceof GuardFailed) ?? errors[0];
}
