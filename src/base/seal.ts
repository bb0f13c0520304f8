/**
 * Journal ─► base, as it is at the journal's position.
 *
 *     index ─► compact, tally        one scan
 *     rows in the order of revisions ─► base file ─► sha256 beside the fsync
 */
import type { Journal } from '../journal/journal.js';
import { BaseFile, type LeaseTtl, type Sealed } from './basefile.js';

interface SealOptions {
  out: string;
  /** Cluster id of the source; null if it is not known. */
  source: string | null;
  leaseTtl: LeaseTtl;
  onRow?: (rows: number) => void;
  /** Ends it with an error; nothing is published then. */
  signal: AbortSignal;
}

/**
 * Compacts the journal to its compact revision, and over a gap that was bridged, and publishes the base. Nothing may be written to
 * the journal meanwhile.
 * @throws LockstepError JOURNAL_DAMAGED, IO
 */
export async function seal(journal: Journal, options: SealOptions): Promise<Sealed> {
  const { out, source, leaseTtl, onRow, signal } = options;
  const head = journal.position;
  const { prefixes, gap } = journal.state;
  // What was made up over a gap is nobody's history.
  const compactRevision = Math.max(journal.state.compactRevision, gap?.to ?? 0);
  const tally = await journal.compact(compactRevision);
  const base = new BaseFile(out);
  try {
    for await (const rows of journal.everything()) {
      for (const row of rows) base.add(row);
      signal.throwIfAborted();
      onRow?.(base.rows);
    }
    return await base.publish({ source, prefixes, head, compactRevision, tally, gap }, leaseTtl);
  } catch (error) {
    await base.abort();
    throw error;
  }
}
