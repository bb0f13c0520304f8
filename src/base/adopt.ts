/**
 * adopt: a journal out of the target.
 *
 * In lockstep the target is the source as it was at the target's head T, so a journal that was lost,
 * damaged or left behind can be made again from there: the live rows at T, and the watch from T + 1.
 * What the target holds is added up and must be what its cursor says.
 *
 * Inside a gap that was bridged the target is not the source as it was, so the source's own history does
 * not follow from there: the journal is bridged to the gap's end first.
 *
 * The new journal gets the old one's place only when it is whole; killed before, it is made anew.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { attempt } from '../bolt/failure.js';
import { LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { Journal } from '../journal/journal.js';
import { refuseOther } from '../journal/level.js';
import { halfBridged } from '../journal/state.js';
import { PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { syncFolder } from '../newfile.js';
import type { Position } from '../position.js';
import { cursorTally, type Cursor } from '../target/cursor.js';
import type { EtcdClient } from '../wire/client.js';
import { bridge } from './bridge.js';
import { readBase, type OnBase } from './read.js';

export interface AdoptOptions {
  source: EtcdClient;
  target: EtcdClient;
  /** Where the journal lies, or is to lie. */
  journal: string;
  onBase: OnBase;
  signal: AbortSignal;
}

/**
 * Nobody may write to the target meanwhile.
 * @param stands where the target stands, with a cursor that accounts for it
 * @throws LockstepError TARGET_NOT_EXACT, JOURNAL_OTHER for a directory that holds anything else
 */
export async function adopt(
  options: AdoptOptions,
  { position, cursor }: { position: Position; cursor: Cursor },
): Promise<void> {
  const { source: clusterId, prefixes, gap } = cursor;
  const start = { clusterId: clusterId ?? '', prefixes: PrefixSet.of(prefixes) };
  await replaceJournal(options, { ...start, position, readAt: position }, async (journal) => {
    const tally = await journal.tally(position);
    if (!tally.equals(cursorTally(cursor))) throw notExact(position);
    if (!gap) return;
    await journal.declareGap(gap);
    if (halfBridged(journal)) await bridge(options.source, journal, options.signal);
  });
}

/**
 * Makes a journal of what the target holds, and gives it the place of the one that is there.
 * @param start `position`: what the rows are the source's state at; `readAt`: the target's revision
 * @param finish called when the rows are in it; what it throws leaves the old one where it is
 */
export async function replaceJournal(
  { target, journal: directory, onBase, signal }: AdoptOptions,
  start: { clusterId: string; prefixes: PrefixSet; position: Revision; readAt: Revision },
  finish: (journal: Journal) => Promise<void>,
): Promise<void> {
  const { position, readAt } = start;
  if (existsSync(directory)) refuseOther(directory);
  const part = `${directory}.adopting`;
  rmSync(part, { recursive: true, force: true });
  const journal = await Journal.create(part, start, {
    watchFrom: position + 1,
    base: { how: 'range', done: false, pinned: readAt, prefix: 0, next: null },
    compactRevision: position,
  });
  try {
    await readBase(target, journal, onBase, signal);
    await finish(journal);
  } finally {
    await journal.close();
  }
  failpoint('base.adopt.begin');
  rmSync(directory, { recursive: true, force: true });
  failpoint('base.adopt.removed');
  renameSync(part, directory);
  failpoint('base.adopt.renamed');
  attempt('write', directory, () => {
    syncFolder(dirname(directory));
  });
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
