/**
 * The newest revisions of the journal, in memory: a follower that keeps up need not read back what
 * has just been written.
 */
import { ownRecord } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import type { JournalRevision } from './log.js';

const MAX_BYTES = 1024 * 1024;
/** Of a record in memory beside its message. */
const RECORD_BYTES = 300;

export class RecentRevisions {
  readonly #revisions: { revision: JournalRevision; bytes: number }[] = [];
  #bytes = 0;

  /** @param after every revision above it will be added */
  constructor(private after: Revision) {}

  add(appended: JournalRevision): void {
    const { records } = appended;
    const bytes = records.reduce((sum, record) => sum + record.bytes.length + RECORD_BYTES, 0);
    this.#revisions.push({ revision: { ...appended, records: records.map(ownRecord) }, bytes });
    this.#bytes += bytes;
    while (this.#bytes > MAX_BYTES) {
      const oldest = this.#revisions.shift();
      if (!oldest) return;
      this.#bytes -= oldest.bytes;
      this.after = oldest.revision.revision;
    }
  }

  /** The revisions from `from` to `to`; undefined where some are no longer here. */
  between(from: Revision, to: Revision): JournalRevision[] | undefined {
    if (from <= this.after) return undefined;
    // Mostly the last few are asked for.
    const first = this.#revisions.findLastIndex(({ revision }) => revision.revision < from) + 1;
    return this.#revisions
      .slice(first)
      .map(({ revision }) => revision)
      .filter(({ revision }) => revision <= to);
  }
}
