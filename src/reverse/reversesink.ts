/** Changes of the target, written to the source: above their revisions (margin.ts), over nothing unseen (ownwrites.ts). */
import { failpoint } from '../failpoint.js';
import type { Load } from '../mirror/backlog.js';
import type { Sink } from '../mirror/tail.js';
import type { Writer } from '../mirror/writer.js';
import type { Revision } from '../mvcc/revision.js';
import type { LateKeys } from './latekeys.js';
import type { Margin } from './margin.js';
import type { ReverseState } from '../target/reversecursor.js';

interface ReverseSinkOptions {
  writer: Writer<ReverseState>;
  margin: Pick<Margin, 'reach'>;
  late: LateKeys;
  /** All that was written late up to here is known. */
  seen: () => Revision;
}

export class ReverseSink implements Sink {
  /** Changes of the late keys that the cursor has. */
  #lateChanges: number;

  constructor(private readonly o: ReverseSinkOptions) {
    this.#lateChanges = o.late.changes;
  }

  get position(): Revision {
    return this.o.writer.state.revision;
  }

  /** The source may be compacted past what it says was seen, so that counts as well. */
  isBehind(position: Revision): boolean {
    const { writer, late, seen } = this.o;
    const { revision, seen: stored } = writer.state;
    return position !== revision || seen() > stored || late.changes !== this.#lateChanges;
  }

  async commit(load: Pick<Load, 'records' | 'position'>, end: AbortSignal): Promise<boolean> {
    return this.write(load, false, end);
  }

  /** @param comparing what the cursor says of itself then */
  async write(
    { records, position }: Pick<Load, 'records' | 'position'>,
    comparing: boolean,
    end: AbortSignal,
  ): Promise<boolean> {
    const { writer, margin, late } = this.o;
    const revision = records.at(-1)?.main ?? 0;
    while (writer.cursorMod < revision) {
      await margin.reach(revision, end);
      failpoint('reverse.above');
      if (!(await writer.commit([], this.#state(this.position, comparing), end))) return false;
    }
    const { changes } = late;
    if (!(await writer.commit(records, this.#state(position, comparing), end))) return false;
    this.#lateChanges = changes;
    return true;
  }

  #state(revision: Revision, comparing: boolean): ReverseState {
    return { revision, comparing, seen: this.o.seen(), late: this.o.late.state };
  }
}
