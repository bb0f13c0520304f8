/**
 * A source that a reverse has kept current, for retire: that it holds what the target had, and nothing else.
 *
 * What was cut over is not there any more to be held against: the reverse has written since. But its cursor moves
 * in the same transaction as the data, so at the source's revision S it names the target's revision T, and what
 * the source holds at S is what the target held at T, key by key. A row that is not was written late by somebody.
 *
 * Before go, and before the claim, that is looked at while the reverse goes on. Behind the claim the cursor is
 * taken for good, by a mark in it: from that revision on no reverse writes any more, it is looked at once more as
 * of that revision, and whatever is newer is not removed. That it was found right is a second mark: a run that
 * goes on finds that one, and removes; or the first alone, and looks.
 */
import { describeKey } from '../audit/report.js';
import { hasCode, LockstepError } from '../errors.js';
import { keyOf, modRevisionOf, parseKeyValue } from '../mvcc/keyvalue.js';
import type { PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import {
  parseReverse,
  RETIRED,
  reverseKey,
  VERIFIED,
  type ReverseCursor,
} from '../target/reversecursor.js';
import { readPrefixes } from '../source/prefixes.js';
import { sideBySide } from '../source/rows.js';
import { modIs, put } from '../target/txn.js';
import type { EtcdClient } from '../wire/client.js';

/** The cursor as it stands, and the source's revision at which it was looked at. */
export interface KeptSource {
  cursor: ReverseCursor;
  at: Revision;
  /** Of the cursor. */
  modRevision: Revision;
}

interface Ends {
  source: EtcdClient;
  target: EtcdClient;
  prefixes: PrefixSet;
  signal: AbortSignal;
}

/** @returns undefined where no reverse has run since that takeover */
export async function lookAtKept(
  { source, prefixes }: Pick<Ends, 'source' | 'prefixes'>,
  exact: Revision,
): Promise<KeptSource | undefined> {
  const key = reverseKey(prefixes);
  const { header, rows } = await source.few({ key });
  if (!rows[0]) return undefined;
  const { value, modRevision } = parseKeyValue(rows[0]);
  const cursor = parseReverse(key, value);
  return cursor.exact === exact ? { cursor, at: header.revision, modRevision } : undefined;
}

/**
 * @throws LockstepError LATE_WRITE where a key is not what the target had, COMPACTED_MEANWHILE where that
 *   cannot be looked at at this revision, MIRROR_INCOMPLETE while the reverse compares
 */
export async function refuseOtherThanKept(ends: Ends, { cursor, at }: KeptSource): Promise<void> {
  const { source, target, prefixes, signal } = ends;
  if (cursor.comparing) throw comparing();
  try {
    await sideBySide(
      readPrefixes(source, prefixes, { revision: at }),
      readPrefixes(target, prefixes, { revision: cursor.revision }),
      (there, here): undefined => {
        signal.throwIfAborted();
        if (isBrought(there, here)) return;
        const { key } = describeKey(keyOf(there ?? here ?? Buffer.alloc(0)));
        const late = cursor.late.open.find((one) => one.key === key);
        throw writtenLate(key, there ? modRevisionOf(there) : (late?.revision ?? at));
      },
    );
  } catch (error) {
    if (!hasCode(error, 'COMPACTED')) throw error;
    throw error.as({ code: 'COMPACTED_MEANWHILE', hint: BEHIND });
  }
}

/**
 * Takes the cursor, so that nothing is brought any more.
 * @returns as it is from then on; `modRevision` is the last revision that may be removed
 * @throws LockstepError LATE_WRITE as {@link refuseOtherThanKept}, TARGET_DIFFERENT where it cannot be looked at any more
 */
export async function takeKept(ends: Ends, exact: Revision): Promise<KeptSource | undefined> {
  const key = reverseKey(ends.prefixes);
  while (true) {
    const kept = await lookAtKept(ends, exact);
    if (!kept) return undefined;
    const { cursor, modRevision: at } = kept;
    if (cursor.writer === VERIFIED) return { ...kept, modRevision: cursor.seen };
    const isTaken = cursor.writer === RETIRED;
    if (isTaken) await refuseOtherThanTaken(ends, { ...kept, at });
    const next = isTaken
      ? { ...cursor, seen: at, writer: VERIFIED }
      : { ...cursor, writer: RETIRED };
    const mark = put(key, Buffer.from(JSON.stringify(next)));
    await ends.source.txn({ compare: [modIs(key, at)], success: [mark] });
  }
}

/** No reverse goes on from there, so what cannot be looked at now no other try will see. */
async function refuseOtherThanTaken(ends: Ends, kept: KeptSource): Promise<void> {
  try {
    await refuseOtherThanKept(ends, kept);
  } catch (error) {
    if (!hasCode(error, 'COMPACTED_MEANWHILE', 'MIRROR_INCOMPLETE')) throw error;
    const how = kept.cursor.comparing ? 'it compared both sides' : 'what both had is compacted';
    throw error.as({
      ...{ code: 'TARGET_DIFFERENT', side: 'source', hint: TOO_LATE },
      message: `the reverse was ended at revision ${kept.at}, and whether the source holds what the target had cannot be told any more: ${how}`,
    });
  }
}

const BEHIND =
  'Nothing was removed. The source was kept current up to a revision that is compacted away: let `etcd-lockstep follow --reverse` catch up, and run the same command again while it runs.';
const TOO_LATE =
  'Nothing was removed, and another try changes nothing. Compare both by hand, and remove by hand what was moved, as in docs/cutover.md, "A late write".';

function isBrought(there: Buffer | undefined, here: Buffer | undefined): boolean {
  if (!there || !here) return false;
  if (there.equals(here)) return true;
  const [old, now] = [parseKeyValue(there), parseKeyValue(here)];
  const same = old.value.equals(now.value) && old.lease === now.lease;
  return same && old.modRevision > now.modRevision;
}

function comparing(): LockstepError {
  return new LockstepError('MIRROR_INCOMPLETE', 'the reverse compares both sides just now', {
    side: 'source',
    hint: 'Nothing was removed. Wait until `etcd-lockstep follow --reverse` has compared them, and run the same command again.',
  });
}

function writtenLate(key: string, revision: Revision): LockstepError {
  return new LockstepError(
    'LATE_WRITE',
    `the source was written by somebody else: ${key} is not what the target had (at revision ${revision})`,
    {
      side: 'source',
      revision,
      hint: 'Nothing was removed. Find out who writes there, and bring over by hand what is needed: docs/cutover.md, "A late write".',
    },
  );
}
