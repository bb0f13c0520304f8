/**
 * Both sides compared, where a history that was needed is gone: what differs on the source is put right.
 *
 * Both are walked side by side, the target as it was at one revision, the source as it is. A key is left
 * alone where both have the same row, which nobody has touched since the cutover, or the same content, the
 * source's above the target's revision. All else gets what the target has, one key a transaction. Then the
 * source has the target's state of that revision, and the watch goes on from there.
 *
 * What is put right may be a late write on the source. It surely is where the target has not changed the
 * key since the reverse was there last, or where the source's row was written while nobody watched, and by
 * no reverse: then it is named. What lies above that is named by the watch, before anything is put over it.
 * A deletion on the target, and a late one of the same key on the source, look the same in the end, and are.
 *
 * Compacted on the target meanwhile, it begins again: what is put right already is equal, or above that.
 */
import type { OnNote } from '../async/patience.js';
import { hasCode } from '../errors.js';
import { encodeKeyValue, parseKeyValue } from '../mvcc/keyvalue.js';
import { probeKey, type PrefixSet } from '../mvcc/prefix.js';
import type { Record } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { readPrefixes } from '../source/prefixes.js';
import { sideBySide } from '../source/rows.js';
import type { EtcdClient } from '../wire/client.js';
import type { LateKeys } from './latekeys.js';
import type { ReverseSink } from './reversesink.js';

export interface ComparisonOptions {
  source: EtcdClient;
  target: EtcdClient;
  prefixes: PrefixSet;
  sink: ReverseSink;
  late: LateKeys;
  /** Whether a row of the source was written while nobody watched, and by no reverse. */
  isUnseen: (key: Buffer, mod: Revision) => Promise<boolean>;
  /** All was looked at, and what was late there is named. The source's cursor does not say so yet. */
  onCompared: () => void;
  onProgress: (keys: number) => void;
  onNote: OnNote;
  signal: AbortSignal;
}

/**
 * @returns the target's revision that the source has then; undefined where `signal` aborted
 * @throws LockstepError for what another try cannot mend, and UNAVAILABLE, …
 */
export async function compareBoth(options: ComparisonOptions): Promise<Revision | undefined> {
  const { target, prefixes, sink, late, onCompared, onNote, signal } = options;
  const before = sink.position;
  if (!(await sink.write({ records: [], position: before }, true, signal))) return undefined;
  late.comparing();
  while (true) {
    const { revision: pin } = await target.head(probeKey(prefixes));
    try {
      if (!(await walk(options, before, pin))) return undefined;
      onCompared();
      const done = await sink.commit({ records: [], position: pin }, signal);
      return done ? pin : undefined;
    } catch (error) {
      if (!hasCode(error, 'COMPACTED')) throw error;
      onNote(`the target has compacted revision ${pin} while it was compared; beginning again`);
    }
  }
}

async function walk(options: ComparisonOptions, before: Revision, pin: Revision): Promise<boolean> {
  const { source, target, prefixes, onProgress, signal } = options;
  let [keys, ended] = [0, false];
  await sideBySide(
    readPrefixes(source, prefixes),
    readPrefixes(target, prefixes, { revision: pin }),
    (there, here) => {
      keys++;
      if (ended || isBrought(there, here)) return undefined;
      return putRight(options, judge(there, here, { before, pin })).then((done) => {
        if (!done) ended = true;
      });
    },
    () => {
      signal.throwIfAborted();
      onProgress(keys);
    },
  );
  onProgress(keys);
  return !ended;
}

/** Nothing is to be done for it. */
function isBrought(there: Buffer | undefined, here: Buffer | undefined): boolean {
  if (!there || !here) return false;
  if (there.equals(here)) return true;
  const [old, now] = [parseKeyValue(there), parseKeyValue(here)];
  const same = old.value.equals(now.value) && old.lease === now.lease;
  return same && old.modRevision > now.modRevision;
}

/** What the source gets. */
interface Change {
  record: Record;
  /** Of the source's row; 0: there is none. */
  old: Revision;
  /** The target has not changed it since the reverse was there last. */
  isLate: boolean;
}

/** A row would keep its page in memory. */
function judge(
  there: Buffer | undefined,
  here: Buffer | undefined,
  { before, pin }: { before: Revision; pin: Revision },
): Change {
  const old = there && parseKeyValue(there);
  const now = here && parseKeyValue(here);
  const key = Buffer.from(old?.key ?? now?.key ?? Buffer.alloc(0));
  const main = now?.modRevision ?? pin;
  const record: Record = here
    ? { main, sub: 0, tombstone: false, key, bytes: Buffer.from(here) }
    : { main, sub: 0, tombstone: true, key, bytes: encodeKeyValue({ key }) };
  return { record, old: old?.modRevision ?? 0, isLate: main <= before };
}

/** @returns false where `signal` aborted */
async function putRight(
  { sink, late, isUnseen, signal }: ComparisonOptions,
  { record, old, isLate }: Change,
): Promise<boolean> {
  const { key } = record;
  const isNew = !late.has(key) && (isLate || (await isUnseen(key, old)));
  if (!(await sink.write({ records: [record], position: sink.position }, true, signal)))
    return false;
  if (isNew) late.foundByComparing(key);
  return true;
}
