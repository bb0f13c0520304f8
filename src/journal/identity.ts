/** Whether a journal belongs to this source and these prefixes. */
import { LockstepError } from '../errors.js';
import type { PrefixSet } from '../mvcc/prefix.js';
import type { Journal } from './journal.js';

/** @throws LockstepError JOURNAL_OTHER */
export function checkIdentity(journal: Journal, clusterId: string, prefixes?: PrefixSet): void {
  const { state, directory } = journal;
  if (state.clusterId !== clusterId)
    throw new LockstepError(
      'JOURNAL_OTHER',
      `${directory} belongs to source cluster ${state.clusterId}; this one is ${clusterId}`,
      {
        hint: 'Check --endpoints and --journal. If the source was restored from a backup, seed into a new journal.',
      },
    );
  if (prefixes && !prefixes.equals(state.prefixes))
    throw new LockstepError(
      'JOURNAL_OTHER',
      `${directory} holds the prefixes ${state.prefixes.join(', ')}`,
      {
        hint: 'Give the same --prefix flags, or a new --journal.',
      },
    );
}
