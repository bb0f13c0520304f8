/**
 * audit: source ⇄ target, key by key, at one revision that both hold, while both are live.
 *
 * Because the target is in lockstep, one number names the same state on both sides; nothing has to
 * stand still. The checksum that the cursor carries is recomputed from the target's own rows, so
 * the audit also checks the follower's bookkeeping, and the cursor can vouch for the target later
 * when the source is gone.
 *
 * EQUAL is a proof, so what proves nothing is an error: an etcd against itself, and no keys at all.
 * A target above the source is a difference, whatever the keys below are.
 */
import type { OnNote } from '../async/patience.js';
import { hasCode, LockstepError } from '../errors.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import { prefixRange, probeKey, type PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { Tally } from '../mvcc/tally.js';
import { compactRevision } from '../source/compactrevision.js';
import { damagedNotes } from '../source/damaged.js';
import { readPages, seen } from '../source/pages.js';
import { areOne, sameEtcd } from '../source/sameetcd.js';
import { CURSOR_KEY, cursorTally, parseCursor } from '../target/cursor.js';
import { CUTOVER_KEY, parseCutover, type StoredCutover } from '../target/cutoverstate.js';
import type { EtcdClient, ServerStatus } from '../wire/client.js';
import { aheadAndCompacted, nameAhead } from './ahead.js';
import { comparePages, type Compared } from './compare.js';
import { compareHistory } from './history.js';
import { refuseNothing } from './nothing.js';
import type { Ahead, AuditReport } from './report.js';
import { nothingInCommon, sinceTakeover, type TakenOver } from './sincetakeover.js';
import type { AuditWitness, OnDifference } from './witness.js';

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
  /** Nothing on either side is equal, too. */
  allowEmpty?: boolean;
  onDifference: OnDifference;
  witness?: AuditWitness;
  /** Called for each page, with keys so far and keys in all where that is known. */
  onProgress?: (keys: number, total: number, bytes: number) => void;
  onNote?: OnNote;
  signal: AbortSignal;
}

/** How often a revision that was compacted away under the audit is chosen anew. */
const MAX_TRIES = 5;

interface Pinned extends AuditOptions {
  revision: Revision;
  /** Where the target is above the source; the revision is the source's head then. */
  ahead: Ahead | null;
  /** The source's, when the revision was chosen. */
  sourceHead: Revision;
  /** Where the target was taken over. */
  cutover: StoredCutover | null;
}

/**
 * @throws LockstepError SAME_ETCD for an etcd and itself; NOTHING_COMPARED where there is nothing to be
 *   found equal; COMPACTED or FUTURE_REVISION where a side does not hold the revision; TARGET_CUT_OVER
 *   where it was cut over and no side holds any more what both have had
 */
