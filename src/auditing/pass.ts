/**
 * One audit beside a follower: source ⇄ target, key by key, slower than the source forgets.
 *
 *     page of the source at R ─► the same range of the target at R ─► what differs: both again, at R2
 *          ▲                                                              │
 *          ├── the next key ◄─────────────────────────────────────────────┘
 *          └── R compacted away: the same key, at the target's head R'
 *
 * Read at a few megabytes a second, a large prefix takes longer than the source keeps a revision. Where R
 * is compacted away under the audit, it goes on from the key that it has come to, at a newer one. So the
 * result is a list: this range of keys at this revision, that one at that.
 *
 * Invariant: every key below `next` was compared once, its two rows read at one revision that both sides
 * held; ranges follow one another without a gap. So a key that is on one side at its range's revision is
 * found whether or not it changes meanwhile, and what is said of it is exact. What is not said: that all
 * keys are equal at one moment; what happens to a range behind its revision is the next audit's. A page
 * counts as a whole or not at all, hence it can be killed anywhere.
 *
 * The checksum in the target's cursor is of all keys at one revision. It is held against the target where
 * all was read at one, and only there.
 *
 * A difference at R is exact, too; but what is to wake somebody should still be there. So the key is read
 * again on both sides, at the target's head of that moment. What was written since and is the same by then
 * is told, and no alarm. What is the same although nobody has written it is an answer that contradicts
 * another one: whoever gives such answers has proven nothing, and the pass fails.
 *
 * Tried and dropped: the history of what was compared already, compared as it comes (audit/live.ts), which
 * would make it exact at one revision: it sends every change once more from both sides, whatever the rate,
 * and a restart that takes longer than the source's history would begin anew. `min_mod_revision` in place
 * of it: etcd reads all rows to apply it, and deletions are in none. Pages of both sides as they come: where
 * R is gone, the one would be further than the other.
 */
