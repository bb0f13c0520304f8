/**
 * audit: source ⇄ target, key by key, at one revision that both hold, while both are live.
 *
 * Because the target is in lockstep, one number names the same state on both sides; nothing has to
 * stand still. The checksum that the cursor carries is recomputed from the target's own rows, so
 * the audit also checks the follower's bookkeeping, and the cursor can vouch for the target later
 * when the source is gone.
 */
import { CURSOR_KEY, cursorTally, parseCursor } from '../cursor.js';
import { CUTOVER_KEY, parseCutover } from '../cutoverstate.js';
import { hasCode, LockstepError } from '../errors.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import { prefixRange, probeKey, type PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { Tally } from '../mvcc/tally.js';
import { compactRevision } from '../source/compaction.js';
import { readPages, seen } from '../source/pages.js';
import type { EtcdClient, ServerStatus } from '../wire/client.js';
import { comparePages, type Compared, type OnDifference } from './compare.js';
import { compareHistory } from './history.js';
import type { AuditReport } from './report.js';

export interface AuditOptions {
  source: EtcdClient;
  target: EtcdClient;
  prefixes: PrefixSet;
  /**
   * Default: the target's head, chosen anew if it is compacted away during the audit; of a target that
   * was cut over, the last revision at which it was a copy.
   */
  revision?: Revision;
  history: boolean;
  onDifference: OnDifference;
  /** Called for each page, with keys so far and keys in all where that is known. */
  onProgress?: (keys: number, total: number, bytes: number) => void;
  onNote?: (note: string) => void;
  signal: AbortSignal;
}

/** How often a revision that was compacted away under the audit is chosen anew. */
const MAX_TRIES = 5;

/** @throws LockstepError COMPACTED or FUTURE_REVISION where a side does not hold the revision */
export async function audit(options: AuditOptions): Promise<AuditReport> {
  const { source, target } = options;
  const started = performance.now();
  const [sourceStatus, targetStatus] = await Promise.all([source.status(), target.status()]);
  let reported = 0;
  const onDifference: OnDifference = (difference) => {
    reported++;
    options.onDifference(difference);
  };
  let gone = 0;
  for (let tries = 1; ; tries++) {
    const revision = options.revision ?? (await lastCopy(target));
    if (revision === gone) throw tooFarBehind(revision);
    const pinned = { ...options, onDifference, revision };
    try {
      const report = await auditAt(pinned, sourceStatus, targetStatus);
      return { ...report, seconds: Math.round(performance.now() - started) / 1000 };
    } catch (error) {
      const final = options.revision !== undefined || reported > 0 || tries === MAX_TRIES;
      if (hasCode(error, 'FUTURE_REVISION')) throw notThere(error, revision);
      // The history's watch calls it a gap.
      if (!hasCode(error, 'COMPACTED', 'HISTORY_GAP')) throw error;
      if (final) throw compactedAway(error, options.revision);
      if (hasCode(error, 'COMPACTED')) gone = revision;
      options.onNote?.(`revision ${revision} was compacted away during the audit; starting over`);
    }
  }
}

async function lastCopy(target: EtcdClient): Promise<Revision> {
  const { header, rows } = await target.few({ key: CUTOVER_KEY });
  return rows[0] ? parseCutover(rows[0]).exact : header.revision;
}

async function auditAt(
  options: AuditOptions & { revision: Revision },
  sourceStatus: ServerStatus,
  targetStatus: ServerStatus,
): Promise<Omit<AuditReport, 'seconds'>> {
  const { target, prefixes, revision } = options;
  let differences = 0;
  const onDifference: OnDifference = (difference) => {
    differences++;
    options.onDifference(difference);
  };
  const sum = await compareKeys(options, onDifference);
  const cursor = await checkCursor(target, revision, prefixes, sum.target);
  const history = options.history
    ? await checkHistory({ ...options, onDifference }, sourceStatus, targetStatus)
    : null;
  return {
    equal: differences === 0 && cursor?.agrees !== false,
    revision,
    prefixes: [...prefixes.list],
    source: side(sourceStatus, sum.source),
    target: side(targetStatus, sum.target),
    cursor,
    differences,
    history,
    bytes: sum.bytes,
  };
}

async function compareKeys(
  { source, target, prefixes, revision, onProgress, signal }: AuditOptions & { revision: Revision },
  onDifference: OnDifference,
): Promise<Compared> {
  const sum: Compared = { source: new Tally(), target: new Tally(), bytes: 0 };
  for (const prefix of prefixes.list) {
    const range = prefixRange(prefix);
    let total = 0;
    const left = seen(readPages(source, range, revision), (page) => {
      total = sum.source.keys + page.remaining;
    });
    await comparePages(left, readPages(target, range, revision), sum, onDifference, () => {
      signal.throwIfAborted();
      onProgress?.(sum.source.keys, total, sum.bytes);
    });
  }
  return sum;
}

/** Holds the cursor, as it was at the revision, against what the target's rows add up to. */
async function checkCursor(
  target: EtcdClient,
  revision: Revision,
  prefixes: PrefixSet,
  tally: Tally,
): Promise<AuditReport['cursor']> {
  const { rows } = await target.few({ key: CURSOR_KEY, revision });
  if (!rows[0]) return null;
  const cursor = parseCursor(parseKeyValue(rows[0]).value);
  // It vouches for all of its prefixes together, so some of them cannot be held against it.
  if (!prefixes.equals(cursor.prefixes)) return null;
  return {
    revision: cursor.revision,
    keys: cursor.keys,
    checksum: cursor.checksum,
    gap: cursor.gap,
    agrees: cursorTally(cursor).equals(tally),
  };
}

async function checkHistory(
  options: AuditOptions & { revision: Revision },
  sourceStatus: ServerStatus,
  targetStatus: ServerStatus,
): Promise<AuditReport['history']> {
  const { source, target, prefixes, revision, signal } = options;
  const key = probeKey(prefixes);
  const compacts = await Promise.all([compactRevision(source, key), compactRevision(target, key)]);
  const after = Math.min(Math.max(...compacts), revision);
  let differences = 0;
  const events = await compareHistory(
    { client: source, status: sourceStatus },
    { client: target, status: targetStatus },
    { prefixes, after, to: revision, signal },
    (difference) => {
      differences++;
      options.onDifference(difference);
    },
  );
  return { after, events, differences };
}

function side(status: ServerStatus, tally: Tally): AuditReport['source'] {
  return {
    cluster: status.clusterId,
    version: status.version,
    keys: tally.keys,
    checksum: tally.hex,
  };
}

function compactedAway(cause: LockstepError, asked: Revision | undefined): LockstepError {
  return new LockstepError('COMPACTED', cause.message, {
    disposition: asked === undefined ? 'retry' : 'usage',
    hint:
      asked === undefined
        ? 'The source compacts faster than the audit reads. Run it again.'
        : "Give a newer --revision, or none to compare at the target's head.",
    cause,
  });
}

function notThere(cause: LockstepError, revision: Revision): LockstepError {
  return new LockstepError('FUTURE_REVISION', cause.message, {
    disposition: 'retry',
    revision,
    hint: "One side has not reached it yet. Without --revision it is the target's head: then the target is ahead of the source, and `etcd-lockstep status` says more.",
    cause,
  });
}

function tooFarBehind(revision: Revision): LockstepError {
  return new LockstepError(
    'COMPACTED',
    `the target stands at revision ${revision}, which the source has compacted away`,
    {
      disposition: 'retry',
      revision,
      hint: 'Start follow, and audit when it has caught up. If follow says HISTORY_GAP, seed again.',
    },
  );
}
