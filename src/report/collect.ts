/** What a report needs of an audit, collected in the audit's own pass, in bounded memory. */
import { z } from 'zod';
import type { Difference } from '../audit/report.js';
import type { AuditWitness, SideRows } from '../audit/witness.js';
import { measured } from '../mvcc/keyvalue.js';
import type { Revision } from '../mvcc/revision.js';
import { Found, type FoundDifferences } from './found.js';
import { group, Groups, otherGroups } from './groups.js';
import { bucket, Histogram } from './histogram.js';

/** The schema of {@link Contents}. */
export const contents = z.strictObject({
  groups: z.array(group),
  others: otherGroups.nullable(),
  /** Of the source's keys: bytes of their values. */
  valueBytes: z.array(bucket),
  /** Of the source's keys: how many revisions before the audit's they were changed last. etcd keeps no times. */
  revisionsAgo: z.array(bucket),
});

/** What was compared, by resource and namespace, by size, and by when it was changed. */
export type Contents = z.infer<typeof contents>;

/** Give it to an audit as its witness, and its differences to {@link difference}. */
export class Collector implements AuditWitness {
  #groups = new Groups();
  #valueBytes = new Histogram();
  #revisionsAgo = new Histogram();
  #found = new Found();
  #revision: Revision = 0;

  readonly begin = (revision: Revision): void => {
    this.#groups = new Groups();
    this.#valueBytes = new Histogram();
    this.#revisionsAgo = new Histogram();
    this.#found = new Found();
    this.#revision = revision;
  };

  readonly key = (name: Buffer, { source, target }: SideRows): void => {
    this.#groups.add(name, source?.length, target?.length);
    if (!source) return;
    const { valueBytes, modRevision } = measured(source);
    this.#valueBytes.add(valueBytes);
    this.#revisionsAgo.add(Math.max(this.#revision - modRevision, 0));
  };

  readonly difference = (difference: Difference, rows: SideRows): void => {
    this.#found.add(difference, rows);
    // An event has come to no group.
    if (difference.revision === undefined) this.#groups.addDifference();
  };

  get facts(): { contents: Contents; differences: FoundDifferences } {
    const contents = {
      groups: this.#groups.told,
      others: this.#groups.others,
      valueBytes: this.#valueBytes.buckets,
      revisionsAgo: this.#revisionsAgo.buckets,
    };
    return { contents, differences: this.#found.facts };
  }
}
