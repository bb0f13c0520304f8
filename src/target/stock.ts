/**
 * Taking stock: what the target holds, and whether it may be followed into.
 *
 * The head must be accounted for to the last revision: since the cursor was written at revision c,
 * nothing but fillers may have been written, and each filler added one to the version of a slot, or of
 * the chain. So head = c + (sum of these versions now − their sum when the cursor was written), or somebody
 * else has written there. Likewise the chain's last link is where it was meant to be.
 */
import { LockstepError } from '../errors.js';
import type { PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import type { Tally } from '../mvcc/tally.js';
import { proven, type Position } from '../position.js';
import { CHAIN_KEY } from './chain.js';
import { cursorTally, type Cursor } from './cursor.js';
import { refuseCutOver } from './cutoverstate.js';
import type { TargetState } from './target.js';

/** What a follower brings along, to be held against what the target says. */
export interface Identity {
  /** Cluster id of the source, hexadecimal. */
  source: string;
  prefixes: PrefixSet;
}

/** A target that was checked. */
export interface Stock {
  /** The target's head: it holds exactly the source's records up to here. */
  position: Position;
  cursor: Cursor;
  tally: Tally;
  chainMod: Revision;
  slotMods: Revision[];
  ownWrites: number;
}

/** Nobody writes so much to a target unseen; who bumps revisions does it by more. */
const BUMPED_BY = 1_000_000;
const NEW_TARGET = 'The target is no exact copy any more; make a new one from a new seed.';

/**
 * @throws LockstepError TARGET_NOT_OURS, TARGET_OTHER_SOURCE, TARGET_OTHER_PREFIXES, TARGET_HEAD_OFF,
 *   TARGET_CUT_OVER; nothing was changed
 */
export function takeStock(state: TargetState, identity: Identity): Stock {
  const { cursor, head } = state;
  if (!cursor)
    throw refuse(
      'TARGET_NOT_OURS',
      'the target has no cursor',
      'Check --dest-endpoints. A target comes from a base that `etcd-lockstep seed` has sealed; etcd-lockstep never writes into any other.',
    );
  checkSource(cursor, identity);
  if (state.cutover) throw refuseCutOver(state.cutover);
  if (cursor.revision !== state.cursorMod)
    throw refuse(
      'TARGET_HEAD_OFF',
      `the cursor says revision ${cursor.revision}, but was written at ${state.cursorMod}`,
      'It was copied by something that does not keep revisions. Restore the base with `etcdutl snapshot restore`, or seed again.',
      state.cursorMod,
    );
  refuseOddLink(state);
  const expected = cursor.revision + state.ownWrites - cursor.ownWrites;
  if (head - expected >= BUMPED_BY)
    throw refuse(
      'TARGET_HEAD_OFF',
      `the target's head is ${head}, but cursor and fillers account for ${expected}: so far above is what was restored with --bump-revision`,
      'Restore the base again without --bump-revision: a target in lockstep has the very revisions of the source.',
      head,
    );
  if (head !== expected)
    throw refuse(
      'TARGET_HEAD_OFF',
      `the target's head is ${head}, but cursor and fillers account for ${expected}`,
      `Somebody else has written to the target, a lease has expired there, or it was restored with --bump-revision. ${NEW_TARGET}`,
      head,
    );
  return {
    position: proven(head),
    cursor,
    tally: cursorTally(cursor),
    chainMod: state.chainMod,
    slotMods: [...state.slotMods],
    ownWrites: state.ownWrites,
  };
}

/** Where the chain says another revision than it was written at, it followed somebody else's write. */
function refuseOddLink({ chainMod, link }: TargetState): void {
  if (chainMod === 0 || link?.revision === chainMod) return;
  throw refuse(
    'TARGET_HEAD_OFF',
    link
      ? `the chain says revision ${link.revision}, but was written at ${chainMod}: somebody else has written in between`
      : `${CHAIN_KEY.toString()} holds no link: somebody else has written there, at revision ${chainMod}`,
    `Stop the other writer. ${NEW_TARGET}`,
    chainMod,
  );
}

function checkSource(cursor: Cursor, { source, prefixes }: Identity): void {
  if (cursor.source === null)
    throw refuse(
      'TARGET_NOT_OURS',
      'the target comes from a base that was cropped from a file',
      'It cannot be followed into, because a file does not say which source it is from. Seed from the live source instead.',
    );
  if (cursor.source !== source)
    throw refuse(
      'TARGET_OTHER_SOURCE',
      `the target follows source cluster ${cursor.source}; this source is ${source}`,
      'Check --endpoints and --dest-endpoints. If the source was restored from a backup, seed again.',
    );
  if (!prefixes.equals(cursor.prefixes))
    throw refuse(
      'TARGET_OTHER_PREFIXES',
      `the target holds the prefixes ${cursor.prefixes.join(', ')}, the journal ${prefixes.list.join(', ')}`,
      'Use the journal that the target was seeded from.',
    );
}

/** A write landed at a revision that is not the one it was meant for. */
export function foreignWrite(expected: Revision, actual: Revision): LockstepError {
  return refuse(
    'TARGET_FOREIGN_WRITE',
    `a write that had to be revision ${expected} of the target became ${actual}: somebody else writes there`,
    `Stop the other writer. ${NEW_TARGET}`,
    actual,
  );
}

/** A write landed behind the last of ours. */
export function foreignBehind(ours: Revision, head: Revision): LockstepError {
  return refuse(
    'TARGET_FOREIGN_WRITE',
    `the target's head is ${head}, but what was written ends at ${ours}: somebody else writes there`,
    `Stop the other writer. ${NEW_TARGET}`,
    head,
  );
}

/** What the stock takes for a filler stands where records had to be. */
export function leftOut(revision: Revision): LockstepError {
  return refuse(
    'TARGET_FOREIGN_WRITE',
    `revision ${revision} has records, but the target went past it without them: somebody else has written a filler there`,
    `Find out who writes under etcd-lockstep/. ${NEW_TARGET}`,
    revision,
  );
}

/** @param follower id of the other one, where the cursor bears it */
export function otherFollower(
  revision: Revision | undefined,
  follower: string | null = null,
): LockstepError {
  return refuse(
    'TARGET_TAKEN_OVER',
    `another follower${follower === null ? '' : ` (${follower})`} writes to the target`,
    'Two followers run for one target. Let one of them run, or both with --standby; the target is unharmed.',
    revision,
  );
}

function refuse(
  code: ConstructorParameters<typeof LockstepError>[0],
  message: string,
  hint: string,
  revision?: Revision,
): LockstepError {
  return new LockstepError(code, message, {
    hint,
    revision,
  });
}
