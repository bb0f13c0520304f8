/** What a cutover is told, what it tells, and what comes out of it. */
import type { ApiServer } from '../kube/api.js';
import type { Resource } from '../kube/resource.js';
import type { Revision } from '../mvcc/revision.js';
import type { EtcdClient } from '../wire/client.js';
import type { LateWrite } from './late.js';
import type { Heads, Serving } from './serving.js';
import type { Step, StepTime } from './steps.js';

export interface CutoverOptions {
  source: EtcdClient;
  target: EtcdClient;
  /** A connection of its own: the watch for late writes must not stand in line. */
  sourceWatch: EtcdClient;
  resources: readonly Resource[];
  /** Those that serve clients in the end. */
  apiservers: readonly ApiServer[];
  /** Those that do so now and will be gone, where new ones were pre-warmed on the target. */
  oldApiservers: readonly ApiServer[];
  /** Revisions that the target's head is kept above the source's, at least. */
  margin: number;
  /** So long without an event is quiet. */
  quietMs: number;
  /** Writes are let in again if the target is not equal by then. */
  maxFreezeSeconds: number;
  /** How long late writes are watched for at the end. */
  watchSeconds: number;
  /** Asks whether to freeze. @throws LockstepError NO_GO */
  go: (warnings: readonly string[]) => Promise<void>;
  switchHook?: (api: ApiServer) => Promise<void>;
  flipHook?: () => Promise<void>;
  onWait: (waiting: readonly Serving[]) => void;
  onWaitGone: (waiting: readonly Serving[]) => void;
  onStep: (step: Step) => void;
  onNote: (note: string) => void;
  onAlarm: (alarm: string) => void;
  onProgress: (text: string) => void;
  signal: AbortSignal;
}

/** The JSON contract in docs/reference.md is made of this. */
export interface CutoverReport {
  /** The last revision at which the target was the source's exact copy; then keys and checksum. */
  exact: Revision;
  keys: number;
  checksum: string;
  prefixes: string[];
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
