/** Why a watch cannot go on. */
import { LockstepError } from '../errors.js';
import type { KeyRange } from '../mvcc/prefix.js';
import { safeRevision, type Revision } from '../mvcc/revision.js';
import { mapCancelReason, namingNeed } from '../wire/errors.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';
import { needsRead } from '../wire/needs.js';
import type { Side } from '../wire/side.js';

/** Why the source, or the target in an audit, ended a watch. */
export function cancelled(message: pb.WatchResponse, side: Side, range: KeyRange): unknown {
  const compacted = safeRevision(message.compactRevision);
  if (compacted > 0) return historyGap(compacted);
  return namingNeed(mapCancelReason(message.cancelReason, side), needsRead(range));
}

export function historyGap(compacted: Revision): LockstepError {
  return new LockstepError(
    'HISTORY_GAP',
    `the source has compacted its history up to revision ${compacted}`,
    {
      disposition: 'reseed',
      revision: compacted,
      hint: 'Events were lost for good between the journal and the source. Run follow with --repair: it brings the target to what the source holds now, every key exact. Or seed again, into a new journal and a new target.',
    },
  );
}

export function inconsistent(what: string): LockstepError {
  return new LockstepError('SOURCE_INCONSISTENT', `the source's watch is not whole: ${what}`, {
    disposition: 'retry',
    hint: 'Its etcd version has known watch faults (docs/fine-print.md); another try starts from the last proven position.',
  });
}

/** Another cluster answers, or a head that went back: what is known is not of this source. */
export function sourceChanged(message: string, revision?: Revision): LockstepError {
  return new LockstepError('SOURCE_CHANGED', message, {
    disposition: 'reseed',
    hint: 'Check --endpoints. If the source was restored from a backup, seed again, into a new journal and a new target.',
    ...(revision === undefined ? {} : { revision }),
  });
}
