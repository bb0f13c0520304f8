/** What a mirror says of itself while it runs; docs/reference.md has it as the JSON contract. */
import type { Retried } from '../async/retries.js';
import type { Trouble } from '../async/trouble.js';
import type { LeasesKept } from '../leases/keeper.js';
import type { Revision } from '../mvcc/revision.js';
import type { CompareProgress } from './mirrorbase.js';

/** Where a mirror is at the moment. */
export type MirrorPhase =
  'waiting for the source' | 'waiting for the target' | 'comparing' | 'catching up' | 'mirroring';

/** What a mirror says of itself while it runs. */
export interface MirrorStatus {
  state: MirrorPhase;
  /** Ids of both etcds, hexadecimal as etcdctl prints them; null: one has not answered yet. */
  clusters: { source: string | null; target: string | null };
  /** The target has what the source had at this revision; null while it is being compared. */
  position: Revision | null;
  /** The source's head when it was asked last. */
  sourceHead: Revision;
  lagRevisions: number | null;
  lagSeconds: number | null;
  /** When it had caught up first, ISO 8601; null before: `lagSeconds` is at least so much until then. */
  caughtUpAt: string | null;
  /** While it is being compared: keys that were, and that are still to be; else null. */
  comparing: CompareProgress | null;
  /** Written by this process. */
  transactions: number;
  puts: number;
  deletions: number;
  bytes: number;
  /** Revisions of the source that came through the watch. */
  revisions: number;
  /** Keys of the target's prefix that the source did not have when they were compared last. */
  foreign: number;
  /** On the target; null before both have answered. */
  leases: LeasesKept | null;
  /** What has failed and was tried again, since this process began; most often first. */
  retries: Retried[];
  /** What it waits for or tries again; null while all is well. */
  trouble: Trouble | null;
}
