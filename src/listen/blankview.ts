/** What all views have, whatever the command, and how each looks when the work has failed. */
import { LockstepError } from '../errors.js';
import type { EventLog } from './eventlog.js';
import type { View, Viewed } from './view.js';

/** What a view is made with, besides the command's status. */
export interface ViewFacts {
  /** Of etcd-lockstep. */
  version: string;
  startedAt: Date;
  events: EventLog;
  /** How far behind may be who calls himself ready, in seconds. */
  readyLagSeconds: number;
}

/** Says nothing yet: a command puts in what it knows. */
export function blankView(command: Viewed, { version, startedAt, events }: ViewFacts) {
  return {
    ...{ command, version, startedAt: startedAt.toISOString(), at: new Date().toISOString() },
    clusters: { source: null, target: null },
    heads: { source: null, target: null },
    ...{ lag: null, wrote: null, way: null, throttle: null, active: null, progress: null },
    ...{ wayBack: null, journal: null, compaction: null, leases: null },
    retries: [],
    trouble: null,
    events: events.newest,
    audits: [],
    auditing: null,
    night: null,
  } satisfies Partial<View>;
}

/**
 * The last that is seen of work that has failed.
 * @param view as it was before
 * @param command what mends it, where one does
 */
export function failedView(view: View, error: unknown, command: string | null): View {
  const sentence = error instanceof Error ? error.message : String(error);
  const failed = { ...view, state: 'failed', sentence, mood: 'trouble', ready: false } as const;
  if (!(error instanceof LockstepError))
    return { ...failed, next: { text: 'This is a bug: its log says more.', command: null } };
  const { code, message, hint = null } = error;
  return {
    ...failed,
    trouble: { code, message, hint, since: view.at },
    next: { text: hint ?? 'Its log says more.', command },
  };
}
