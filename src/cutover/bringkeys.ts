/**
 * Bringing back: what was changed on the target since it was taken over, written to the source.
 *
 * Both sides are walked side by side; they are frozen. A key is, by what each side has of it:
 *   the same row on both      it was never touched, and keeps its revision
 *   put on the target since   put on the source, at a new revision, which is above all that any client
 *                             has seen, because the source's head was raised before
 *   not on the target         deleted there since, so deleted on the source
 * A row of the source that is newer than the marker (raise.ts) and has the target's content was brought
 * by a run that was killed; one that the reverse has written is known by its cursor, which was put in the same
 * revision. Every other row that the source got after the takeover is a late write, and so is a deletion there
 * of a key that the target has had since before it: the target's state wins, for that is what clients have
 * seen, and the key is named.
 *
 * Each key has a transaction of its own: Kubernetes gives no two objects one revision, and a client that
 * resumes between them would miss one. Order does not matter, so many go at once. It is guarded by the
 * row that was seen, and by the marker, which is taken away before clients write again: where there was
 * no row there is none, either, when a client has deleted what a later run had brought.
 */
import { Lanes } from '../async/together.js';
import { describeKey } from '../audit/report.js';
import { hasCode, LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { SameLeases } from '../leases/sameleases.js';
import { keyOf, parseKeyValue, type KeyValue } from '../mvcc/keyvalue.js';
import { probeKey, type PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { readPrefixes } from '../source/prefixes.js';
import { sideBySide } from '../source/rows.js';
import { modIs, put } from '../target/txn.js';
import type { EtcdClient } from '../wire/client.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';
import type { Marker } from './raise.js';

export interface BringOptions {
  source: EtcdClient;
  target: EtcdClient;
  prefixes: PrefixSet;
  /** The last revision at which both were the same. */
  exact: Revision;
  marker: Marker;
  /** What the reverse has left; undefined: there was none. */
  reverse?: LeftByReverse | undefined;
  onProgress: (keys: number, changes: number) => void;
  signal: AbortSignal;
}

/** What a reverse that is over says of its writes. */
export interface LeftByReverse {
  /** The source has what the target had at this revision. */
  brought: Revision;
  /** Of the source: no reverse has written above it. */
  newest: Revision;
  /** Of the source: all that was written late up to here is known. */
  seen: Revision;
  /** Whether a revision of the source is a write of a reverse. Not known any more is no. */
  wroteAt: (revision: Revision) => Promise<boolean>;
  /** By their names as latin1: keys that somebody has written late, and that still are as he left them. */
  late: ReadonlySet<string>;
}

export interface Brought {
  /** Keys that were looked at. */
  keys: number;
  put: number;
  deleted: number;
  unchanged: number;
  /** Late writes that the target's state has replaced; the first 100 by name. */
  replaced: { count: number; keys: string[] };
}

export function noneBrought(): Brought {
  return { keys: 0, put: 0, deleted: 0, unchanged: 0, replaced: { count: 0, keys: [] } };
}

const AT_ONCE = 32;
const MAX_NAMED = 100;

/**
 * @throws LockstepError WRITTEN_MEANWHILE where somebody writes to the source meanwhile; COMPACTED_MEANWHILE
 *   where it takes longer than a side keeps its history
 */
export async function bringBack(options: BringOptions): Promise<Brought> {
  try {
    return await bringAll(options);
  } catch (error) {
    if (!hasCode(error, 'COMPACTED')) throw error;
    throw error.as({
      code: 'COMPACTED_MEANWHILE',
      hint: 'It has taken longer than that etcd keeps its history. Run the same command again: what was brought already is not written twice.',
    });
  }
}

async function bringAll(options: BringOptions): Promise<Brought> {
  const { source, target, prefixes, signal } = options;
  const brought = noneBrought();
  const leases = new SameLeases(target, source);
  const lanes = new Lanes(AT_ONCE);
  const key = probeKey(prefixes);
  const [from, to] = await Promise.all([source.head(key), target.head(key)]);
  const walk = sideBySide(
    readPrefixes(source, prefixes, from),
    readPrefixes(target, prefixes, to),
    (there, here) => {
      signal.throwIfAborted();
      brought.keys++;
      const change = decide(there, here, options, brought);
      return (
        change &&
        lanes.run(async () => {
          if (await isLate(change, options)) name(change, brought);
          await write(options, leases, change);
        })
      );
    },
    () => {
      options.onProgress(brought.keys, brought.put + brought.deleted);
    },
  );
  // Whatever ends the walk, nothing of it is under way any more when this ends.
  await walk.finally(() => lanes.settle());
  return brought;
}

interface Change {
  key: Buffer;
  /** The source's row as it was seen: its mod_revision, 0 where there was none. */
  seen: Revision;
  row: Buffer | undefined;
  /** The create_revision of the target's row; 0 where there is none. */
  created: Revision;
}

function decide(
  there: Buffer | undefined,
  here: Buffer | undefined,
  options: BringOptions,
  brought: Brought,
): Change | undefined {
  if (there && here?.equals(there)) {
    brought.unchanged++;
    return undefined;
  }
  const old = there && parseKeyValue(there);
  const now = here && parseKeyValue(here);
  if (old && now && sameContent(old, now) && wasBrought(old, now, options)) {
    brought.unchanged++;
    return undefined;
  }
  const key = old?.key ?? now?.key ?? Buffer.alloc(0);
  if (here) brought.put++;
  else brought.deleted++;
  // A row keeps its whole page in memory.
  const [seen, created] = [old?.modRevision ?? 0, now?.createRevision ?? 0];
  return { key: Buffer.from(key), seen, row: here && Buffer.from(here), created };
}

/** By a run that was killed, or by the reverse, which brings everything above its revision here. */
function wasBrought(
  { modRevision }: KeyValue,
  now: KeyValue,
  { marker, reverse }: BringOptions,
): boolean {
  if (modRevision > marker.created) return true;
  return reverse !== undefined && modRevision <= reverse.newest && modRevision > now.modRevision;
}

async function isLate(
  { key, seen, created }: Change,
  { exact, reverse }: BringOptions,
): Promise<boolean> {
  if (seen === 0) return created > 0 && created <= (reverse?.brought ?? exact);
  if (!reverse) return seen > exact;
  if (reverse.late.has(key.toString('latin1')) || seen > reverse.newest) return true;
  // A reverse may have died before it saw what was written there late beside its own.
  return seen > reverse.seen && !(await reverse.wroteAt(seen));
}

function name({ key }: Change, { replaced }: Brought): void {
  replaced.count++;
  if (replaced.keys.length < MAX_NAMED) replaced.keys.push(describeKey(key).key);
}

function sameContent(a: KeyValue, b: KeyValue): boolean {
  return a.value.equals(b.value) && a.lease === b.lease;
}

async function write(
  { source, marker }: BringOptions,
  leases: SameLeases,
  { key, seen, row }: Change,
): Promise<void> {
  const success: pb.RequestOp.$Properties[] = [];
  if (row) {
    const { value, lease } = parseKeyValue(row);
    await leases.ensure(lease);
    success.push(put(key, value, lease));
  } else success.push({ requestDeleteRange: { key } });
  failpoint('cutover.bring.send');
  const { succeeded } = await source.txn({ compare: [modIs(key, seen), marker.guard], success });
  if (succeeded) return;
  throw new LockstepError(
    'WRITTEN_MEANWHILE',
    `${describeKey(key).key} was written on the source while it was brought back`,
    {
      side: 'source',
      hint: 'Run the same command again: it looks at every key anew. If it comes again, find the writer (`etcd-lockstep freeze probe`).',
    },
  );
}

/** Whether both sides hold the same content now. @returns keys that differ; the first 100 by name */
export async function compareContent({
  source,
  target,
  prefixes,
  signal,
}: Pick<BringOptions, 'source' | 'target' | 'prefixes' | 'signal'>): Promise<{
  keys: number;
  different: string[];
}> {
  const found = { keys: 0, different: [] as string[] };
  await sideBySide(
    readPrefixes(source, prefixes),
    readPrefixes(target, prefixes),
    (there, here): undefined => {
      signal.throwIfAborted();
      found.keys++;
      const same = there && here && sameContent(parseKeyValue(there), parseKeyValue(here));
      if (same || found.different.length >= MAX_NAMED) return;
      found.different.push(describeKey(keyOf(there ?? here ?? Buffer.alloc(0))).key);
    },
  );
  return found;
}
