/**
 * The view as Prometheus's metrics: one table, each with its help text, its unit in its name.
 *
 * What a view does not know is not exported, so an alert on it does not fire on a made-up zero. So the
 * metrics are made anew for each scrape: one that was exported once would stay. Totals never go back
 * while the process lives: that is what a counter is.
 */
import type { AuditOutcome } from '../auditing/outcome.js';
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import { frozenSeconds } from './nightclock.js';
import { STATES, type View } from './view.js';

type Labels = Record<string, string>;
type Value = number | boolean | null | undefined;
type Rows = readonly { labels: Labels; value: number }[];

const PREFIX = 'etcd_lockstep_';

interface Metric {
  name: string;
  help: string;
  /** Null where the view does not know it. */
  of: (view: View) => Value | Rows;
}

const WAYS = ['transactions', 'proposals'] as const;

const GAUGES: readonly Metric[] = [
  {
    name: 'build_info',
    help: 'Always 1; which etcd-lockstep runs, and as which command.',
    of: ({ version, command }) => [{ labels: { version, command }, value: 1 }],
  },
  {
    name: 'state',
    help: 'The state that the command is in: 1 for that one, 0 for the others.',
    of: ({ state, command }) =>
      STATES[command].map((one) => ({ labels: { state: one }, value: Number(one === state) })),
  },
  {
    name: 'ready',
    help: 'Whether it does what it is for, within --ready-lag: what /readyz says.',
    of: ({ ready }) => ready,
  },
  {
    name: 'source_revision',
    help: "The source's head when it was asked last.",
    of: ({ heads }) => heads.source,
  },
  {
    name: 'target_revision',
    help: "The target's head; of a mirror the source's revision that it has.",
    of: ({ heads }) => heads.target,
  },
  {
    name: 'lag_revisions',
    help: 'How far the target is behind the source.',
    of: ({ lag }) => lag?.revisions,
  },
  {
    name: 'lag_seconds',
    help: 'Since the source was where the target is.',
    of: ({ lag }) => lag?.seconds,
  },
  {
    name: 'way',
    help: 'How the target is written: 1 for that way, 0 for the other.',
    of: ({ way }) => way && WAYS.map((by) => ({ labels: { by }, value: Number(by === way.by) })),
  },
  {
    name: 'way_trouble',
    help: 'Why it is not by proposals although they were asked for, by error code; absent while all is well.',
    of: ({ way }) => way?.why && [{ labels: { code: way.why.code }, value: 1 }],
  },
  {
    name: 'throttle_revisions_per_second',
    help: 'Revisions a second that may be written to the target now, by what bounds it; absent while nothing does.',
    of: ({ throttle }) =>
      throttle?.nowRate === null || !throttle?.because
        ? null
        : [{ labels: { because: throttle.because }, value: throttle.nowRate }],
  },
  {
    name: 'throttled',
    help: 'Whether writes to the target have just had to wait for that: then it is why the target lags.',
    of: ({ throttle }) => throttle?.holds,
  },
  {
    name: 'active',
    help: 'Of one of two followers that stand by for each other: whether it is the one that writes.',
    of: ({ active }) => active,
  },
  {
    name: 'progress_ratio',
    help: 'How much of long work with an end is done, 0 to 1.',
    of: ({ progress }) => progress?.share,
  },
  {
    name: 'reverse_revision',
    help: 'The source has what the target had at this revision: what a rollback need not bring.',
    of: ({ wayBack }) => wayBack?.position,
  },
  {
    name: 'reverse_margin_revisions',
    help: "How far the source's head is above the target's.",
    of: ({ wayBack }) => wayBack?.margin,
  },
  {
    name: 'reverse_late_writes',
    help: 'Late writes on the source since the cutover that were replaced by what the target has; open: keys that still are as they were written, the first 100.',
    of: ({ wayBack }) =>
      wayBack &&
      (['replaced', 'open'] as const).map((state) => ({
        labels: { state },
        value: wayBack.lateWrites[state],
      })),
  },
  {
    name: 'reverse_late_seen_lag_seconds',
    help: 'How far the watch for late writes on the source is behind.',
    of: ({ wayBack }) => wayBack?.lateSeenSeconds,
  },
  {
    name: 'journal_revision',
    help: 'Everything up to here is in the journal.',
    of: ({ journal }) => journal?.revision,
  },
  {
    name: 'journal_size_bytes',
    help: 'What the journal takes on the disk.',
    of: ({ journal }) => journal?.bytes,
  },
  {
    name: 'journal_free_bytes',
    help: "What the journal's file system has left.",
    of: ({ journal }) => journal?.freeBytes,
  },
  {
    name: 'source_compact_revision',
    help: 'The source has forgotten the history before this revision.',
    of: ({ compaction }) => compaction?.revision,
  },
  {
    name: 'source_history_kept_seconds',
    help: 'How long the source keeps its history, as seen at its last compaction.',
    of: ({ compaction }) => compaction?.keepsSeconds,
  },
  {
    name: 'compaction_window_left_seconds',
    help: 'Until the source forgets what the journal does not have yet.',
    of: ({ compaction }) => compaction?.leftSeconds,
  },
  {
    name: 'leases',
    help: 'Leases that are kept alive on the target.',
    of: ({ leases }) => leases?.kept,
  },
  {
    name: 'leases_missed',
    help: 'Leases on the target whose refreshes were not answered.',
    of: ({ leases }) => leases?.missed,
  },
  {
    name: 'lease_ends_seconds',
    help: 'Until the first of the missed leases ends, and its keys with it; absent while none is missed.',
    of: ({ leases }) => leases?.endsInSeconds,
  },
  {
    name: 'trouble',
    help: 'What it waits for or tries again, by error code; absent while all is well.',
    of: ({ trouble }) => trouble && [{ labels: { code: trouble.code }, value: 1 }],
  },
  {
    name: 'trouble_since_timestamp_seconds',
    help: 'When the trouble began; absent while all is well.',
    of: ({ trouble }) => trouble && unixSeconds(trouble.since),
  },
  {
    name: 'audit_running',
    help: 'Whether source and target are being compared.',
    of: (view) => (isAudited(view) ? view.auditing !== null : null),
  },
  {
    name: 'audit_last_equal',
    help: 'Whether the last audit that was carried through has found no difference, nor the one under way so far.',
    of: (view) => (foundSoFar(view) ? false : lastAudit(view, ({ result }) => result === 'equal')),
  },
  {
    name: 'audit_last_timestamp_seconds',
    help: 'When it ended.',
    of: (view) => lastAudit(view, ({ at }) => unixSeconds(at)),
  },
  {
    name: 'audit_last_differences',
    help: 'How many differences it has found.',
    of: (view) => lastAudit(view, ({ differences }) => differences),
  },
  {
    name: 'audit_last_keys',
    help: 'How many keys it has compared.',
    of: (view) => lastAudit(view, ({ keys }) => keys),
  },
  {
    name: 'audit_last_duration_seconds',
    help: 'How long it took.',
    of: (view) => lastAudit(view, ({ seconds }) => seconds),
  },
  {
    name: 'night_step',
    help: 'The step of the night that is under way: 1 for that one, 0 for the others.',
    of: ({ night }) =>
      night?.steps.map(({ name, state }) => ({
        labels: { step: name },
        value: Number(state === 'now'),
      })),
  },
  {
    name: 'night_step_number',
    help: 'Its number, from 1; 0 before the first and behind the last.',
    of: ({ night }) => night && night.steps.findIndex(({ state }) => state === 'now') + 1,
  },
  {
    name: 'frozen',
    help: 'Whether writes are refused.',
    of: ({ night }) => night && night.frozenAt !== null && night.thawedAt === null,
  },
  {
    name: 'frozen_seconds',
    help: 'How long writes are refused, or were in all once they are let in.',
    of: ({ night, at }) => night && frozenSeconds(night, at),
  },
  {
    name: 'fence_ahead_revisions',
    help: "How far the head that is raised is above the other's.",
    of: ({ night }) => night?.fence?.ahead,
  },
  {
    name: 'fence_margin_revisions',
    help: 'How far it has to be, at least: --margin.',
    of: ({ night }) => night?.fence?.margin,
  },
  {
    name: 'apiservers',
    help: 'Apiservers that are to be moved.',
    of: ({ night }) => night?.apiservers.length,
  },
  {
    name: 'apiservers_moved',
    help: 'Of these: they serve from where they have to.',
    of: ({ night }) => night?.apiservers.filter(({ moved }) => moved).length,
  },
  { name: 'alarms', help: 'Alarms of this night.', of: ({ night }) => night?.alarms.length },
];

