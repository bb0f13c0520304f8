/**
 * seed: live source ─► journal ─► base.
 *
 *     watch from W ──► journal ◄── base (pages or snapshot)
 *                        └──► seal at the journal's position
 *
 * The base is complete when it was read to its end and the watch has passed the revision that it
 * was last read at. Killed, it goes on: the watch at the journal's position, pages at the next one.
 * Only a snapshot cannot be entered in the middle; then the journal is begun anew.
 *
 * A snapshot may be a file that is there already, and need not be the source's of today: fromfile.ts.
 */
import { lastValueFrom, tap } from 'rxjs';
import { Patience, type OnNote } from '../async/patience.js';
import { runTogether } from '../async/together.js';
import { hasCode, LockstepError, passes } from '../errors.js';
import { capture$ } from '../journal/capture.js';
import { checkIdentity } from '../journal/identity.js';
import { Journal } from '../journal/journal.js';
import { removeFiles } from '../journal/level.js';
import { probeKey, type PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { checkNewFile } from '../newfile.js';
import { damagedNotes } from '../source/damaged.js';
import { fullWatchNote, watchLimits, type WatchLimits } from '../source/limits.js';
import { refuseEmpty } from '../source/nokeys.js';
import type { EtcdClient } from '../wire/client.js';
import type { Sealed } from './basefile.js';
import {
  beginFromFile,
  bridgeBehindFile,
  discarded,
  loadBackup,
  refuseNoFile,
  refuseOtherCount,
  type Backup,
} from './fromfile.js';
import { noBase, readBase, startJournal, type BaseCount } from './read.js';
import { SeedPace } from './seedpace.js';
import { seal } from './seal.js';

/** What has been read from the source so far, by this run. */
export interface SeedCount extends BaseCount {
  /** Base and watch together; what changes or has history comes through the watch. */
  bytes: number;
  seconds: number;
  /** How far the watch has come on its way to the source's head of the beginning, 0 to 1. */
  watched: number;
  /** Keys that were read from the source to bridge a gap behind a file; undefined where there is none. */
  bridged?: number | undefined;
}

/** Pages of the prefixes, the whole store as a stream, or a snapshot file that is there already. */
export type SeedFrom = 'range' | 'snapshot' | { file: string };

export interface SeedOptions {
  prefixes: PrefixSet;
  journal: string;
  out: string;
  from: SeedFrom;
  /** A prefix that no key begins with is no error. */
  allowEmpty?: boolean;
  /** Called for each page and each batch of the watch. */
  onBase: (count: SeedCount) => void;
  /** Called while a file is checked, with how much of it was, 0 to 1. */
  onCheck?: (share: number) => void;
  onSeal?: (rows: number) => void;
  /** What a user should know: that it goes on, why it starts over. */
  onNote: OnNote;
  signal: AbortSignal;
}

/** How often a base is begun anew because the source compacted faster than it was read. */
const MAX_STARTS = 5;

/** A journal under way, and the file that its base comes from, while that is not loaded. */
interface Begun {
  journal: Journal;
  backup?: Backup;
}

/**
 * @throws LockstepError among others JOURNAL_OTHER for a journal of another source or prefixes; NO_KEYS
 *   and, for a file, SNAPSHOT_OTHER before anything is made; the signal's reason
 */
export async function seed(source: EtcdClient, options: SeedOptions): Promise<Sealed> {
  const { signal } = options;
  // A call, or a snapshot's stream, that is silent looks at no signal: it goes with its connection.
  const client = source.another().closeAt(signal);
  try {
    return await seedBy(client, options);
  } catch (error) {
    if (passes(error)) signal.throwIfAborted();
    throw error;
  } finally {
    client.close();
  }
}

async function seedBy(client: EtcdClient, options: SeedOptions): Promise<Sealed> {
  const { from, journal: directory } = options;
  checkNewFile(options.out, '--out');
  if (typeof from === 'object' && !Journal.exists(directory)) refuseNoFile(from.file);
  const status = await client.status();
  const limits = watchLimits(status.version);
  if (!limits.progressIsProof) options.onNote(fullWatchNote(status.version));
  for (const note of await damagedNotes(client)) options.onNote(note, true);
  for (let start = 1; ; start++) {
    const begun = await openOrStart(client, status.clusterId, limits, options);
    const { journal, backup } = begun;
    try {
      await fill(client, begun, limits, options);
      await refuseOtherCount(client, journal);
      return await sealNow(client, journal, options);
    } catch (error) {
      if (isOtherFile(error, journal)) throw await discarded(journal, error);
      if (!hasCode(error, 'HISTORY_GAP') || start === MAX_STARTS) throw error;
      options.onNote(
        `the source compacted to revision ${error.revision ?? 0} before its events could be read; starting over`,
      );
      await journal.destroy();
    } finally {
      backup?.file.close();
      await journal.close();
    }
  }
}

function isOtherFile(error: unknown, { state }: Journal): error is LockstepError {
  return state.base.how === 'file' && hasCode(error, 'SNAPSHOT_OTHER', 'GAP_NOT_EXACT');
}

async function openOrStart(
  client: EtcdClient,
  clusterId: string,
  limits: WatchLimits,
  options: SeedOptions,
): Promise<Begun> {
  const { journal: directory, prefixes, from, allowEmpty = false, onNote } = options;
  const journal = await openExisting(directory);
  if (!journal) {
    if (!allowEmpty) await refuseEmpty(client, prefixes.list);
    return begin(client, clusterId, limits, options);
  }
  const { base } = journal.state;
  try {
    checkIdentity(journal, clusterId, prefixes);
    const how = typeof from === 'object' ? 'file' : from;
    const begunFrom = base.how === 'file' ? base.file : base.how;
    if (base.how !== how && !base.done)
      throw new LockstepError('JOURNAL_OTHER', `${directory} was begun with --from ${begunFrom}`, {
        hint: `Go on with --from ${begunFrom}, or give a new --journal.`,
      });
  } catch (error) {
    await journal.close();
    throw error;
  }
  if (base.done || base.how === 'range') {
    onNote(
      `going on with ${directory}: position ${journal.position}, base ${base.done ? 'complete' : 'half read'}`,
    );
    return { journal };
  }
  onNote('a snapshot cannot be entered in the middle; starting over');
  await journal.destroy();
  return begin(client, clusterId, limits, options);
}

async function begin(
  client: EtcdClient,
  clusterId: string,
  limits: WatchLimits,
  options: SeedOptions,
): Promise<Begun> {
  const { journal: directory, prefixes, from, onNote, signal } = options;
  if (typeof from === 'string')
    return {
      journal: await startJournal(client, directory, { clusterId, prefixes }, from, limits),
    };
  const onCheck = options.onCheck ?? (() => undefined);
  const given = { path: from.file, journal: directory, clusterId, prefixes };
  return beginFromFile(client, { ...given, onCheck, onNote, signal });
}

async function openExisting(directory: string): Promise<Journal | undefined> {
  if (!Journal.exists(directory)) return undefined;
  try {
    return await Journal.open(directory);
  } catch (error) {
    if (!hasCode(error, 'JOURNAL_NOT_SEEDED')) throw error;
    // Its first process died before it had written anything; there is nothing to lose.
    removeFiles(directory);
    return undefined;
  }
}

/** Captures until the base is read and the watch has reached the head of that moment. */
async function fill(
  client: EtcdClient,
  { journal, backup }: Begun,
  limits: WatchLimits,
  { prefixes, onBase, onNote, signal }: SeedOptions,
): Promise<void> {
  const enough = new AbortController();
  let until: Revision = Number.MAX_SAFE_INTEGER;
  const started = performance.now();
  let base = noBase();
  let bridged: number | undefined;
  const from = journal.position;
  const { revision: head } = await client.head(probeKey(prefixes));
  const report = () => {
    const seconds = (performance.now() - started) / 1000;
    const watched = Math.min(1, (journal.position - from) / Math.max(head - from, 1));
    onBase({ ...base, bytes: base.bytes + journal.appendedBytes, seconds, watched, bridged });
  };
  const stopIfThere = () => {
    if (journal.position >= until) enough.abort();
  };
  const bridge = async (_: LockstepError, stopped: AbortSignal) => {
    const onRead = (keys: number) => {
      bridged = keys;
      report();
    };
    await bridgeBehindFile(client, journal, { onNote, onRead }, stopped);
    // At the end of the gap the watch may have nothing more to say.
    stopIfThere();
  };
  const captureBeside = (stopped: AbortSignal) =>
    lastValueFrom(
      capture$(client, journal, {
        ...{ limits, onNote, told: new Patience(onNote) },
        bridge: journal.state.base.how === 'file' ? bridge : undefined,
        signal: AbortSignal.any([stopped, enough.signal]),
      }).pipe(tap(report), tap(stopIfThere)),
      { defaultValue: undefined },
    );
  const read = async (stopped: AbortSignal) => {
    const onBase = (count: BaseCount) => {
      base = count;
      report();
    };
    if (backup) await loadBackup(backup, journal, onBase, stopped);
    else await readBase(client, journal, onBase, stopped, new SeedPace(onNote, stopped));
    until = (await client.head(probeKey(prefixes))).revision;
    // The watch may stand there already and have nothing more to say.
    stopIfThere();
  };
  await runTogether(signal, [captureBeside, read]);
  signal.throwIfAborted();
}

async function sealNow(
  client: EtcdClient,
  journal: Journal,
  options: SeedOptions,
): Promise<Sealed> {
  return seal(journal, {
    out: options.out,
    source: journal.state.clusterId,
    leaseTtl: (id) => client.leaseTtl(id),
    signal: options.signal,
    ...(options.onSeal ? { onRow: options.onSeal } : {}),
  });
}
