/**
 * Whether the source's history is still the one that the journal has captured.
 *
 * A source that was restored from a backup has another cluster id, or a head that went back; both are
 * seen by the watch. But with the same id and enough new writes its head has passed ours again, and
 * then nothing is odd but the content: the revision that we have captured last is another one there.
 */
import { hasCode, LockstepError } from '../errors.js';
import type { Record } from '../mvcc/record.js';
import type { EtcdClient } from '../wire/client.js';
import type { RevisionLog } from './log.js';
import { halfBridged } from './state.js';

/** So many revisions below the last that was captured are looked through for a put. */
const LOOKED_BACK = 100;

/**
 * Compares the last captured put with what the source has at its revision. One that the source has
 * compacted away cannot be compared and passes, as does a history of deletions alone.
 * @throws LockstepError SOURCE_CHANGED
 */
export async function refuseOtherHistory(client: EtcdClient, journal: RevisionLog): Promise<void> {
  const put = await lastPut(journal);
  if (!put) return;
  try {
    const { rows } = await client.few({ key: put.key, revision: put.main, limit: 1 });
    if (rows[0]?.equals(put.bytes)) return;
  } catch (error) {
    // A head below it is told by the watch.
    if (hasCode(error, 'COMPACTED', 'FUTURE_REVISION')) return;
    throw error;
  }
  throw new LockstepError(
    'SOURCE_CHANGED',
    `revision ${put.main} of the source is not the one that was captured: ${put.key.toString()} differs`,
    {
      revision: put.main,
      hint: 'The source was restored from a backup and has been written since. Seed again, into a new journal and a new target.',
    },
  );
}

/**
 * Inside a gap the journal ends with what was made up. The source's own history does not follow from there,
 * whether it still has that or not, so nothing is watched before the bridge has come to its end.
 * @throws LockstepError HISTORY_GAP
 */
export function refuseHalfBridge(journal: RevisionLog): void {
  const gap = halfBridged(journal);
  if (!gap) return;
  const { position } = journal.mark;
  throw new LockstepError(
    'HISTORY_GAP',
    `the journal ends at revision ${position}, inside a gap that was to be bridged up to revision ${gap.to}`,
    {
      side: 'source',
      revision: gap.to,
      hint: 'It was cut short. Run follow with --repair: it brings the target to what the source holds now, every key exact. Or seed again, into a new journal and a new target.',
    },
  );
}

/** The newest put of the last revisions that were captured, of which some may be deletions alone. */
async function lastPut(journal: RevisionLog): Promise<Record | undefined> {
  const { lastRevision } = journal.mark;
  let put: Record | undefined;
  const from = Math.max(lastRevision - LOOKED_BACK, journal.state.watchFrom);
  for await (const batch of journal.revisions(from, lastRevision))
    for (const { records } of batch) {
      // A key that is put and deleted in one revision is not there to be read.
      const lives = (record: Record, i: number) =>
        !record.tombstone && !records.slice(i + 1).some(({ key }) => key.equals(record.key));
      put = records.findLast(lives) ?? put;
    }
  return put;
}
