/** Source ─► journal, for as long as it is let: from wherever the journal stands. */
import type { Observable } from 'rxjs';
import { PrefixSet } from '../mvcc/prefix.js';
import type { Position } from '../position.js';
import type { WatchLimits } from '../source/limits.js';
import { revisions$, type RevisionsOptions } from '../source/revisions.js';
import type { EtcdClient } from '../wire/client.js';
import { refuseHalfBridge, refuseOtherHistory } from './continuity.js';
import type { Journal } from './journal.js';

type CaptureOptions = { limits: WatchLimits } & Pick<
  RevisionsOptions,
  'bridge' | 'onNote' | 'signal' | 'told'
>;

/**
 * Emits the journal's position after every append; completes when `signal` has aborted.
 * @throws LockstepError HISTORY_GAP unless there is a bridge, SOURCE_CHANGED and whatever else another try
 *   cannot mend
 */
export function capture$(
  client: EtcdClient,
  journal: Journal,
  { limits, ...options }: CaptureOptions,
): Observable<Position> {
  const { clusterId, prefixes } = journal.state;
  const begin = async () => {
    refuseHalfBridge(journal);
    await refuseOtherHistory(client, journal);
    return { after: journal.position, limits };
  };
  return revisions$(
    client,
    { ...options, prefixes: PrefixSet.of(prefixes), clusterId, begin },
    async ({ revisions, position }) => {
      await journal.append(revisions, position, 'shown');
      return position;
    },
  );
}
