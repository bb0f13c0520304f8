/**
 * A live audit: what happens on both sides after they were found equal, compared as it comes.
 *
 * A full audit reads every key, which takes longer the more there are. Where both sides were equal
 * at revision a, and every event of both between a and b is the same, they are equal at b. So the
 * full audit is done while all is live, this one goes on from there, and at the moment when nothing
 * may be written it has nothing left to read.
 *
 * Invariant: up to `equal` both sides have had the same events, byte for byte, in the same order.
 */
import { lastValueFrom } from 'rxjs';
import { Patience, type OnNote } from '../async/patience.js';
import { runTogether } from '../async/together.js';
import { Wakeup } from '../async/wakeup.js';
import { LockstepError } from '../errors.js';
import type { PrefixSet } from '../mvcc/prefix.js';
import { ownRecord, recordBytes, type Record } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { proven, type Position } from '../position.js';
import { watchLimits } from '../source/limits.js';
import { revisions$ } from '../source/revisions.js';
import type { WatchBatch } from '../source/watch.js';
import type { EtcdClient } from '../wire/client.js';
import { compareRecords, type HistorySide } from './history.js';
import type { Difference } from './report.js';

interface LiveAuditOptions {
  prefixes: PrefixSet;
  /** Both sides were found equal here, and hold everything above it. */
  after: Revision;
  /** A watch that is made anew. */
  onNote: OnNote;
}

/** Bytes of the one side's events that may wait for the other side's. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/** What has come from one side and was not compared yet. */
interface Waiting {
  position: Position;
  records: Record[];
  bytes: number;
}

export class LiveAudit {
  /** Events that were compared. */
  events = 0;
  readonly #source: Waiting;
  readonly #target: Waiting;
  readonly #moved = new Wakeup();
  readonly #ended = new AbortController();
  readonly #urgent = new AbortController();
  #lastEvent: Revision;

  private constructor(
    private readonly source: HistorySide,
    private readonly target: HistorySide,
    private readonly options: LiveAuditOptions,
  ) {
    const nothing = () => ({ position: proven(options.after), records: [], bytes: 0 });
    this.#source = nothing();
    this.#target = nothing();
    this.#lastEvent = options.after;
  }

  static async of(
    source: EtcdClient,
    target: EtcdClient,
    options: LiveAuditOptions,
  ): Promise<LiveAudit> {
    const [there, here] = await Promise.all([source.status(), target.status()]);
    return new LiveAudit(
      { client: source, status: there },
      { client: target, status: here },
      options,
    );
  }

  /** Both sides are equal up to here. */
  get equal(): Revision {
    return Math.min(this.#source.position, this.#target.position);
  }

  /** The source's events up to here have come. */
  get sourcePosition(): Revision {
    return this.#source.position;
  }

  /** Revision of the last of them; where none came, up to where both sides were found equal before. */
  get lastEvent(): Revision {
    return this.#lastEvent;
  }

  /** Somebody waits for what it finds next: from now on it asks both sides more often how far they are. */
  hurry(): void {
    this.#urgent.abort();
  }

  /**
   * What was found equal counts, and nothing behind it is looked at any more: a target that is taken over
   * has revisions of its own, and a late write on the source is not on it.
   */
  end(): void {
    this.#ended.abort();
  }

  /**
   * Until `signal` aborts, or {@link end}.
   * @throws LockstepError TARGET_DIFFERENT at the first difference; HISTORY_GAP where a side was
   *   compacted under it
   */
  async run(signal: AbortSignal): Promise<void> {
    await runTogether(AbortSignal.any([signal, this.#ended.signal]), [
      (stop) => this.#read(this.source, this.#source, stop),
      (stop) => this.#read(this.target, this.#target, stop),
    ]);
  }

  async #read(side: HistorySide, into: Waiting, signal: AbortSignal): Promise<void> {
    const { prefixes, onNote } = this.options;
    const { version, clusterId } = side.status;
    const limits = watchLimits(version);
    const begin = () => Promise.resolve({ after: into.position, limits });
    const watch = {
      ...{ prefixes, clusterId, begin, signal, onNote, told: new Patience(onNote) },
      urgent: this.#urgent.signal,
    };
    const take = async (batch: WatchBatch) => this.#take(batch, into, signal);
    await lastValueFrom(revisions$(side.client, watch, take), { defaultValue: undefined });
  }

  /** Resolves when there is room for more. */
  async #take(batch: WatchBatch, into: Waiting, signal: AbortSignal): Promise<void> {
    for (const { records } of batch.revisions) this.#add(records, into);
    into.position = batch.position;
    this.#compare();
    this.#moved.wake();
    while (into.bytes > MAX_WAITING_BYTES && !signal.aborted)
      await this.#moved.after(this.#moved.generation, signal);
  }

  #add(records: readonly Record[], into: Waiting): void {
    for (const record of records) {
      into.records.push(ownRecord(record));
      into.bytes += recordBytes(record);
    }
    const last = records.at(-1);
    if (into === this.#source && last) this.#lastEvent = last.main;
  }

  #compare(): void {
    const { records: left, position: leftAt } = this.#source;
    const { records: right, position: rightAt } = this.#target;
    let i = 0;
    for (; i < left.length && i < right.length; i++) {
      const [difference] = compareRecords(left[i], right[i]);
      if (difference) throw different(difference);
    }
    const [a, b] = [left[i], right[i]];
    // The other side has passed it and has nothing there.
    if ((a && a.main <= rightAt) || (b && b.main <= leftAt)) {
      const [difference] = compareRecords(a, b);
      if (difference) throw different(difference);
    }
    this.events += i;
    for (const side of [this.#source, this.#target])
      for (const record of side.records.splice(0, i)) side.bytes -= recordBytes(record);
  }
}

function different({ key, kind, fields, revision }: Difference): LockstepError {
  const what = kind === 'different' ? `differs in ${fields.join(', ')}` : `is ${kind}`;
  return new LockstepError(
    'TARGET_DIFFERENT',
    `the target is not what the source is: ${key} ${what} at revision ${revision ?? 0}`,
    {
      revision,
      hint: 'Do not cut over to it. Run `etcd-lockstep audit --history` to see all of it, and seed a new target.',
    },
  );
}
