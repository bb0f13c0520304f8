/**
 * Position: the source revision up to which every record of our prefixes is known.
 *
 * It is a type of its own because a bare revision proves nothing: a response header, for example,
 * names a revision whose events may still be on their way. Only the places that know a proof may
 * call {@link proven}: a whole revision that arrived, a progress answer of a server that can be
 * believed, a snapshot file, the journal and the cursor that stored one.
 */
import { safeRevision, type Revision } from './mvcc/revision.js';

declare const brand: unique symbol;
export type Position = number & { readonly [brand]: 'position' };

/** Declares that all records up to and including `revision` are known. */
export function proven(revision: Revision): Position {
  return safeRevision(revision) as Position;
}
