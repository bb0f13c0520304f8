/** A follower that tests can end in every way: gently, by abort, by SIGKILL of a process of its own. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Journal } from '../../src/journal/journal.js';
import { followAgain } from '../../src/lockstep/again.js';
import { Follower, type FollowOptions, type FollowStatus } from '../../src/lockstep/follow.js';
import { repairJournal } from '../../src/lockstep/repair.js';
import { EtcdClient } from '../../src/wire/client.js';
import { Child } from '../rig/child.js';

export interface FollowPlace {
  journal: string;
  source: string;
  target: string;
  /** A peer URL of the target, where it is written by proposals. */
  peers?: string | undefined;
}

const CHILD = fileURLToPath(new URL('follow-child.ts', import.meta.url));
/** The child prints it when it has found the target. */
export const FOUND = 'target found';
const CHILD_START_MS = 30_000;
const SYNCED_WITHIN_MS = 40_000;

/** Opens everything, follows until `until` or `signal`, closes everything. */
export async function follow(
  place: FollowPlace,
  {
    until,
    signal,
    onNote,
    repair = false,
    again = false,
  }: Pick<FollowOptions, 'until' | 'signal' | 'onNote' | 'repair'> & { again?: boolean },
  onStart?: (follower: Follower) => void,
): Promise<FollowStatus> {
  const clients = [
    new EtcdClient(place.source, 'source'),
    new EtcdClient(place.source, 'source'),
    new EtcdClient(place.target, 'target'),
  ] as const;
  const [sourceWatch, source, target] = clients;
  let journal: Journal | undefined;
  try {
    const mending = { source, target, journal: place.journal, onNote, signal };
    if (again) await followAgain({ ...mending, onBase: () => undefined });
    if (repair) await repairJournal({ ...mending, onBase: () => undefined });
    journal = await Journal.open(place.journal);
    const peers = place.peers === undefined ? undefined : { urls: [place.peers] };
    const ends = { journal, sourceWatch, source, target, peers };
    const options = { ...ends, until, signal, onNote, repair };
    const follower = new Follower(options);
    onStart?.(follower);
    await follower.run();
    return follower.status;
  } finally {
    await journal?.close();
    for (const client of clients) client.close();
  }
}

/** Follows in this process until the target stands where the source does; the notes say why it did not. */
export async function followUntilSynced(
  place: FollowPlace,
  { repair = false, again = false, notes = [] as string[] } = {},
): Promise<FollowStatus> {
  const late = AbortSignal.timeout(SYNCED_WITHIN_MS);
  const status = await follow(place, {
    until: { kind: 'synced' },
    signal: late,
    onNote: (note) => notes.push(note),
    repair,
    again,
  });
  if (late.aborted)
    throw new Error(`not synced: ${JSON.stringify(status)}\n${notes.slice(-10).join('\n')}`);
  return status;
}

/** A follower under way. */
export interface Following {
  /** Ends it. An error that it ended with by itself is thrown. */
  end(): Promise<void>;
}

/** In this process, having found the target; ended by its signal, as Ctrl-C would. */
export async function followHere(place: FollowPlace, { again = false } = {}): Promise<Following> {
  const stop = new AbortController();
  let found = (): void => undefined;
  const begun = new Promise<void>((resolve) => (found = resolve));
  const done = follow(place, {
    until: { kind: 'signal' },
    signal: stop.signal,
    onNote: (note) => {
      if (note.startsWith(FOUND)) found();
    },
    again,
  });
  await Promise.race([begun, done]);
  return {
    async end() {
      stop.abort();
      await done;
    },
  };
}

/** In a process of its own, which has found the target when this returns; ended by SIGKILL. */
export async function followInChild(place: FollowPlace): Promise<Following> {
  const { journal, source, target, peers } = place;
  const args = ['--import=tsx', CHILD, journal, source, target, ...(peers ? [peers] : [])];
  const child = new Child(process.execPath, args, `${journal}.child.log`);
  const deadline = Date.now() + CHILD_START_MS;
  while (!child.lastLines(1000).includes(FOUND)) {
    if (child.ended() !== undefined || Date.now() > deadline) throw failed(child);
    await sleep(10);
  }
  return {
    async end() {
      if (child.ended() !== undefined) throw failed(child);
      child.signal('SIGKILL');
      await child.exit();
    },
  };
}

function failed(child: Child): Error {
  child.signal('SIGKILL');
  return new Error(`the following child: ${child.ended() ?? 'hangs'}\n${child.lastLines(30)}`);
}
