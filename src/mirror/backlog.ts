/**
 * What has come from the source's watch and is not in the target yet.
 *
 * It is what makes batches: while one transaction is on its way, revisions gather here, and the next
 * one takes as many of them as fit. So a quiet source is mirrored revision by revision at once, and a
 * busy one in large transactions, without waiting for anything. It has a limit in bytes; when it is
 * full the watch is not read on, and gRPC makes the source wait.
 */
import { Wakeup } from '../async/wakeup.js';
import { ownRecord, recordBytes, type Record, type WholeRevision } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import type { Position } from '../position.js';
import type { WatchBatch } from '../source/watch.js';
import { Batch, type Limits } from './batch.js';

const MAX_BYTES = 16 * 1024 * 1024;

/** What one transaction takes. */
export interface Load {
  records: Record[];
  revisions: number;
  /** The target has everything up to here when it has the records. */
  position: Revision;
}

/** Which records take part, and what they are called on the target. */
export interface Mapped {
  /** @returns undefined for one that takes no part */
  record: (record: Record) => Record | undefined;
}

export class Backlog {
  /** Something came. */
  readonly filled = new Wakeup();
  readonly #drained = new Wakeup();
  #queue: WholeRevision[] = [];
  /** Those before it have been taken. */
  #first = 0;
  #bytes = 0;
  #position: Position;

  constructor(
    private readonly map: Mapped,
    after: Position,
  ) {
    this.#position = after;
  }

  /** Everything up to here has come. */
  get position(): Position {
    return this.#position;
  }

  /** Resolves when there is room for more. */
  async add({ revisions, position }: WatchBatch, signal: AbortSignal): Promise<void> {
    for (const { revision, records } of revisions) {
      const mapped = records.map((r) => this.map.record(r)).filter((r) => r !== undefined);
      if (mapped.length === 0) continue;
      this.#queue.push({ revision, records: mapped.map(ownRecord) });
      this.#bytes += bytesOf(mapped);
    }
    this.#position = position;
    this.filled.wake();
    while (this.#bytes > MAX_BYTES && !signal.aborted)
      await this.#drained.after(this.#drained.generation, signal);
  }

  /** As many whole revisions as one transaction takes; none of them is left in here. */
  take(limits: Limits): Load {
    const batch = new Batch(limits);
    let revisions = 0;
    let position: Revision = this.#position;
    for (let next = this.#queue[this.#first]; next; next = this.#queue[this.#first]) {
      if (!batch.take(next.records)) break;
      position = next.revision;
      revisions++;
      this.#first++;
    }
    if (this.#first === this.#queue.length) {
      position = this.#position;
      this.#queue = [];
      this.#first = 0;
    } else if (this.#first > 1000) {
      this.#queue = this.#queue.slice(this.#first);
      this.#first = 0;
    }
    this.#bytes -= bytesOf(batch.records);
    this.#drained.wake();
    return { records: batch.records, revisions, position };
  }
}

function bytesOf(records: readonly Record[]): number {
  return records.reduce((sum, record) => sum + recordBytes(record), 0);
}
