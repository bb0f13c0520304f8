/** Every event of both sides between two revisions, compared one by one in their order. */
import type { PrefixSet } from '../mvcc/prefix.js';
import type { Record } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { proven } from '../position.js';
import { watchLimits } from '../source/limits.js';
import { watchRevisions } from '../source/watch.js';
import type { EtcdClient, ServerStatus } from '../wire/client.js';
import { differing, type OnDifference } from './compare.js';
import { describeKey, type Difference } from './report.js';

export interface HistoryRange {
  prefixes: PrefixSet;
  /** Both sides still hold everything above it. */
  after: Revision;
  to: Revision;
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
      const order = compareOrder(a.done ? undefined : a.value, b.done ? undefined : b.value);
      if (order === 0 && !a.done && !b.done) report(a.value, b.value, onDifference);
      if (order < 0 && !a.done) onDifference(only(a.value, 'missing on target'));
      if (order > 0 && !b.done) onDifference(only(b.value, 'extra on target'));
      if (order <= 0) events++;
      [a, b] = await Promise.all([order <= 0 ? left.next() : a, order >= 0 ? right.next() : b]);
    }
  } finally {
    await Promise.all([left.return(undefined), right.return(undefined)]);
  }
  return events;
}

async function* records(
  { client, status }: HistorySide,
  { prefixes, after, to, signal }: HistoryRange,
): AsyncGenerator<Record, undefined> {
  if (after >= to) return;
  const options = {
    prefixes,
    after: proven(after),
    limits: watchLimits(status.version),
    clusterId: status.clusterId,
    signal,
  };
  for await (const { revisions, position } of watchRevisions(client, options)) {
    for (const whole of revisions) if (whole.revision <= to) yield* whole.records;
    if (position >= to) return;
  }
}

/** By revision and order inside it; the key plays no part. */
function compareOrder(a: Record | undefined, b: Record | undefined): number {
  if (!a) return 1;
  if (!b) return -1;
  return a.main - b.main || a.sub - b.sub;
}

function report(a: Record, b: Record, onDifference: OnDifference): void {
  if (!a.key.equals(b.key) || a.tombstone !== b.tombstone) {
    onDifference(only(a, 'missing on target'));
    onDifference(only(b, 'extra on target'));
  } else if (!a.bytes.equals(b.bytes)) {
    onDifference({ ...differing(a.bytes, b.bytes), revision: a.main });
  }
}

function only(record: Record, kind: Difference['kind']): Difference {
  return { ...describeKey(record.key), kind, fields: [], revision: record.main };
}