import { comparePages, differenceOf, type Compared } from '../audit/compare.js';
import type { OnDifference } from '../audit/witness.js';
import { hasCode, LockstepError } from '../errors.js';
import { modRevisionOf, parseKeyValue } from '../mvcc/keyvalue.js';
import { prefixRange, type KeyRange, type PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import type { LookedAgain } from '../report/besidefacts.js';
import { foundOf, type FoundDifference } from '../report/found.js';
import { readPages, type Page } from '../source/pages.js';
import { CURSOR_KEY, parseCursor, type Cursor } from '../target/cursor.js';
import { CUTOVER_KEY, parseCutover, TargetCutOver } from '../target/cutoverstate.js';
import type { EtcdClient } from '../wire/client.js';
import type { Pace } from './pace.js';
import type { Progress } from './progress.js';

/** So many differences are looked at again, and named; the others are counted. */
export const MAX_NAMED = 1000;
/** So often in a row a revision may be gone before a page is compared. */
const MAX_VAIN = 5;
/** More revisions are more than anybody reads: two and a half days, where the source compacts every five minutes. */
const MAX_RANGES = 720;

/** One side, and how fast it may be read. */
export interface PassSide {
  client: EtcdClient;
  pace: Pace;
}

export interface PassOptions {
  source: PassSide;
  target: PassSide;
  prefixes: PrefixSet;
  /** Is moved on, page by page. */
  progress: Progress;
  /** A page was compared. What it throws ends the pass. */
  onPage: () => Promise<void>;
}

export class Pass {
  /** What pages are read at now; undefined: the target's head is to be asked for. */
  #revision: Revision | undefined;

  constructor(private readonly o: PassOptions) {
    this.#revision = o.progress.ranges.at(-1)?.revision;
  }

  /**
   * Goes on from where the progress stands, to the last key.
   * @throws LockstepError TARGET_CUT_OVER where the target was taken over; COMPACTED_MEANWHILE where the
   *   sides forget faster than it reads: it cannot go on then; SOURCE_INCONSISTENT where two answers
   *   contradict each other; and what etcds say
   */
  async run(): Promise<void> {
    const { progress, prefixes } = this.o;
    for (const prefix of prefixes.list.slice(progress.prefix)) await this.#readPrefix(prefix);
  }

  async #readPrefix(prefix: string): Promise<void> {
    const { progress } = this.o;
    for (let vain = 0; ; vain++) {
      const { next } = progress;
      try {
        await this.#readAt((this.#revision ??= await this.#newRevision()), prefix);
        return;
      } catch (error) {
        if (!hasCode(error, 'COMPACTED')) throw error;
        if (progress.next !== next) vain = 0;
        if (vain === MAX_VAIN || progress.ranges.length === MAX_RANGES) throw tooSlow(error);
        this.#revision = undefined;
      }
    }
  }

  async #newRevision(): Promise<Revision> {
    const { progress, target, prefixes } = this.o;
    const { header, rows } = await target.client.few({ key: CUTOVER_KEY });
    if (rows[0]) throw new TargetCutOver(parseCutover(rows[0]));
    const { revision } = header;
    if (progress.ranges.length === 0) {
      const at = await target.client.few({ key: CURSOR_KEY, revision });
      const cursor = at.rows[0] && parseCursor(parseKeyValue(at.rows[0]).value);
      progress.cursor = cursor && prefixes.equals(cursor.prefixes) ? pickSum(cursor) : null;
    }
    return revision;
  }

  /** Whole pages, from the next key to the end of the prefix. */
  async #readAt(revision: Revision, prefix: string): Promise<void> {
    const { progress, source, onPage } = this.o;
    const range = prefixRange(prefix);
    let from = progress.next === null ? range.key : Buffer.from(progress.next, 'base64');
    const pages = readPages(source.client, range, revision, from, false, source.pace);
    for await (const page of pages) {
      const rangeEnd = page.next ?? range.rangeEnd;
      const keys = keysIn(progress);
      await this.#comparePage(page, { key: from, rangeEnd }, revision);
      const isEmpty = progress.next === null && keysIn(progress) === keys;
      // Before anybody writes it down, or what is counted already would be read once more.
      if (page.next) progress.next = page.next.toString('base64');
      else {
        if (isEmpty) progress.empty.push(prefix);
        progress.next = null;
        progress.prefix++;
      }
      from = rangeEnd;
      await onPage();
    }
  }

  /** Nothing of it counts unless all of it was compared. */
  async #comparePage(page: Page, range: KeyRange, revision: Revision): Promise<void> {
    const { progress, target } = this.o;
    const sum: Compared = {
      ...{ source: progress.source.copy(), target: progress.target.copy() },
      bytes: progress.bytes,
    };
    const named: FoundDifference[] = [];
    const room = MAX_NAMED - progress.stillDifferent.length - progress.differentBefore.length;
    let differences = 0;
    const there = readPages(target.client, range, revision, range.key, false, target.pace);
    const onDifference: OnDifference = (difference, rows) => {
      differences++;
      if (named.length < room) named.push(foundOf(difference, rows));
    };
    await comparePages(justOne(page), there, sum, { onDifference });
    const { still, before } = await this.#lookAgain(named, revision);

    Object.assign(progress, sum);
    progress.stillDifferent.push(...still);
    progress.differentBefore.push(...before);
    progress.over += before.length;
    progress.differences += differences - before.length;
    if (progress.ranges.at(-1)?.revision !== revision)
      progress.ranges.push({ from: range.key.toString('base64'), revision });
  }

  /** At the target's head of now, which the source has, too. */
  async #lookAgain(
    named: readonly FoundDifference[],
    at: Revision,
  ): Promise<{ still: LookedAgain[]; before: LookedAgain[] }> {
    const { source, target } = this.o;
    const still: LookedAgain[] = [];
    const before: LookedAgain[] = [];
    for (const found of named) {
      const key = exactKey(found);
      const { revision: again } = await target.client.head(CURSOR_KEY);
      const [left, right] = await Promise.all([
        readOne(source, key, again),
        readOne(target, key, again),
      ]);
      const now = differenceOf(left, right);
      if (now) still.push({ found: foundOf(now, { source: left, target: right }), at, again });
      else if (left && modRevisionOf(left) <= at) throw contradicting(found, at, again);
      else before.push({ found, at, again });
    }
    return { still, before };
  }
}

async function readOne(
  { client, pace }: PassSide,
  key: Buffer,
  revision: Revision,
): Promise<Buffer | undefined> {
  await pace.turn();
  const [row] = (await client.few({ key, revision })).rows;
  pace.took(row?.length ?? 0);
  return row;
}

/** How much of it is done, 0 to 1, as far as the target's cursor tells; null: it does not. */
export function shareOf({ cursor, target }: Progress): number | null {
  return cursor && cursor.keys > 0 ? Math.min(1, target.keys / cursor.keys) : null;
}

function keysIn({ source, target }: Progress): number {
  return source.keys + target.keys;
}

function pickSum({ keys, checksum }: Cursor): Progress['cursor'] {
  return { keys, checksum };
}

async function* justOne(page: Page): AsyncGenerator<Page> {
  yield await Promise.resolve(page);
}

function exactKey({ key, keyBase64 }: FoundDifference): Buffer {
  return keyBase64 === null ? Buffer.from(key) : Buffer.from(keyBase64, 'base64');
}

function contradicting({ key }: FoundDifference, at: Revision, again: Revision): LockstepError {
  return new LockstepError(
    'SOURCE_INCONSISTENT',
    `${JSON.stringify(key)} was not the same on both sides at revision ${at} and is so at ${again}, though nobody has written it: a side does not answer the same twice`,
    {
      hint: 'Do its members hold the same? `etcdctl endpoint hashkv --cluster` on either side tells.',
    },
  );
}

function tooSlow(cause: LockstepError): LockstepError {
  return cause.as({
    code: 'COMPACTED_MEANWHILE',
    message: 'the audit reads too slowly for what both sides keep of their history',
    hint: 'Give a higher --audit-rate.',
  });
}
