/** What `/status.json` of a cutover, a rollback or a fence gives; docs/reference.md has its contract. */
import type { FenceReport } from '../cutover/fencealone.js';
import type { NightCommand, NightRecord } from '../cutover/nightlog.js';
import type { CutoverReport } from '../cutover/nightoptions.js';
import { stepUnderWay, verdict, whatIsLeft, writesNow } from '../cutover/nightoutcome.js';
import type { ToDo, Writes } from '../cutover/nightoutcome.js';
import type { RollbackReport } from '../cutover/rollback.js';
import type { Revision } from '../mvcc/revision.js';
import type { Serving } from '../proof/servedfrom.js';
import { nightState } from './nightview.js';

/** A night while it goes on. Times are ISO 8601. */
export interface NightLine {
  command: NightCommand;
  state: string;
  verdict: string;
  /** It is ready, and waits until then; null: it does not wait. */
  postponed: {
    until: string;
    notReady: { code: string; message: string; hint: string | null } | null;
  } | null;
  /** Null before the first and between two. */
  step: { name: string; number: number; of: number; seconds: number } | null;
  frozen: { since: string | null; until: string | null; seconds: number | null; writes: Writes };
  exact: Revision | null;
  fence: {
    source: Revision;
    target: Revision;
    ahead: number;
    margin: number;
    /** The least that it was ahead while writes were refused. */
    lowest: { ahead: number; at: string };
  } | null;
  apiservers: { apiserver: string; from: Serving['from'] | null; movedAt: string | null }[];
  alarms: { at: string; text: string }[];
  /** When it is there: as `-w json` prints it at the end. */
  report: CutoverReport | RollbackReport | FenceReport | null;
  error: { code: string | null; message: string; hint: string | null } | null;
  toDo: ToDo[];
}

export function nightLine(record: NightRecord, now: Date): NightLine {
  const { command, steps, taken, fence, margin, frozenAt, thawedAt, end, postponed } = record;
  const step = stepUnderWay(record);
  const began = step?.beganAt?.getTime() ?? now.getTime();
  return {
    ...{ command, state: nightState(record), verdict: verdict(record) },
    postponed: postponed && { until: postponed.until, notReady: notReadyOf(postponed) },
    step: step
      ? {
          ...{ name: step.name, number: steps.indexOf(step) + 1, of: steps.length },
          seconds: (now.getTime() - began) / 1000,
        }
      : null,
    frozen: {
      since: frozenAt?.toISOString() ?? null,
      until: thawedAt?.toISOString() ?? null,
      seconds: frozenAt && ((thawedAt ?? now).getTime() - frozenAt.getTime()) / 1000,
      writes: writesNow(record),
    },
    exact: taken?.exact ?? null,
    fence: fence && {
      ...{ ...fence.heads, ahead: fence.ahead, margin },
      lowest: { ahead: fence.lowest.ahead, at: fence.lowest.at.toISOString() },
    },
    apiservers: record.apiservers.map(({ apiserver, now: seen, movedAt }) => ({
      ...{ apiserver, from: seen?.from ?? null, movedAt: movedAt?.toISOString() ?? null },
    })),
    alarms: record.alarms.map(({ at, text }) => ({ at: at.toISOString(), text })),
    report: end?.kind === 'cutover' || end?.kind === 'rollback' ? end.report : record.raised,
    error: end?.kind === 'failed' ? { code: end.code, message: end.message, hint: end.hint } : null,
    toDo: whatIsLeft(record),
  };
}

function notReadyOf({ notReady }: NonNullable<NightRecord['postponed']>) {
  if (!notReady) return null;
  const { code, message, hint } = notReady;
  return { code, message, hint };
}
