/**
 * audit --values: what a mirror has brought, key by key, at one moment, while both sides are live.
 *
 * A mirror's target counts its own revisions, so no number names the same state on both sides. But
 * the mirror's cursor is written with the data: read at revision T of the target, it names the
 * revision S of the source whose state the target has at T. So the source is read at S and the target
 * at T. Compared are value and lease; mod_revision, create_revision and version are not comparable.
 *
 * After a cutover it goes the other way round, and the cursor lies on the source (reverse/). Values and leases
 * are the same there, too. Of revisions it can be told: a key that nobody has changed since has the same row on
 * both sides; one that was changed lies on the source above its revision on the target. One that does not is
 * a difference, for a client that comes back would not see it.
 *
 * Keys that are only on the target are differences, unless they are exactly those that the mirror has
 * found foreign when it compared both sides last.
 */
import type { OnNote } from '../async/patience.js';
import { hasCode, LockstepError } from '../errors.js';
import { refuseSelf } from '../mirror/checks.js';
import type { KeyMap } from '../mirror/keymap.js';
import { mergeWalk, type Entry } from '../mirror/merge.js';
import { mirrorKey, tallyOf } from '../mirror/mirrorcursor.js';
import { modRevisionOf } from '../mvcc/keyvalue.js';
import type { Revision } from '../mvcc/revision.js';
import { digest, Tally } from '../mvcc/tally.js';
import { damagedNotes } from '../source/damaged.js';
import { readPages, seen, type Page } from '../source/pages.js';
import type { EtcdClient, ServerStatus } from '../wire/client.js';
import { differingFields } from './compare.js';
import { readMoment, type Moment } from './moments.js';
import { nothingCompared } from './nothing.js';
import { describeKey, type Difference, type Field } from './report.js';
import type { AuditWitness, OnDifference } from './witness.js';

export interface ValuesOptions {
  source: EtcdClient;
  target: EtcdClient;
  map: KeyMap;
  /** Nothing on either side is equal, too. */
  allowEmpty?: boolean;
  onDifference: OnDifference;
  witness?: AuditWitness;
  /** Called for each page, with keys so far, keys in all and bytes. */
  onProgress?: (keys: number, total: number, bytes: number) => void;
  onNote?: OnNote;
  signal: AbortSignal;
}

/** What of a mirror was compared, and whether it is the same. */
export interface ValuesReport {
  equal: boolean;
  /** Revisions count differently on a mirror's target; only these fields were compared. */
  compared: readonly Field[];
  prefix: string;
  destPrefix: string;
  /** Each side was read at its own revision: the cursor there says that they are the same moment. */
  source: ValuesSide;
  target: ValuesSide;
  /** Keys that are missing on the target, differ, or are only there; foreign ones apart. */
  differences: number;
  /**
   * After a cutover: keys that are as they were then, revisions and all, and keys that were changed since. A
   * mirror has none.
   */
  wayBack?: { unchanged: number; changed: number };
  /** Keys that are only on the target, where they are those that the mirror knows to be foreign. */
  foreign: number;
  bytes: number;
  seconds: number;
}

interface ValuesSide {
  cluster: string;
  version: string;
  revision: Revision;
  keys: number;
}

const COMPARED: readonly Field[] = ['value', 'lease'];
/** How often revisions that were compacted away under the audit are chosen anew. */
const MAX_TRIES = 5;

/**
 * @throws LockstepError SAME_ETCD for keys and themselves, NOTHING_COMPARED where there is nothing to be
 *   found equal; TARGET_NOT_OURS without a mirror's cursor, MIRROR_INCOMPLETE while it is
 *   comparing, COMPACTED where a side does not hold its revision any more
 */
