/** Why a watch cannot go on. */
import { LockstepError, type ErrorCode } from '../errors.js';
import type { KeyRange } from '../mvcc/prefix.js';
import { safeRevision, type Revision } from '../mvcc/revision.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';
import { mapCancelReason, namingNeed } from '../wire/grpcerrors.js';
import { needsRead } from '../wire/needs.js';
import type { Side } from '../wire/side.js';

/** Why a side ended a watch. */
export function cancelled(message: pb.WatchResponse, side: Side, range: KeyRange): unknown {
  const compacted = safeRevision(message.compactRevision);
  if (compacted > 0) return historyGap(compacted, side);
  return namingNeed(mapCancelReason(message.cancelReason, side), needsRead(range));
}

export function historyGap(compacted: Revision, side: Side): LockstepError {
  return new LockstepError(
    'HISTORY_GAP',
    `the ${side} has compacted its history up to revision ${compacted}`,
    {
      side,
      revision: compacted,
      hint:
        side === 'source'
          ? 'Events were lost for good between the journal and the source. Run follow with --repair: it brings the target to what the source holds now, every key exact. Or seed again, into a new journal and a new target.'
          : 'What the target held below that cannot be compared any more. Run it again: it begins above.',
    },
  );
}

export function inconsistent(what: string, side: Side): LockstepError {
  const code = side === 'source' ? 'SOURCE_INCONSISTENT' : 'TARGET_INCONSISTENT';
  return new LockstepError(code, `the ${side}'s watch is not whole: ${what}`, {
    hint: 'Its etcd version has known watch faults (docs/fine-print.md); another try starts from the last proven position.',
  });
}

/** Another cluster answers: what is known is not of this one. */
export function otherCluster(is: string, was: string, side: Side): LockstepError {
  const message = `the ${side} is cluster ${is}, not ${was} as before`;
  return side === 'source' ? sourceChanged(message) : targetChanged('TARGET_NOT_OURS', message);
}

/** A head below what was seen already. */
export function headWentBack(head: Revision, below: Revision, side: Side): LockstepError {
  const message = `the ${side}'s head went back to ${head}, below ${below}`;
  return side === 'source'
    ? sourceChanged(message, head)
    : targetChanged('TARGET_HEAD_OFF', message, head);
}

/** What is known is not of this source. */
export function sourceChanged(message: string, revision?: Revision): LockstepError {
  return new LockstepError('SOURCE_CHANGED', message, {
    hint: 'Check --endpoints. If the source was restored from a backup, seed again, into a new journal and a new target.',
    revision,
  });
}

function targetChanged(code: ErrorCode, message: string, revision?: Revision): LockstepError {
  return new LockstepError(code, message, {
    hint: 'Check --dest-endpoints. If the target was restored from a backup, or made anew, seed a new one.',
    revision,
  });
}
