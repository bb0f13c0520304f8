/** What the conduct of a night is told, what it tells, and what comes out of it. */
import type { OnNote } from '../async/patience.js';
import type { Postponed } from '../config/postponed.js';
import type { ApiServer } from '../kube/api.js';
import type { Resource } from '../kube/resource.js';
import type { Revision } from '../mvcc/revision.js';
import type { LateWrite } from '../proof/latewrites.js';
import type { Heads } from '../proof/servedfrom.js';
import type { PeersOptions } from '../target/peers.js';
import type { EtcdClient } from '../wire/client.js';
import type { Moving, OnNightEvent } from './nightevents.js';
import type { StepTime } from './steps.js';

/** What somebody who says go has to know. */
export interface GoAbout {
  resources: readonly Resource[];
  /** What somebody should know before he says go. */
  warnings: readonly string[];
}

/** What is taken where nothing is given, on the command line and by a program alike. */
export const NIGHT_DEFAULTS = {
  margin: 1000,
  quietMs: 300,
  maxFreezeSeconds: 30,
  watchSeconds: 60,
  /** Keys that retire removes in a second. */
  rate: 1000,
} as const;

/** What cutover and rollback share. */
export interface NightOptions {
  source: EtcdClient;
  target: EtcdClient;
  /** As the operator names them; undefined: whatever the prefixes hold. */
  resources: readonly Resource[] | undefined;
  /** Those that serve clients in the end. All of them have to answer. */
  apiservers: readonly ApiServer[];
  /** Those that are left out because they are dead, and have to stay so. */
  without: readonly ApiServer[];
  /** Revisions that the one head is kept above the other, at least. */
  margin: number;
  /** So long without an event is quiet. */
  quietMs: number;
  /** How long late writes are watched for at the end. */
  watchSeconds: number;
  /** Asks whether to freeze. @throws LockstepError NO_GO */
  go: (about: GoAbout) => Promise<void>;
  /** @param signal ends it: it must not move anybody for a run that has lost the night */
  switchHook?: (api: ApiServer, moving: Moving, signal: AbortSignal) => Promise<void>;
  onEvent: OnNightEvent;
  onNote: OnNote;
  /**
   * From here on stopping strands the apiservers: no more than what the operator himself asks for may
   * end the run.
   */
  onMustGoOn: () => void;
  signal: AbortSignal;
}

/** What a cutover is told beyond that. */
export interface CutoverOptions extends NightOptions {
  /** A connection of its own: the watch for late writes must not stand in line. */
  sourceWatch: EtcdClient;
  /** Those that serve now and will be gone, where those of `apiservers` were pre-warmed on the target. */
  oldApiservers: readonly ApiServer[];
  /** Writes are let in again if the target is not equal by then, from the first refused write on. */
  maxFreezeSeconds: number;
  flipHook?: (moving: Moving, signal: AbortSignal) => Promise<void>;
  /** Waits behind `go`, ready, until a file is gone or a time has come; a night that has begun goes on at once. */
  postponeUntil?: Postponed | undefined;
  /** The target's peer ports, where its head may be raised through them. */
  peers?: PeersOptions | undefined;
}

/** The JSON contract in docs/reference.md is made of this. */
export interface CutoverReport {
  /** The last revision at which the target was the source's exact copy; then keys and checksum. */
  exact: Revision;
  keys: number;
  checksum: string;
  prefixes: string[];
  /** As kubectl names them. */
  resources: string[];
  apiservers: string[];
  /** As they were asked last. */
  heads: Heads | null;
  /** From the first refusal until writes were let in again; null if nobody knows. */
  frozenSeconds: number | null;
  /** Of that, ours: drain, compare, takeover, fence. Only what this run has done. */
  ownSeconds: number;
  steps: StepTime[];
  lateWrites: { count: number; named: LateWrite[] };
  alarms: string[];
}
