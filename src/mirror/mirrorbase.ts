/**
 * The base of a mirror is a comparison: pages of the source at one revision, beside pages of the
 * target. What is missing there or differs in value or lease is put, what is equal is left alone; so a
 * second comparison of equal data writes nothing but the cursor.
 *
 * What has to be reached: that the target has the source's state of ONE revision S, so that the
 * watch can go on at S + 1. The source may compact S away while its pages are read. Then the walk
 * goes on from the same key at a newer revision, and round: behind the last key it begins at the
 * first again and ends where the new revision came in. A full circle at one revision S is a
 * comparison at S. It ends, because from the second circle on hardly anything has to be written: a
 * circle then takes as long as reading both sides, seconds for a gigabyte, and a compaction leaves
 * at least minutes.
 *
 * Dropped: going on at the newer revision and watching from the oldest. That one has just been
 * compacted away, and what happened in between to the keys that were read first would be lost.
 *
 * The target's pages are read as they are, not at a revision: nobody but us writes these keys, what we
 * have written lies behind the walk, and so no compaction of the target can be in the way.
 *
 * Keys that are only on the target are deletions that were missed, or somebody else's. Which of them is
 * certain is found out before (survey.ts); what is not certain is left, unless --prune says otherwise.
 * A key that this comparison has put itself, and that is gone from the source when the walk comes round
 * again, is certain, too: its mod_revision is that of one of our transactions, which are remembered, a
 * number for each.
 */
import { Backoff } from '../async/again.js';
import type { OnNote } from '../async/patience.js';
import { hasCode, LockstepError, passes } from '../errors.js';
import { encodeKeyValue, modRevisionOf, parseKeyValue } from '../mvcc/keyvalue.js';
import { keyAfter, type KeyRange } from '../mvcc/prefix.js';
import type { Record } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { digest, Tally } from '../mvcc/tally.js';
import { readPages, type Page } from '../source/pages.js';
import type { EtcdClient } from '../wire/client.js';
import { Batch, type Limits } from './batch.js';
import type { KeyMap } from './keymap.js';
import { mergeWalk, type Entry } from './merge.js';
import { namesOf, type MirrorState } from './mirrorcursor.js';
import type { Writer } from './writer.js';

interface CompareOptions {
  source: EtcdClient;
  target: EtcdClient;
  map: KeyMap;
  writer: Pick<Writer<MirrorState>, 'commit' | 'state' | 'cursorMod'>;
  limits: Limits;
  /** The keys that are known to be ours; undefined: not known. It is kept up with each write. */
  ours: Tally | undefined;
  /** Keys that are only on the target and no newer than this revision of it were the source's. */
  certainUpTo: Revision | undefined;
  /** Removes all others, too. */
  prune: boolean;
  /** Called for each key that is only on the target and stays; again if the walk comes round again. */
  onForeign: (name: Buffer) => void;
  onRetry: (error: LockstepError) => void;
  onNote: OnNote;
  signal: AbortSignal;
}

/** One round of the circle at one revision of the source. */
interface Circle {
  pin: Revision;
  /** The source's key that it begins and ends at; undefined: the first one. */
  start: Buffer | undefined;
  /** The source's key that comes next. */
  at: Buffer;
  /** Behind the last key, and on the way to the start. */
  wrapped: boolean;
  names: Tally;
  foreign: Tally;
}

export interface CompareProgress {
  /** Keys of the source that were compared, and that are still to be. */
  keys: number;
  remaining: number;
}

export class Comparison {
  readonly progress: CompareProgress = { keys: 0, remaining: 0 };
  /** Keys that were only on the target, and are removed. */
  removed = 0;
  #batch: Batch;
  #inFlight: Promise<boolean> = Promise.resolve(true);
  readonly #ours: Tally | undefined;
  /** The target's revisions that are transactions of this comparison. */
  readonly #written = new Set<Revision>();

  constructor(private readonly options: CompareOptions) {
    this.#batch = new Batch(options.limits);
    this.#ours = options.ours;
  }

  /**
   * @returns the revision of the source that the target has then; undefined if `signal` aborted
   * @throws LockstepError for what another try cannot mend
   */
  async run(): Promise<Revision | undefined> {
    const { signal, onRetry, onNote } = this.options;
    let circle: Circle | undefined;
    let from: Buffer | undefined;
    const isOver = () => signal.aborted;
    const backoff = new Backoff(signal);
    while (!isOver()) {
      try {
        circle ??= await this.#begin(from);
        await this.#goRound(circle);
        return await this.#end(circle);
      } catch (error) {
        if (isOver()) break;
        if (circle && hasCode(error, 'COMPACTED')) {
          onNote(
            `the source has compacted revision ${circle.pin} while it was compared; going on at a newer one`,
          );
          from = circle.at;
          circle = undefined;
          backoff.reset();
        } else if (passes(error)) {
          onRetry(error);
          await backoff.rest();
        } else throw error;
      }
    }
    await this.#inFlight.catch(() => undefined);
    return undefined;
  }

