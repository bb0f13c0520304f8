/**
 * adopt: a journal out of the target.
 *
 * In lockstep the target is the source as it was at the target's head T, so a journal that was lost,
 * damaged or left behind can be made again from there: the live rows at T, and the watch from T + 1.
 * What the target holds is added up and must be what its cursor says.
 *
 * The new journal gets the old one's place only when it is whole; killed before, it is made anew.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { Journal } from '../journal/journal.js';
import { refuseOther } from '../journal/level.js';
import { PrefixSet } from '../mvcc/prefix.js';
import type { Position } from '../position.js';
import { cursorTally, type Cursor } from '../target/cursor.js';
import type { EtcdClient } from '../wire/client.js';
import { readBase, type OnBase } from './read.js';

/**
 * Nobody may write to the target meanwhile.
 * @param stands where the target stands, with a cursor that accounts for it
 * @throws LockstepError TARGET_NOT_EXACT, JOURNAL_OTHER for a directory that holds anything else
 */
export async function adopt(
  target: EtcdClient,
  directory: string,
  stands: { position: Position; cursor: Cursor },
  onBase: OnBase,
  signal: AbortSignal,
): Promise<void> {
  const { position, cursor } = stands;
  if (existsSync(directory)) refuseOther(directory);
  const part = `${directory}.adopting`;
  rmSync(part, { recursive: true, force: true });
  const journal = await Journal.create(
    part,
    { clusterId: cursor.source ?? '', prefixes: PrefixSet.of(cursor.prefixes) },
    {
      watchFrom: position + 1,
      base: { how: 'range', done: false, pinned: position, prefix: 0, next: null },
      compactRevision: position,
    },
  );
  try {
    await readBase(target, journal, onBase, signal);
    const tally = await journal.tally(position);
    if (!tally.equals(cursorTally(cursor))) throw notExact(position);
    if (cursor.gap) await journal.declareGap(cursor.gap);
  } finally {
    await journal.close();
  }
  failpoint('base.adopt.begin');
  rmSync(directory, { recursive: true, force: true });
  failpoint('base.adopt.removed');
  renameSync(part, directory);
  failpoint('base.adopt.renamed');
}

function notExact(revision: number): LockstepError {
  return new LockstepError(
    'TARGET_NOT_EXACT',
    `the target does not hold at revision ${revision} what its cursor says`,
    {
      revision,
      hint: 'Nothing was written. Run audit to see what differs; then seed again, into a new journal and a new target.',
    },
  );
}
