/**
 * What a running command shows of itself: one object, made anew whenever somebody looks.
 *
 *     status of the command ─► its view ─► page, /metrics, /readyz, `watch`
 *
 * All who look read this and nothing else, so they cannot say different things. It is one shape for every
 * command; what a command does not have, or does not know yet, is null, and then it is shown nowhere: a zero
 * would be read as a measurement. It holds keys at the most, never a value or a secret.
 */
import type { AuditOutcome } from '../auditing/outcome.js';
import type { ErrorCode, ErrorSide } from '../errors.js';

/** As in mvcc/revision.ts: digits alone, never with separators. */
type Revision = number;

/** The commands that can be looked at. */
export type Viewed = 'seed' | 'follow' | 'mirror' | 'reverse' | 'fence' | 'cutover' | 'rollback';

/** `well`: nothing is to be done. `working`: on the way there. `trouble`: somebody should look. */
export type Mood = 'well' | 'working' | 'trouble';

export interface View {
  command: Viewed;
  /** Of etcd-lockstep. */
  version: string;
  /** When the process began; ISO 8601, as all times here. */
  startedAt: string;
  /** When this was made. */
  at: string;
  /** One of `STATES` of the command. */
  state: string;
  /** The same for people, with what matters about it. */
  sentence: string;
  mood: Mood;
  /** What `/readyz` says: it does what it is for, within `--ready-lag`. */
  ready: boolean;
  prefixes: string[];
  /** Ids of the two, hexadecimal as etcdctl prints them; null until they have been heard of. */
  clusters: { source: string | null; target: string | null };
  /** As they were asked last; of the target what the command has read or written. */
  heads: { source: Revision | null; target: Revision | null };
  /** Null until it is known. */
  lag: { revisions: number; seconds: number } | null;
  wrote: Wrote | null;
  /** How the target is written; null where there is one way only, or nothing was written yet. */
  way: WayView | null;
  /** How fast it may be written; null where nothing bounds it by nature. */
  throttle: ThrottleView | null;
  /** Of one of two followers that stand by for each other: whether it writes. Null for whoever is alone. */
  active: boolean | null;
  /** How far long work with an end has come. */
  progress: { share: number | null; text: string } | null;
  /** Of `follow --reverse`; null for all others. */
  wayBack: WayBackView | null;
  journal: JournalView | null;
  compaction: CompactionView | null;
  leases: LeasesView | null;
  /** What was tried again since the process began; each once, most often first. */
  retries: { code: ErrorCode; side: ErrorSide | null; count: number }[];
  trouble: { code: ErrorCode; message: string; hint: string | null; since: string } | null;
  /** Notes, warnings and alarms as they were logged, newest first; the last few dozen. */
  events: { at: string; level: 'info' | 'warn' | 'error'; text: string }[];
  /** Newest first; the last few. */
  audits: AuditOutcome[];
  /** One that is under way, and what it has found by now. */
  auditing: { since: string; share: number | null; differences: number } | null;
  night: NightView | null;
  /** What is to be done next, and the command for it where there is one. */
  next: { text: string; command: string | null };
}

/** Written by this process, since it began. */
export interface Wrote {
  /** Revisions with records; of a mirror: transactions. */
  revisions: number;
  /** Zero where there are none by nature. */
  fillers: number;
  /** Keys put and deleted; null where they are not counted. */
  puts: number | null;
  deletions: number | null;
  bytes: number;
}

/** A `WayStatus` of lockstep/ways.ts, once something was written. */
export interface WayView {
  by: 'transactions' | 'proposals';
  /** The member that takes proposals; null where none does. */
  where: string | null;
  /** Why it is not by proposals although they were asked for; null where all is as it should be. */
  why: { code: ErrorCode; message: string; hint: string | null } | null;
}