  async #begin(start: Buffer | undefined): Promise<Circle> {
    const { source, map } = this.options;
    // What was found before must be in the target before it is read there again.
    if (this.#batch.records.length > 0) await this.#flush();
    await this.#settled();
    const pin = (await source.head(map.sourceRange.key)).revision;
    this.progress.keys = 0;
    const at = start ?? map.sourceRange.key;
    return { pin, start, at, wrapped: false, names: new Tally(), foreign: new Tally() };
  }

  async #goRound(circle: Circle): Promise<void> {
    const { sourceRange, targetRange } = this.options.map;
    if (!circle.wrapped) await this.#walk(circle, sourceRange, targetRange.rangeEnd);
    if (!circle.start) return;
    if (!circle.wrapped) circle.at = sourceRange.key;
    circle.wrapped = true;
    const end = this.options.map.bound(circle.start);
    await this.#walk(circle, { ...sourceRange, rangeEnd: circle.start }, end);
  }

  async #walk(circle: Circle, range: KeyRange, targetEnd: Buffer): Promise<void> {
    const { source, target, map } = this.options;
    const atStart = circle.at.equals(map.sourceRange.key);
    const targetKey = atStart ? map.targetRange.key : map.bound(circle.at);
    const mapped: KeyRange = { key: targetKey, rangeEnd: targetEnd };
    await mergeWalk(
      this.#counted(readPages(source, range, circle.pin, circle.at)),
      readPages(target, mapped, 0),
      map,
      (here, there) => this.#visit(circle, here, there),
    );
  }

  async *#counted(pages: AsyncGenerator<Page>): AsyncGenerator<Page> {
    for await (const page of pages) {
      this.options.signal.throwIfAborted();
      this.progress.remaining = page.remaining;
      yield page;
    }
  }

  #visit(
    circle: Circle,
    source: Entry | undefined,
    target: Entry | undefined,
  ): Promise<void> | undefined {
    const waiting = this.#change(circle, source, target);
    const name = (source ?? target)?.name;
    if (name) circle.at = keyAfter(this.options.map.toSource(name));
    return waiting;
  }

  #change(
    circle: Circle,
    source: Entry | undefined,
    target: Entry | undefined,
  ): Promise<void> | undefined {
    if (!source) return target && this.#onlyThere(circle, target);
    circle.names.add(digest(source.name));
    this.progress.keys++;
    this.progress.remaining = Math.max(0, this.progress.remaining - 1);
    if (target && isSame(source.row, target.row)) return undefined;
    const record = recordOf(source.name, source.row, false);
    return this.#add(record, () => {
      if (!target) this.#ours?.add(digest(source.name));
    });
  }

  #onlyThere(circle: Circle, { name, row }: Entry): Promise<void> | undefined {
    const { certainUpTo, prune, onForeign } = this.options;
    const modRevision = modRevisionOf(row);
    const certain = modRevision <= (certainUpTo ?? 0) || this.#written.has(modRevision);
    if (!certain && !prune) {
      circle.foreign.add(digest(name));
      onForeign(name);
      return undefined;
    }
    this.removed++;
    const record = recordOf(name, encodeKeyValue({ key: name }), true);
    return this.#add(record, () => {
      if (certain) this.#ours?.remove(digest(name));
    });
  }

  /** @param then what changes in what the cursor says, in the same transaction */
  #add(record: Record, then: () => void): Promise<void> | undefined {
    if (this.#batch.take([record])) {
      then();
      return undefined;
    }
    return this.#flush().then(() => {
      this.#batch.take([record]);
      then();
    });
  }

  /** One transaction is on its way while the next one is put together. */
  async #flush(): Promise<void> {
    const { writer, signal } = this.options;
    const { records } = this.#batch;
    this.#batch = new Batch(this.options.limits);
    const ours = this.#ours ? namesOf(this.#ours) : null;
    await this.#settled();
    const { foreign } = writer.state;
    const state = { revision: null, ours, foreign };
    this.#inFlight = writer.commit(records, state, signal).then((done) => {
      if (done) this.#written.add(writer.cursorMod);
      return done;
    });
    // Its failure is thrown by who waits for it next.
    this.#inFlight.catch(() => undefined);
  }

  async #settled(): Promise<void> {
    if (!(await this.#inFlight)) this.options.signal.throwIfAborted();
  }

  /** What is left, and with it the revision that the target has now. */
  async #end({ pin, names, foreign }: Circle): Promise<Revision | undefined> {
    const { writer, signal } = this.options;
    await this.#settled();
    const state = { revision: pin, ours: namesOf(names), foreign: namesOf(foreign) };
    const done = await writer.commit(this.#batch.records, state, signal);
    return done ? pin : undefined;
  }
}

/** Equal in all that a mirror brings. */
function isSame(left: Buffer, right: Buffer): boolean {
  const [a, b] = [parseKeyValue(left), parseKeyValue(right)];
  return a.lease === b.lease && a.value.equals(b.value);
}

function recordOf(key: Buffer, bytes: Buffer, tombstone: boolean): Record {
  return { main: 0, sub: 0, tombstone, key, bytes };
}