export async function audit(options: AuditOptions): Promise<AuditReport> {
  const { source, target } = options;
  const started = performance.now();
  const [sourceStatus, targetStatus] = await Promise.all([source.status(), target.status()]);
  await refuseItself(options, sourceStatus, targetStatus);
  for (const note of await damagedNotes(source, target)) options.onNote?.(note, true);
  let reported = 0;
  const onDifference: OnDifference = (difference, rows) => {
    reported++;
    options.onDifference(difference, rows);
  };
  let gone = 0;
  for (let tries = 1; ; tries++) {
    const pinned = { ...options, onDifference, ...(await chooseRevision(options)) };
    const { revision } = pinned;
    if (revision === gone) throw await goneForGood(pinned);
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

async function refuseItself(
  { source, target, prefixes }: AuditOptions,
  { clusterId }: ServerStatus,
  targetStatus: ServerStatus,
): Promise<void> {
  const key = probeKey(prefixes);
  const to = { client: target, clusterId: targetStatus.clusterId, key };
  if (await areOne({ client: source, clusterId, key }, to)) throw sameEtcd(`cluster ${clusterId}`);
}

async function chooseRevision({
  source,
  target,
  prefixes,
  revision,
}: AuditOptions): Promise<Pick<Pinned, 'revision' | 'ahead' | 'sourceHead' | 'cutover'>> {
  const { header, rows } = await target.few({ key: CUTOVER_KEY });
  const cutover = rows[0] ? parseCutover(rows[0]) : null;
  // Asked for after the target's: it has been further ever since.
  const { revision: sourceHead } = await source.head(probeKey(prefixes));
  const copy = revision ?? cutover?.exact ?? header.revision;
  if (revision !== undefined || copy <= sourceHead)
    return { revision: copy, ahead: null, sourceHead, cutover };
  const ahead = { source: sourceHead, target: copy };
  return { revision: sourceHead, ahead, sourceHead, cutover };
}

async function takenOver(options: Pinned): Promise<TakenOver | null> {
  const { source, target, prefixes, cutover, signal } = options;
  return cutover && (await sinceTakeover(source, target, cutover, prefixes, signal));
}

async function goneForGood(options: Pinned): Promise<LockstepError> {
  const { revision, ahead } = options;
  if (ahead) return aheadAndCompacted(ahead);
  const since = await takenOver(options);
  return since ? nothingInCommon(since) : tooFarBehind(revision);
}

async function auditAt(
  options: Pinned,
  sourceStatus: ServerStatus,
  targetStatus: ServerStatus,
): Promise<Omit<AuditReport, 'seconds'>> {
  const { target, prefixes, revision, ahead, sourceHead } = options;
  let differences = 0;
  const counting: Pinned = {
    ...options,
    onDifference: (difference, rows) => {
      differences++;
      options.onDifference(difference, rows);
    },
  };
  const { empty, ...sum } = await compareKeys(counting);
  const cursor = await checkCursor(target, revision, prefixes, sum.target);
  const history = options.history ? await checkHistory(counting, sourceStatus, targetStatus) : null;
  const above = { client: target, status: targetStatus };
  if (ahead) await nameAhead(above, ahead, options, counting.onDifference);
  const equal = differences === 0 && cursor?.agrees !== false && ahead === null;
  if (equal && !options.allowEmpty)
    refuseNothing(empty, prefixes, cursor !== null, history?.events ?? 0);
  return {
    equal,
    revision,
    sourceHead,
    prefixes: [...prefixes.list],
    source: side(sourceStatus, sum.source),
    target: side(targetStatus, sum.target),
    cursor,
    differences,
    ahead,
    takenOver: await takenOver(options),
    history,
    bytes: sum.bytes,
  };
}

/** `empty`: prefixes that no key begins with, on either side. */
async function compareKeys(options: Pinned): Promise<Compared & { empty: string[] }> {
  const { source, target, prefixes, revision, onDifference, witness, onProgress, signal } = options;
  witness?.begin(revision);
  const sum: Compared = { source: new Tally(), target: new Tally(), bytes: 0 };
  const empty: string[] = [];
  for (const prefix of prefixes.list) {
    const range = prefixRange(prefix);
    const before = sum.source.keys + sum.target.keys;
    let total = 0;
    const left = seen(readPages(source, range, revision), (page) => {
      total = sum.source.keys + page.remaining;
    });
    const onPage = () => {
      signal.throwIfAborted();
      onProgress?.(sum.source.keys, total, sum.bytes);
    };
    const right = readPages(target, range, revision);
    await comparePages(left, right, sum, { onDifference, onPage, witness });
    if (sum.source.keys + sum.target.keys === before) empty.push(prefix);
  }
  return { ...sum, empty };
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
  options: Pinned,
  sourceStatus: ServerStatus,
  targetStatus: ServerStatus,
): Promise<AuditReport['history']> {
  const { source, target, prefixes, revision, signal, onNote } = options;
  const key = probeKey(prefixes);
  const compacts = await Promise.all([compactRevision(source, key), compactRevision(target, key)]);
  const after = Math.min(Math.max(...compacts), revision);
  let differences = 0;
  const events = await compareHistory(
    { client: source, status: sourceStatus },
    { client: target, status: targetStatus },
    { prefixes, after, to: revision, signal, ...(onNote ? { onNote } : {}) },
    (difference, rows) => {
      differences++;
      options.onDifference(difference, rows);
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
  if (asked !== undefined)
    return cause.as({
      code: 'BAD_ARGUMENT',
      hint: "Give a newer --revision, or none to compare at the target's head.",
    });
  return cause.as({
    code: 'COMPACTED_MEANWHILE',
    hint: 'The source compacts faster than the audit reads. Run it again.',
  });
}

function notThere(cause: LockstepError, revision: Revision): LockstepError {
  return cause.as({
    revision,
    hint: "That side has not reached it yet. Give an older --revision, or none to compare at the target's head.",
  });
}

function tooFarBehind(revision: Revision): LockstepError {
  return new LockstepError(
    'COMPACTED_MEANWHILE',
    `the target stands at revision ${revision}, which the source has compacted away`,
    {
      side: 'target',
      revision,
      hint: 'Start follow, and audit when it has caught up. If follow says HISTORY_GAP, seed again.',
    },
  );
}
