/**
 * A target whose head is above the source's.
 *
 * A follower writes no revision that the source has not proven, so whatever lies above was written by
 * somebody else (or the source has lost it: a restore from a backup). That is an answer, not a
 * reason to wait: the sides are not equal, and the target's history says which keys it is about.
 */
import { hasCode, LockstepError } from '../errors.js';
import { PrefixSet } from '../mvcc/prefix.js';
import { records, type HistoryRange, type HistorySide } from './history.js';
import { describeKey, type Ahead } from './report.js';
import type { OnDifference } from './witness.js';

/** Names each event that only the target has, of any key that may be read. */
export async function nameAhead(
  target: HistorySide,
  { source: after, target: to }: Ahead,
  { prefixes, signal }: Pick<HistoryRange, 'prefixes' | 'signal'>,
  onDifference: OnDifference,
): Promise<void> {
  for (const what of [PrefixSet.everything(), prefixes])
    try {
      for await (const { key, main, bytes } of records(target, {
        ...{ prefixes: what, after, to, signal },
      }))
        onDifference(
          { ...describeKey(key), kind: 'extra on target', fields: [], revision: main },
          { target: bytes },
        );
      return;
    } catch (error) {
      // A user with the least roles may watch the prefixes only.
      if (!hasCode(error, 'PERMISSION')) throw error;
    }
}

/** Not even what was there at the source's head can be compared. */
export function aheadAndCompacted({ source, target }: Ahead): LockstepError {
  return new LockstepError(
    'TARGET_HEAD_OFF',
    `the target's head ${target} is above the source's ${source}, and the target is compacted above that`,
    {
      revision: source,
      hint: 'Somebody else writes to the target, or the source was restored from a backup. Find out which, and seed a new target.',
    },
  );
}