const COUNTERS: readonly Metric[] = [
  {
    name: 'written_revisions_total',
    help: 'Revisions with records that this process has written; of a mirror, transactions.',
    of: ({ wrote }) => wrote?.revisions,
  },
  {
    name: 'written_fillers_total',
    help: 'Revisions without records that it has written.',
    of: ({ wrote }) => wrote?.fillers,
  },
  {
    name: 'written_puts_total',
    help: 'Keys that it has put.',
    of: ({ wrote }) => wrote?.puts,
  },
  {
    name: 'written_deletions_total',
    help: 'Keys that it has deleted.',
    of: ({ wrote }) => wrote?.deletions,
  },
  {
    name: 'written_bytes_total',
    help: 'Bytes of keys and values that it has written.',
    of: ({ wrote }) => wrote?.bytes,
  },
  {
    name: 'retries_total',
    help: 'What has failed and was tried again, by error code and side.',
    of: ({ retries }) =>
      retries.map(({ code, side, count }) => ({
        labels: { code, side: side ?? '' },
        value: count,
      })),
  },
];

const AUDITS_TOTAL = {
  name: 'audits_total',
  help: 'Audits that have ended since the process began, by their result.',
};
const RESULTS = ['equal', 'different', 'failed'] as const;

/** Of one command; made once, as totals and the process's own metrics have a memory. */
export class Metrics {
  readonly #process = new Registry();
  readonly #totals = new Map<string, number>();
  readonly #audits = { equal: 0, different: 0, failed: 0 };
  /** When the last audit ended that was counted. */
  #auditedAt: string | undefined;

