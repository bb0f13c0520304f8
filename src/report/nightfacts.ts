/**
 * What the report of a night says, as facts: its JSON, from which its page is rendered.
 *
 * It says what this run has seen. Of an earlier run, which died or was stopped, it has what the target says of
 * it. docs/report.schema.json is made of this schema, too.
 */
import { z } from 'zod';
import type { NightRecord, StepRecord, ToldAt } from '../cutover/nightlog.js';
import { verdict, whatIsLeft, writesNow } from '../cutover/nightoutcome.js';
import type { Serving } from '../proof/servedfrom.js';
import type { Side } from '../wire/side.js';
import { auditReport } from './auditfacts.js';
import { clusterFacts, type ClusterFacts } from './clusters.js';
import { madeBy, type MadeBy } from './madeby.js';

const text = z.string();
const whole = z.number().int().nonnegative();
const revision = z.number().int().positive();
const seconds = z.number().nonnegative();
const time = z.iso.datetime();
const told = z.strictObject({ at: time, text });

const late = z.strictObject({
  key: text,
  /** Null where the key is UTF-8. */
  keyBase64: text.nullable(),
  revision,
  deleted: z.boolean(),
});

/** From which etcd one serves; `why`: what left it unclear. Null: it was not asked. */
const serving = z
  .strictObject({
    from: z.enum(['source', 'target', 'unclear', 'neither', 'does not answer']),
    why: text.nullable(),
  })
  .nullable();

/** The schema of {@link NightFacts}. */
export const nightFacts = z.strictObject({
  format: z.literal('etcd-lockstep/night-report/1'),
  made: madeBy,
  /** Null: it could not be asked when the report was made. */
  source: clusterFacts.nullable(),
  target: clusterFacts.nullable(),
  command: z.enum(['cutover', 'rollback']),
  /** Done, without an alarm. */
  good: z.boolean(),
  verdict: text,
  /** How it ended where it did not come to its end; else null. */
  failed: z
    .strictObject({ code: text.nullable(), message: text, hint: text.nullable() })
    .nullable(),
  writes: z.enum(['not refused', 'refused', 'let in again', 'unknown']),
  prefixes: z.array(text),
  resources: z.array(text),
  /** To where an earlier run of a night had come, as the target says; null: there was none. */
  earlier: text.nullable(),
  audit: z.strictObject({ at: time, report: auditReport }).nullable(),
  steps: z.array(
    z.strictObject({
      ...{ name: text, does: text },
      state: z.enum(['to do', 'now', 'done', 'failed', 'passed over']),
      began: time.nullable(),
      seconds: seconds.nullable(),
    }),
  ),
  frozen: z.strictObject({
    since: time.nullable(),
    until: time.nullable(),
    /** Of the time between, what was etcd-lockstep's: drain, compare, takeover, fence. */
    ownSeconds: seconds.nullable(),
  }),
  /** The last revision at which the target was the source's exact copy; then keys and checksum of that. */
  taken: z.strictObject({ exact: revision, keys: whole, checksum: text, at: time }).nullable(),
  /** Heads as they were asked last; `ahead`: of the one that is kept above. */
  fence: z
    .strictObject({
      ...{ source: revision, target: revision, ahead: z.number().int(), margin: whole },
      lowest: z.strictObject({ ahead: z.number().int(), at: time }),
    })
    .nullable(),
  apiservers: z.array(
    z.strictObject({
      ...{ apiserver: text, before: serving, now: serving },
      moved: time.nullable(),
    }),
  ),
  /** Of a rollback that came to its end: whether every key was read while writes were refused, and why. */
  back: z.strictObject({ way: z.enum(['short', 'long']), why: text.nullable() }).nullable(),
  /** Likewise. */
  brought: z
    .strictObject({
      ...{ keys: whole, put: whole, deleted: whole, unchanged: whole },
      replaced: z.strictObject({ count: whole, keys: z.array(text) }),
    })
    .nullable(),
  /** On the side that was left; null: not known, as it did not come to its end. */
  lateWrites: z.strictObject({ count: whole, named: z.array(late) }).nullable(),
  /** The first of them. */
  alarms: z.array(told),
  alarmCount: whole,
  /** What was logged: the first lines and the last; `loggedMore`: between them. */
  logged: z.array(told.extend({ level: z.enum(['info', 'warn', 'error']) })),
  loggedMore: whole,
  toDo: z.array(z.strictObject({ text, command: text.nullable() })),
});

