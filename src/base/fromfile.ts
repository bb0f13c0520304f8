/**
 * A seed out of a snapshot file, last night's backup, in place of the live source.
 *
 *     file ─► sha256 ─► sample ─► asked of the source ─► journal begun at the file's head H
 *       └──────────────── rows of our prefixes ────────────►┘◄── watch from H + 1
 *
 * The file is checked, and walked through once for the sample, before anything is made (samecluster.ts).
 * Then its rows are the base, and the watch brings what came after them. Where the source has compacted
 * that, the gap is bridged when the whole base is there (bridge.ts); unlike a follower's it needs no
 * consent, since nobody has read what is compacted away by the time the base is sealed (seal.ts).
 *
 * What holds in the end: over a gap every key is what the source had at the gap's end, or GAP_NOT_EXACT.
 * Without one the base is as right as the file is: the sample and the number of keys speak for it.
 *
 * Killed while the file is read, it begins anew with the file; later the file is needed no more.
 *
 * Tried and dropped: a read of the keys alone at H, to compare mod_revision, create_revision and version of
 * each. The source reads the values all the same and only leaves them out of its answers: 0.96 s of its
 * processor for 25,000 keys of 4 KB, where pages with their values take 1.5 s and bridge every gap, too.
 */
import { existsSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { pause } from '../async/again.js';
import type { OnNote } from '../async/patience.js';
import { hasCode, LockstepError } from '../errors.js';
import { Journal } from '../journal/journal.js';
import { refuseOther } from '../journal/level.js';
import { PrefixSet } from '../mvcc/prefix.js';
import { countKeys } from '../source/prefixes.js';
import type { EtcdClient } from '../wire/client.js';
import { bridge, bridgedNote } from './bridge.js';
import { sampleFile, type FileSample } from './filesample.js';
import { sizeOf } from './otherfile.js';
import { loadSnapshot, type OnBase } from './read.js';
import { refuseOtherCluster, type Compared } from './samecluster.js';
import { SnapshotFile } from './snapshot.js';

/** A snapshot file that is whole and the source's. */
export interface Backup {
  path: string;
  file: SnapshotFile;
  /** Of our prefixes, history and deletions included. */
  rows: number;
}

interface FromFileOptions {
  path: string;
  journal: string;
  clusterId: string;
  prefixes: PrefixSet;
  /** How much of the file has been checked, 0 to 1. */
  onCheck: (share: number) => void;
  onNote: OnNote;
  signal: AbortSignal;
}

const OTHER_PAST =
  'Nothing is left behind. The file is of another past of the source (was that restored from a backup?), or does not have all keys of the prefixes (was it cropped?). Take a new snapshot, or seed with --from range.';
/** Between two looks whether the base is whole. */
const BASE_LOOK_MS = 50;

/**
 * Before anybody is asked anything: a word that was typed wrong is no file, either.
 * @throws LockstepError BAD_PATH, NO_SNAPSHOT
 */
export function refuseNoFile(path: string): void {
  try {
    sizeOf(path);
  } catch (error) {
    if (!hasCode(error, 'BAD_PATH')) throw error;
    throw error.as({ hint: '--from takes range, snapshot, or the path of a snapshot file.' });
  }
}

/**
 * The journal for a new seed, and the open file that is to be loaded into it.
 * @throws LockstepError what SnapshotFile.open says; SNAPSHOT_OTHER, JOURNAL_OTHER: nothing is made then
 */
export async function beginFromFile(
  client: EtcdClient,
  options: FromFileOptions,
): Promise<{ journal: Journal; backup: Backup }> {
  const { path, journal: directory, clusterId, prefixes, onCheck, onNote, signal } = options;
  if (existsSync(directory)) refuseOther(directory);
  const file = await SnapshotFile.open(path, (bytes, of) => {
    signal.throwIfAborted();
    onCheck(bytes / of / 2);
  });
  try {
    const { head, compactRevision } = file;
    const onWalk = (bytes: number, of: number) => {
      onCheck(0.5 + bytes / of / 2);
    };
    const sample = await sampleFile(file, prefixes, onWalk, signal);
    const asked = { path, head, sample, memberIds: file.memberIds() };
    const compared = await refuseOtherCluster(client, asked, prefixes);
    for (const [note, warn] of notes(asked, compared)) onNote(note, warn);
    const base = { how: 'file', done: false, file: path } as const;
    const start = { watchFrom: head + 1, base, compactRevision };
    const journal = await Journal.create(directory, { clusterId, prefixes }, start);
    return { journal, backup: { path, file, rows: sample.ours } };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** What was found out, each with whether somebody should look. */
function notes(
  { path, head, sample }: { path: string; head: number; sample: FileSample },
  { keys, same, reachesBack }: Compared,
): [string, boolean][] {
  const evidence =
    same === 0
      ? `none of ${keys} keys that were asked for tells whether it is of this source`
      : `${same} of ${keys} keys that were asked for are the same at the source, the others tell nothing`;
  const found: [string, boolean] = reachesBack
    ? [
        `${path} ends at revision ${head}, and the source's history reaches back to it; ${same} of ${keys} keys that were asked for are what the source had there${same < keys ? ', the others its user may not read' : ''}`,
        same < keys,
      ]
    : [
        `${path} ends at revision ${head}, and the source has compacted what came next: when the file is read, the prefixes are read from the source once as well, to bridge that gap (--from range reads no more than that); ${evidence}`,
        true,
      ];
  const empty: [string, boolean] = [`${path} has no key of the prefixes`, true];
  return sample.ours === 0 ? [found, empty] : [found];
}

/** An aborted `signal` ends it with an error. */
export async function loadBackup(
  { file, rows }: Backup,
  journal: Journal,
  onBase: OnBase,
  signal: AbortSignal,
): Promise<void> {
  await loadSnapshot(file, journal, ({ keys, bytes }) => {
    signal.throwIfAborted();
    onBase({ keys, bytes, remaining: rows - keys });
  });
}

/**
 * Over what the source has compacted behind the file, once all of the file is in the journal.
 * @throws LockstepError GAP_NOT_EXACT
 */
export async function bridgeBehindFile(
  client: EtcdClient,
  journal: Journal,
  { onNote, onRead }: { onNote: OnNote; onRead: (keys: number) => void },
  signal: AbortSignal,
): Promise<void> {
  while (!journal.state.base.done && !signal.aborted) await pause(BASE_LOOK_MS, signal);
  if (signal.aborted) return;
  onNote(
    `the source has compacted away what came after revision ${journal.position}; reading what it holds now`,
    true,
  );
  const bridged = await bridge(client, journal, signal, { onRead });
  if (bridged) onNote(bridgedNote(bridged));
}

/**
 * Without a gap nobody has compared each key: of one that is missing in the file, or too many, the number
 * tells. A position that the source has compacted passes.
 * @throws LockstepError SNAPSHOT_OTHER
 */
export async function refuseOtherCount(client: EtcdClient, journal: Journal): Promise<void> {
  const { base, gap, prefixes } = journal.state;
  if (base.how !== 'file' || gap) return;
  const { position } = journal;
  const { keys } = await journal.tally(position);
  try {
    const there = await countKeys(client, PrefixSet.of(prefixes), position);
    if (there === keys) return;
    throw new LockstepError(
      'SNAPSHOT_OTHER',
      `${base.file} and all that came after it make ${keys} keys at revision ${position}, and the source has ${there}`,
      {
        revision: position,
        hint: OTHER_PAST,
      },
    );
  } catch (error) {
    if (!hasCode(error, 'COMPACTED')) throw error;
  }
}

/**
 * What a file has brought is of no use, as `error` says, and nothing follows it yet: away with it.
 * @returns the error with what to do
 */
export async function discarded(journal: Journal, error: LockstepError): Promise<LockstepError> {
  await journal.destroy();
  await rmdir(journal.directory).catch(() => undefined);
  return error.as({ hint: OTHER_PAST });
}
