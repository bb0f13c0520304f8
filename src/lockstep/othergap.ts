/**
 * A target inside a gap that was bridged: the history there was made up, and two journals make it up
 * differently. So it must hold what this journal says.
 */
import { LockstepError } from '../errors.js';
import type { RevisionLog } from '../journal/log.js';
import type { Position } from '../position.js';
import { cursorTally, type Cursor } from '../target/cursor.js';

/** @throws LockstepError TARGET_OTHER_GAP */
export async function refuseOtherGap(
  journal: RevisionLog,
  position: Position,
  cursor: Cursor,
): Promise<void> {
  if (await fitsInsideGap(journal, position, cursor)) return;
  throw new LockstepError(
    'TARGET_OTHER_GAP',
    `the target stands at revision ${position}, inside a gap that another follower has bridged`,
    {
      revision: position,
      hint: 'Let that follower finish, or run this one with --repair: it makes the journal anew from the target.',
    },
  );
}

/**
 * Whether it stands inside none, or with what this journal holds there. The gap may be one that this
 * journal knows nothing of: it has captured there what the other one has made up.
 */
export async function fitsInsideGap(
  journal: RevisionLog,
  position: Position,
  cursor: Cursor,
): Promise<boolean> {
  const inside = [journal.state.gap, cursor.gap].some(
    (gap) => gap && position > gap.after && position < gap.to,
  );
  if (!inside || position > journal.position) return true;
  return (await journal.tally(position)).equals(cursorTally(cursor));
}