/** Of a cutover or a rollback. */
export type NightFacts = z.infer<typeof nightFacts>;

/** Steps that hold writes back and are nobody's but ours. */
const OWN_STEPS: Partial<Record<NightFacts['command'], readonly string[]>> = {
  cutover: ['drain', 'compare', 'takeover', 'fence'],
  rollback: ['drain', 'raise', 'bring back', 'compare'],
};

/** @param clusters as they are now */
export function nightFactsOf(
  record: NightRecord,
  command: NightFacts['command'],
  made: MadeBy,
  clusters: Record<Side, ClusterFacts | null>,
): NightFacts {
  const { end, frozenAt, thawedAt, taken, fence, margin, alarmCount } = record;
  const done = end?.kind === 'cutover' || end?.kind === 'rollback';
  return {
    format: 'etcd-lockstep/night-report/1',
    ...{ made, ...clusters, command },
    good: done && alarmCount === 0,
    verdict: verdict(record),
    failed: failure(record),
    writes: writesNow(record),
    ...{ prefixes: [...record.prefixes], resources: [...record.resources] },
    earlier: record.earlier,
    audit: record.audit && { at: record.audit.at.toISOString(), report: record.audit.report },
    steps: record.steps.map(({ name, does, state, beganAt, seconds }) => ({
      ...{ name, does, state, seconds },
      began: isoOf(beganAt),
    })),
    frozen: {
      ...{ since: isoOf(frozenAt), until: isoOf(thawedAt) },
      ownSeconds: frozenAt ? ownSeconds(record.steps, OWN_STEPS[command]) : null,
    },
    taken,
    fence: fence && {
      ...{ ...fence.heads, ahead: fence.ahead, margin },
      lowest: { ahead: fence.lowest.ahead, at: fence.lowest.at.toISOString() },
    },
    apiservers: record.apiservers.map(({ apiserver, before, now, movedAt }) => ({
      ...{ apiserver, before: servingOf(before), now: servingOf(now), moved: isoOf(movedAt) },
    })),
    back: end?.kind === 'rollback' ? end.report.back : null,
    brought: end?.kind === 'rollback' ? end.report.brought : null,
    lateWrites: lateWrites(record),
    ...{ alarms: record.alarms.map(toldOf), alarmCount },
    logged: record.logged.map((line) => ({ ...toldOf(line), level: line.level })),
    loggedMore: record.loggedMore,
    toDo: whatIsLeft(record),
  };
}

function failure({ end }: NightRecord): NightFacts['failed'] {
  if (end?.kind === 'failed') return { code: end.code, message: end.message, hint: end.hint };
  if (end?.kind === 'stopped')
    return { code: null, message: 'It was stopped, by a signal.', hint: null };
  return null;
}

function ownSeconds(steps: readonly StepRecord[], names: readonly string[] = []): number | null {
  if (names.length === 0) return null;
  const own = steps.filter(({ name }) => names.includes(name));
  return own.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0);
}

function lateWrites({ end }: NightRecord): NightFacts['lateWrites'] {
  if (end?.kind !== 'cutover' && end?.kind !== 'rollback') return null;
  const found =
    end.kind === 'cutover'
      ? end.report.lateWrites
      : { count: end.report.lateWrites.length, named: end.report.lateWrites };
  const named = found.named.map(({ keyBase64 = null, ...one }) => ({ ...one, keyBase64 }));
  return { count: found.count, named };
}

function servingOf(serving: Serving | null): NightFacts['apiservers'][number]['now'] {
  return serving && { from: serving.from, why: serving.why ?? null };
}

function toldOf({ at, text: what }: ToldAt): { at: string; text: string } {
  return { at: at.toISOString(), text: what };
}

function isoOf(at: Date | null): string | null {
  return at?.toISOString() ?? null;
}