export async function auditValues(options: ValuesOptions): Promise<ValuesReport> {
  const { source, target, map } = options;
  const started = performance.now();
  const [from, to] = await Promise.all([source.status(), target.status()]);
  await refuseSelf({ ...from, client: source }, { ...to, client: target }, map);
  for (const note of await damagedNotes(source, target)) options.onNote?.(note, true);
  let reported = 0;
  const onDifference: OnDifference = (difference, rows) => {
    reported++;
    options.onDifference(difference, rows);
  };
  const key = mirrorKey(from.clusterId, map);
  for (let tries = 1; ; tries++) {
    const moment = await readMoment({ source, target }, map, key);
    try {
      const report = await compareAt({ ...options, onDifference }, moment, from, to);
      return { ...report, seconds: Math.round(performance.now() - started) / 1000 };
    } catch (error) {
      if (hasCode(error, 'FUTURE_REVISION')) throw wentBack(error, moment, key);
      if (!hasCode(error, 'COMPACTED')) throw error;
      if (reported > 0 || tries === MAX_TRIES) throw compactedAway(error);
      options.onNote?.('a revision was compacted away during the audit; starting over');
    }
  }
}

async function compareAt(
  { source, target, map, allowEmpty, onDifference, witness, onProgress, signal }: ValuesOptions,
  moment: Moment,
  from: ServerStatus,
  to: ServerStatus,
): Promise<Omit<ValuesReport, 'seconds'>> {
  const keys = { source: 0, target: 0 };
  const extra = new Tally();
  const back = { unchanged: 0, changed: 0 };
  let [differing, bytes, total] = [0, 0, 0];
  const onPage = (page: Page) => {
    signal.throwIfAborted();
    total = keys.source + page.remaining;
    onProgress?.(keys.source, total, bytes);
  };
  const visit = (here: Entry | undefined, there: Entry | undefined): undefined => {
    if (here) keys.source++;
    if (there) keys.target++;
    bytes += here?.row.length ?? 0;
    const either = here ?? there;
    const rows = { source: here?.row, target: there?.row };
    if (either) witness?.key(either.name, rows);
    if (here && there) {
      const all = differingFields(here.row, there.row);
      back[all.length === 0 ? 'unchanged' : 'changed']++;
      const isBelow = moment.isBack && modRevisionOf(here.row) <= modRevisionOf(there.row);
      const counts = (field: Field) =>
        COMPARED.includes(field) || (isBelow && field === 'mod_revision');
      const fields = all.filter(counts);
      if (fields.length === 0) return;
      onDifference(difference(here, 'different', fields), rows);
      differing++;
    } else if (here) {
      onDifference(difference(here, 'missing on target'), rows);
      differing++;
    } else if (there) {
      onDifference(difference(there, 'extra on target'), rows);
      extra.add(digest(there.name));
    }
  };
  witness?.begin(moment.source);
  const left = seen(readPages(source, map.sourceRange, moment.source), onPage);
  await mergeWalk(left, readPages(target, map.targetRange, moment.target), map, visit);
  if (keys.source + keys.target === 0 && !allowEmpty) throw nothingCompared([map.prefix]);
  const known = extra.equals(tallyOf(moment.foreign));
  const differences = differing + (known ? 0 : extra.keys);
  return {
    equal: differences === 0,
    compared: COMPARED,
    prefix: map.prefix,
    destPrefix: map.destPrefix,
    source: side(from, moment.source, keys.source),
    target: side(to, moment.target, keys.target),
    differences,
    ...(moment.isBack ? { wayBack: back } : {}),
    foreign: known ? extra.keys : 0,
    bytes,
  };
}

function difference({ name }: Entry, kind: Difference['kind'], fields: Field[] = []): Difference {
  return { ...describeKey(name), kind, fields };
}

function side(
  { clusterId, version }: ServerStatus,
  revision: Revision,
  keys: number,
): ValuesReport['source'] {
  return { cluster: clusterId, version, revision, keys };
}

/** The mirror has brought a revision that the source does not have: another try would not help. */
function wentBack(cause: LockstepError, { source }: Moment, key: Buffer): LockstepError {
  return new LockstepError(
    'MIRROR_OTHER_SOURCE',
    `the mirror has brought the source's revision ${source}, which the source does not have`,
    {
      revision: source,
      hint: `Check --endpoints. If the source was restored from a backup, delete ${key.toString()} on the target and start mirror again: it compares both sides.`,
      cause,
    },
  );
}

function compactedAway(cause: LockstepError): LockstepError {
  return cause.as({
    code: 'COMPACTED_MEANWHILE',
    hint: 'The mirror stands where a side has been compacted since, or a side compacts faster than the audit reads. See that mirror runs, and audit again.',
  });
}
