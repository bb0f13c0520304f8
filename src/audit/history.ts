/**
 * Every event of both sides between two revisions, compared one by one in their order.
 *
 * A server whose watch has known faults is watched whole (source/limits.ts). On the source every
 * revision shows up then. On the target those do not that were foreign when it was seeded; what its
 * watch loses is noticed all the same, because it is missing beside the source's. The last event is
 * always there: at its head the target has the cursor, or what was written since.
 */
import type { PrefixSet } from '../mvcc/prefix.js';
import type { Record } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { proven } from '../position.js';
import { watchLimits } from '../source/limits.js';
import { watchRevisions } from '../source/watch.js';
import type { EtcdClient, ServerStatus } from '../wire/client.js';
import { differing } from './compare.js';
import { describeKey, type Difference } from './report.js';
import { rowsOf, type OnDifference } from './witness.js';

export interface HistoryRange {
  prefixes: PrefixSet;
  /** Both sides still hold everything above it. */
  after: Revision;
  to: Revision;
  /** See WatchOptions. */
  onNote?: (note: string) => void;
  signal: AbortSignal;
}

export interface HistorySide {
  client: EtcdClient;
  status: ServerStatus;
}

/** @returns the number of events on the source */
export async function compareHistory(
  source: HistorySide,
  target: HistorySide,
  range: HistoryRange,
  onDifference: OnDifference,
): Promise<number> {
  const left = records(source, range);
  const right = records(target, range);
  let events = 0;
  try {
    let [a, b] = await Promise.all([left.next(), right.next()]);
    while (!a.done || !b.done) {
      const [l, r] = [a.done ? undefined : a.value, b.done ? undefined : b.value];
      const order = compareOrder(l, r);
      for (const difference of compareRecords(l, r))
        onDifference(difference, rowsOf(difference, l?.bytes, r?.bytes));
      if (order <= 0) events++;
      [a, b] = await Promise.all([order <= 0 ? left.next() : a, order >= 0 ? right.next() : b]);
    }
  } finally {
    await Promise.all([left.return(undefined), right.return(undefined)]);
  }
  return events;
}

/** In order; none where `after` is the end. */
export async function* records(
  { client, status }: HistorySide,
  { prefixes, after, to, signal, onNote }: HistoryRange,
): AsyncGenerator<Record, undefined> {
  if (after >= to) return;
  const options = {
    prefixes,
    after: proven(after),
    limits: watchLimits(status.version),
    clusterId: status.clusterId,
    sparse: client.side === 'target',
    signal,
    ...(onNote ? { onNote } : {}),
  };
  for await (const { revisions, position } of watchRevisions(client, options)) {
    for (const whole of revisions) if (whole.revision <= to) yield* whole.records;
    if (position >= to) return;
  }
  // Ended before its time, one side would have less than the other.
  signal.throwIfAborted();
}

/** By revision and order inside it; the key plays no part. */
function compareOrder(a: Record | undefined, b: Record | undefined): number {
  if (!a) return b ? 1 : 0;
  if (!b) return -1;
  return a.main - b.main || a.sub - b.sub;
}

/**
 * The next event of each side, undefined where there is none any more.
 * @returns what is wrong with them; nothing if they are the same
 */
export function compareRecords(a: Record | undefined, b: Record | undefined): Difference[] {
  const order = compareOrder(a, b);
  if (a && order < 0) return [only(a, 'missing on target')];
  if (b && order > 0) return [only(b, 'extra on target')];
  if (!a || !b) return [];
  if (!a.key.equals(b.key) || a.tombstone !== b.tombstone)
    return [only(a, 'missing on target'), only(b, 'extra on target')];
  return a.bytes.equals(b.bytes) ? [] : [{ ...differing(a.bytes, b.bytes), revision: a.main }];
}

function only(record: Record, kind: Difference['kind']): Difference {
  return { ...describeKey(record.key), kind, fields: [], revision: record.main };
}
