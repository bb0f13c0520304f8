/** What the tail brings, with the sum of the keys' names that the mirror's cursor keeps (survey.ts). */
import { versionOf } from '../mvcc/keyvalue.js';
import type { Record } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { digest, type Tally } from '../mvcc/tally.js';
import type { Load } from './backlog.js';
import { namesOf, tallyOf, type MirrorState } from './mirrorcursor.js';
import type { Sink } from './tail.js';
import type { Writer } from './writer.js';

export class NameSink implements Sink {
  readonly #ours: Tally | undefined;

  constructor(private readonly writer: Writer<MirrorState>) {
    const { ours } = writer.state;
    this.#ours = ours ? tallyOf(ours) : undefined;
  }

  get position(): Revision {
    return this.writer.state.revision ?? 0;
  }

  isBehind(position: Revision): boolean {
    return position !== this.writer.state.revision;
  }

  async commit(
    { records, position }: Pick<Load, 'records' | 'position'>,
    end: AbortSignal,
  ): Promise<boolean> {
    const ours = this.#ours;
    if (ours) keepUp(ours, records);
    const { foreign } = this.writer.state;
    const state = { revision: position, ours: ours ? namesOf(ours) : null, foreign };
    return this.writer.commit(records, state, end);
  }
}

/** A first version is a new key; a deletion is of one that was there. */
export function keepUp(ours: Tally, records: readonly Record[]): void {
  for (const { key, bytes, tombstone } of records) {
    if (tombstone) ours.remove(digest(key));
    else if (versionOf(bytes) === 1) ours.add(digest(key));
  }
}
