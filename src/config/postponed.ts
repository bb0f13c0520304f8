/**
 * What a night is postponed until: a file that will be gone, or a time.
 *
 *     02:30                     the next one, by this machine's clock
 *     2026-12-01T02:30          by this machine's clock
 *     2026-12-01T02:30:00Z      or +01:00: as it says
 *     anything else             a file; one that is called like a time: ./02:30
 *
 * Whether the file is there, or the time is over, is looked at where a night is begun (cutover/postpone.ts):
 * the same command has to go on with a night when the file is gone, and the time over.
 */
import { z } from 'zod';
import type { OptionSpec } from './kinds.js';

/** Until when a night is postponed. */
export type Postponed = { kind: 'file'; path: string } | { kind: 'time'; at: Date };

const TIME = /^(\d{1,2}):(\d\d)(?::(\d\d))?$/;
const DATE_TIME =
  /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?(?:\.\d+)?(Z|[+-]\d\d:?\d\d)?$/i;
/** What is meant for a time, and is none. */
const LIKE_A_TIME = /^(\d{1,2}:\d{2}(:\d{2})?(\s?[ap]m)?|\d{4}-\d{1,2}-\d{1,2}([T ].*)?)$/i;

const RULE =
  'must be a time (02:30, 2026-12-01T02:30, 2026-12-01T02:30:00Z) or a file; a file that is called like a time: ./02:30';
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export function postponed(help: string): OptionSpec<Postponed> {
  const schema = z.string().transform((typed, context): Postponed => {
    const until = parsePostponed(typed, new Date());
    if (typeof until !== 'string') return until;
    context.addIssue(until);
    return z.NEVER;
  });
  return { kind: 'text', value: 'file|time', help, schema };
}

/** @returns what is wrong, in words */
export function parsePostponed(typed: string, now: Date): Postponed | string {
  if (typed === '') return RULE;
  if (!LIKE_A_TIME.test(typed)) return { kind: 'file', path: typed };
  const of = TIME.exec(typed) ?? undefined;
  if (of) return nextTime(of, now);
  const date = DATE_TIME.exec(typed);
  if (!date) return RULE;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = date
    .slice(1, 7)
    .map((digits) => Number(digits));
  const zone = date[7];
  const parts = [year, month, day, hour, minute, second || 0] as const;
  if (!isOnClock(parts)) return `${typed} is no time of a calendar`;
  if (zone !== undefined) {
    const at = new Date(typed.replace(' ', 'T').replace(/([+-]\d\d)(\d\d)$/, '$1:$2'));
    return Number.isNaN(at.getTime()) ? RULE : { kind: 'time', at };
  }
  return onThisClock(parts, typed);
}

type Parts = readonly [number, number, number, number, number, number];

/** The next one; of one that was within the last hour nobody knows whether tomorrow's is meant. */
function nextTime(
  [typed = '', hours, minutes, secs = '0']: string[],
  now: Date,
): Postponed | string {
  const [hour, minute, second] = [Number(hours), Number(minutes), Number(secs)];
  if (hour > 23 || minute > 59 || second > 59) return `${typed} is no time of day`;
  const on = (day: Date) =>
    onThisClock(
      [day.getFullYear(), day.getMonth() + 1, day.getDate(), hour, minute, second],
      typed,
    );
  const today = on(now);
  if (typeof today === 'string' || today.kind !== 'time') return today;
  const agoMs = now.getTime() - today.at.getTime();
  if (agoMs < 0) return today;
  if (agoMs < HOUR_MS)
    return `${typed} was ${Math.floor(agoMs / 60_000)} min ago by this machine's clock; for tomorrow's give the date, too`;
  return on(new Date(now.getTime() + DAY_MS));
}

function isOnClock([year, month, day, hour, minute, second]: Parts): boolean {
  const at = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  return (
    at.getUTCMonth() === month - 1 &&
    at.getUTCDate() === day &&
    at.getUTCHours() === hour &&
    at.getUTCMinutes() === minute &&
    at.getUTCSeconds() === second
  );
}

/** One that the clock leaves out, in spring, is none. */
function onThisClock(
  [year, month, day, hour, minute, second]: Parts,
  typed: string,
): Postponed | string {
  const at = new Date(year, month - 1, day, hour, minute, second);
  if (at.getHours() !== hour || at.getMinutes() !== minute)
    return `${typed} is left out by this machine's clock on that day (summer time); give it with its zone`;
  return { kind: 'time', at };
}