/** A `ThrottleStatus` of lockstep/throttle.ts. */
export interface ThrottleView {
  /** Revisions a second: what a user has set, and what may be written now; null: as many as go. */
  maxRate: number | null;
  nowRate: number | null;
  /** Null where it is as many as go. */
  because: string | null;
  /** Whether writes have had to wait for it just now. */
  holds: boolean;
}

/** How the source fares that a rollback would go back to. */
export interface WayBackView {
  /** The last revision at which the target was the source's exact copy. */
  exact: Revision | null;
  /** The source has what the target had at this revision. */
  position: Revision | null;
  /** How far the source's head is above the target's. */
  margin: number | null;
  /** Written on the source by others since: in all; replaced by what the target has; keys that still are so. */
  lateWrites: { count: number; replaced: number; open: number };
  /** How far the watch for them is behind. */
  lateSeenSeconds: number | null;
}

export interface JournalView {
  /** Everything up to here is written down. */
  revision: Revision;
  bytes: number;
  /** What its file system has left. */
  freeBytes: number | null;
}

/** The source forgets its history again and again; what is not written down by then is lost. */
export interface CompactionView {
  /** The source's. */
  revision: Revision;
  /** When it was seen to move last; null before that. */
  movedAt: string | null;
  /** How old what it forgot was, when it moved last: so long it keeps its history; null before that. */
  keepsSeconds: number | null;
  /**
   * Of that, what is left to the journal: full while it has all, less by how long the first revision is
   * there that it lacks, or by how long the source has not answered. Null where it is not known how long
   * history is kept.
   */
  leftSeconds: number | null;
}

export interface LeasesView {
  /** Refreshed on the target. */
  kept: number;
  /** Of these: refreshes were sent and not answered. */
  missed: number;
  /** Time until the first of the missed ends, and its keys with it; null: none is missed. */
  endsInSeconds: number | null;
}

/** A cutover, a rollback, or the fence alone. */
export interface NightView {
  /** All of them, in their order. */
  steps: NightStepView[];
  /** Of the step that is under way; null before the first and behind the last. */
  waitsFor: string | null;
  ifAborted: string | null;
  /** Since when writes are refused; null while nobody knows. */
  frozenAt: string | null;
  /** Writes were let in again. */
  thawedAt: string | null;
  /**
   * Heads as the fence knows them; null before it stands, while they cannot be asked, and when writes are let
   * in. `ahead` is what a margin is.
   */
  fence: { source: Revision; target: Revision; ahead: number; margin: number } | null;
  apiservers: ApiServerView[];
  /** The last revision at which the target was the source's exact copy; null before the takeover. */
  exact: Revision | null;
  alarms: string[];
}

/** A `Serving` of proof/servedfrom.ts, and whether that is what the night wants. */
export interface ApiServerView {
  apiserver: string;
  from: 'source' | 'target' | 'unclear' | 'neither' | 'does not answer';
  /** What left it unclear. */
  why?: string;
  moved: boolean;
}

export interface NightStepView {
  name: string;
  does: string;
  state: 'to do' | 'now' | 'done' | 'failed';
  /** Of the one that is under way: so far. */
  seconds: number | null;
}

/** Every state that a command can show, for who counts them. */
export const STATES: Record<Viewed, readonly string[]> = {
  seed: ['reading', 'sealing', 'done', 'failed'],
  follow: [
    'waiting for the source',
    'waiting for the target',
    'bridging a gap',
    'catching up',
    'in lockstep',
    'standby',
    'taken over',
    'failed',
  ],
  mirror: [
    'waiting for the source',
    'waiting for the target',
    'comparing',
    'catching up',
    'mirroring',
    'failed',
  ],
  reverse: [
    'raising the source',
    'waiting for the target',
    'waiting for the source',
    'comparing',
    'catching up',
    'the way back is open',
    'over',
    'failed',
  ],
  fence: ['draining', 'raising', 'kept', 'failed'],
  cutover: ['running', 'done', 'done with alarms', 'failed'],
  rollback: ['running', 'done', 'done with alarms', 'failed'],
};