  constructor() {
    collectDefaultMetrics({ register: this.#process });
  }

  get contentType(): string {
    return this.#process.contentType;
  }

  /** Counts the audits that a view shows. It shows the last few, so it has to see one now and then. */
  saw({ audits, startedAt }: View): void {
    // Those of an earlier process are that one's.
    const counted = this.#auditedAt ?? startedAt;
    for (const { result } of audits.filter(({ at }) => at > counted)) this.#audits[result]++;
    this.#auditedAt = audits.reduce((last, { at }) => (at > last ? at : last), counted);
  }

  /** In Prometheus's text format. */
  async scrape(view: View): Promise<string> {
    this.saw(view);
    const registers = [new Registry()];
    for (const metric of GAUGES) {
      const { rows, ...named } = exported(metric, view);
      const gauge = rows.length > 0 ? new Gauge({ ...named, registers }) : undefined;
      for (const { labels, value } of rows) gauge?.set(labels, value);
    }
    for (const metric of [...COUNTERS, this.#auditsTotal()]) {
      const { rows, ...named } = exported(metric, view);
      const counter = rows.length > 0 ? new Counter({ ...named, registers }) : undefined;
      for (const { labels, value } of rows)
        counter?.inc(labels, this.#total(named.name, labels, value));
    }
    return Registry.merge([...registers, this.#process]).metrics();
  }

  #auditsTotal(): Metric {
    const rows = RESULTS.map((result) => ({ labels: { result }, value: this.#audits[result] }));
    return { ...AUDITS_TOTAL, of: (view) => (isAudited(view) ? rows : null) };
  }

  /** The highest that it has been. */
  #total(name: string, labels: Labels, value: number): number {
    const key = JSON.stringify([name, labels]);
    const total = Math.max(value, this.#totals.get(key) ?? 0);
    this.#totals.set(key, total);
    return total;
  }
}

function exported({ name, help, of }: Metric, view: View) {
  const found = of(view);
  const rows: Rows =
    typeof found === 'object' && found !== null
      ? found
      : found === null || found === undefined
        ? []
        : [{ labels: {}, value: Number(found) }];
  return { name: `${PREFIX}${name}`, help, labelNames: Object.keys(rows[0]?.labels ?? {}), rows };
}

function unixSeconds(at: string): number {
  return Date.parse(at) / 1000;
}

/** Who never compares has no audit that may be too old. */
function isAudited({ audits, auditing }: View): boolean {
  return audits.length > 0 || auditing !== null;
}

/** Of the last audit that says something about the data. */
function foundSoFar({ auditing }: View): boolean {
  return (auditing?.differences ?? 0) > 0;
}

function lastAudit<T>({ audits }: View, of: (audit: AuditOutcome) => T): T | undefined {
  const last = audits.find(({ result }) => result !== 'failed');
  return last && of(last);
}
