/**
 * How long the source keeps its history, told by what is there.
 *
 * kube-apiserver compacts every five minutes (`--etcd-compaction-interval`): it puts into
 * `compact_rev_key` the revision at which that key was put before, and compacts there. So the key's
 * mod_revision less its value is what happens between two compactions, and with the revisions a
 * second that were measured it is a time. etcd itself keeps no times.
 */
import { hasCode } from '../errors.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import type { Revision } from '../mvcc/revision.js';
import { compactRevision } from '../source/compactrevision.js';
import { count, duration } from '../text.js';
import type { EtcdClient } from '../wire/client.js';
import { check, ok, warn, type Check } from './check.js';
import type { Rates } from './rates.js';

const COMPACT_REV_KEY = Buffer.from('compact_rev_key');
/** etcd sends so many old revisions a second to a watch that catches up, at the least (measured). */
const CATCH_UP_PER_SECOND = 1500;
/** A base that takes longer for its history is told. */
const LONG_SECONDS = 600;
/** Time to type the next command. */
const SHORT_SECONDS = 120;

export interface Window {
  compactRevision: Revision;
  /** Revisions above it: what a seed reads besides the base. */
  historyRevisions: number;
  /** Revisions between the last two compactions by Kubernetes; null where there were none. */
  intervalRevisions: number | null;
  /** The same as a time, at the rate that was measured; null where nothing is known. */
  intervalSeconds: number | null;
}

export async function readWindow(
  client: EtcdClient,
  key: Buffer,
  { head, revisions, seconds }: Rates,
): Promise<Window> {
  const compacted = await compactRevision(client, key);
  const intervalRevisions = await lastInterval(client);
  return {
    compactRevision: compacted,
    historyRevisions: Math.max(0, head - compacted),
    intervalRevisions,
    intervalSeconds:
      intervalRevisions !== null && revisions > 0
        ? intervalRevisions / (revisions / seconds)
        : null,
  };
}

async function lastInterval(client: EtcdClient): Promise<number | null> {
  try {
    const { rows } = await client.few({ key: COMPACT_REV_KEY });
    if (!rows[0]) return null;
    const { value, modRevision } = parseKeyValue(rows[0]);
    const before = Number(value.toString());
    return Number.isSafeInteger(before) && before > 0 ? modRevision - before : null;
  } catch (error) {
    // It lies outside the prefixes, so that a user may not be allowed to read it.
    if (hasCode(error, 'PERMISSION')) return null;
    throw error;
  }
}

/** Seconds that a seed takes for the history on top of its base. */
export function historySeconds({ historyRevisions }: Window): number {
  return historyRevisions / CATCH_UP_PER_SECOND;
}

/** @param seedSeconds how long a seed is thought to take */
export function compaction(window: Window, seedSeconds: number): Check {
  const { compactRevision: at, historyRevisions, intervalSeconds } = window;
  const held = `The source holds ${count(historyRevisions)} revisions of history above ${at}`;
  if (historySeconds(window) > LONG_SECONDS)
    return check(
      'compaction',
      warn(
        `${held}, which a seed reads by a watch in about ${duration(historySeconds(window))}.`,
        'Compact the source first (kube-apiserver does it every five minutes, unless --etcd-compaction-interval=0), or seed with --from snapshot.',
      ),
    );
  if (intervalSeconds === null)
    return check(
      'compaction',
      ok(
        `${held}; how often it is compacted cannot be told (no compact_rev_key, or nothing was written).`,
        'Start follow at once when seed has ended; with kube-apiserver in charge there are five minutes for that.',
      ),
    );
  const every = `It is compacted about every ${duration(intervalSeconds)} (${count(window.intervalRevisions ?? 0)} revisions between the last two, at the rate measured)`;
  const longer = seedSeconds > intervalSeconds;
  const outlives = longer ? '; a seed takes longer than that, which it can' : '';
  const finding = intervalSeconds < SHORT_SECONDS ? warn : ok;
  return check(
    'compaction',
    finding(
      `${held}. ${every}${outlives}.`,
      `Start follow at once when seed has ended: in less than ${duration(intervalSeconds)} its history is gone.`,
    ),
  );
}
