/** What the reverse says of itself while it runs; docs/reference.md has it as the JSON contract. */
import type { Retried } from '../async/retries.js';
import type { Trouble } from '../async/trouble.js';
import type { LeasesKept } from '../leases/keeper.js';
import type { Revision } from '../mvcc/revision.js';
import type { Phase } from '../target/cutoverstate.js';
import type { LateSum } from '../target/reversecursor.js';

/** Where it is at the moment. */
export type ReversePhase =
  | 'raising the source'
  | 'waiting for the target'
  | 'waiting for the source'
  | 'comparing'
  | 'catching up'
  | 'the way back is open'
  /** A rollback or retire has begun, or another run has it. */
  | 'over';

/** What the reverse says of itself while it runs. */
export interface ReverseStatus {
  state: ReversePhase;
  /** Ids of both etcds, hexadecimal as etcdctl prints them; null: one has not answered yet. */
  clusters: { source: string | null; target: string | null };
  prefixes: string[];
  /** The last revision at which the target was the source's exact copy. */
  exact: Revision | null;
  /** The source has what the target had at this revision; null before it is known. */
  position: Revision | null;
  /** Heads as they were asked last; 0 before that. */
  sourceHead: Revision;
  targetHead: Revision;
  /** How far the source's head is above the target's. */
  margin: number | null;
  /** The source behind the target. */
  lagRevisions: number | null;
  lagSeconds: number | null;
  /** When it had caught up first, ISO 8601; null before. */
  caughtUpAt: string | null;
  /** Keys that were looked at, while both sides are compared; else null. */
  comparing: { keys: number } | null;
  /** Written on the source by others since the cutover. */
  lateWrites: LateSum;
  /** Of the source: all that was written late up to here is known; and how many seconds that is behind. */
  lateSeen: Revision | null;
  lateSeenSeconds: number | null;
  /** Written by this process. */
  transactions: number;
  puts: number;
  deletions: number;
  bytes: number;
  /** Revisions of the target that came through the watch. */
  revisions: number;
  /** On the source; null before both have answered. */
  leases: LeasesKept | null;
  /** Why it has ended: how far the cutover is by now; else null. */
  endedBy: Phase | null;
  /** What has failed and was tried again, since this process began; most often first. */
  retries: Retried[];
  /** What it waits for or tries again; null while all is well. */
  trouble: Trouble | null;
}
