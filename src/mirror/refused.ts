/**
 * A target that takes less bytes in a request than etcd does by default (--max-request-bytes).
 *
 * Nobody can ask etcd for that limit. So a batch that is refused for its bytes ends what is under way,
 * and the mirror goes on from its cursor, as after a restart, with batches half as large as that one.
 * Each refusal halves the limit, and nothing of a refused batch was written; so it ends at batches that
 * fit, or at one that cannot be made smaller: a single key of the base, a single revision of the tail.
 *
 * Dropped: sending the halves in place of the batch. The cursor's sum of names belongs to the whole
 * batch, so comparison and tail would both have to take theirs back; and it happens a few times in the
 * life of a mirror.
 */
import type { LockstepError } from '../errors.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import type { Record } from '../mvcc/record.js';
import { batchBytes } from './batch.js';

/** It may be taken in smaller batches. */
export class BatchRefused extends Error {
  constructor(
    /** As batches count them; a batch is below its limit, so half of this is a smaller one. */
    readonly bytes: number,
    cause: LockstepError,
  ) {
    super(cause.message, { cause });
  }
}

/** What the refusal of these records, all of one transaction, means. */
export function refused(
  records: readonly Record[],
  error: LockstepError,
): BatchRefused | LockstepError {
  const [first] = records;
  if (!first) return error;
  const { main } = first;
  const isWhole = records.length === 1 || (main > 0 && records.every((r) => r.main === main));
  if (!isWhole) return new BatchRefused(batchBytes(records), error);
  const key = JSON.stringify(first.key.toString());
  const what =
    records.length === 1
      ? `the value of ${key} (${first.tombstone ? 0 : parseKeyValue(first.bytes).value.length} bytes)`
      : `revision ${main} of the source (${records.length} keys from ${key} on, ${batchBytes(records)} bytes)`;
  return error.as({
    message: `${what} does not fit one request: ${error.message}`,
    ...(main > 0 ? { revision: main } : {}),
  });
}
