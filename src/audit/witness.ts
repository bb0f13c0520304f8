/**
 * Who is shown all that an audit compares, not only what differs: a report is made of it
 * (src/report/collect.ts).
 *
 * It is called in the audit's one pass, for each key, and must be quick. Rows are views of the message that
 * they came in; what is kept of them longer than the call is to be copied.
 */
import type { Revision } from '../mvcc/revision.js';
import type { Difference } from './report.js';

/** The mvccpb.KeyValue message of each side that has the key; in a deletion it has the key alone. */
export interface SideRows {
  source?: Buffer | undefined;
  target?: Buffer | undefined;
}

/** Called for every key that is compared. */
export interface AuditWitness {
  /** Reading begins, at the source's revision. Where it begins again, what was seen before is void. */
  begin: (revision: Revision) => void;
  /** One key, by its name on the target, before it is called a difference. */
  key: (name: Buffer, rows: SideRows) => void;
}

/** Called for each difference, in key order. */
export type OnDifference = (difference: Difference, rows: SideRows) => void;

/** Of two rows those that a difference is about: of two events of different keys it is one each. */
export function rowsOf(
  { kind }: Pick<Difference, 'kind'>,
  source: Buffer | undefined,
  target: Buffer | undefined,
): SideRows {
  if (kind === 'missing on target') return { source };
  return kind === 'extra on target' ? { target } : { source, target };
}
