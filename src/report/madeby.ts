/** Who and what has made a report, when, and of which two etcds: what all reports begin with. */
import { hostname, userInfo } from 'node:os';
import { z } from 'zod';

const text = z.string();
const time = z.iso.datetime({ offset: true });

/** The schema of {@link MadeBy}. */
export const madeBy = z.strictObject({
  /** Of etcd-lockstep. */
  version: text,
  /** Of Node. */
  node: text,
  host: text,
  user: text,
  /** As it was typed, without secrets. */
  command: text,
  /** Names of the variables that options were taken from. */
  environment: z.array(text),
  /** With the time zone's offset. */
  started: time,
  ended: time,
  /** Its name, as the machine has it: `Europe/Berlin`. */
  timeZone: text,
});

/** Who and what made it. */
export type MadeBy = z.infer<typeof madeBy>;

/** What the caller knows of it; the rest is told by the machine. */
export interface MadeWith {
  /** Of etcd-lockstep. */
  version: string;
  /** As typed, without secrets; of a library, what is called. */
  command: string;
  environment: readonly string[];
  started: Date;
  ended: Date;
}

export function describeMaking({ started, ended, environment, ...made }: MadeWith): MadeBy {
  return {
    ...made,
    environment: [...environment],
    node: process.version,
    host: hostname(),
    user: userName(),
    started: localTime(started),
    ended: localTime(ended),
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
}

/** A container may run as a user that has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

/** ISO 8601 in the machine's time zone, with its offset: `2026-11-29T13:19:20.123+01:00`. */
function localTime(at: Date): string {
  const offset = -at.getTimezoneOffset();
  const two = (n: number) => String(Math.floor(Math.abs(n))).padStart(2, '0');
  const local = new Date(at.getTime() + offset * 60_000).toISOString().slice(0, -1);
  return `${local}${offset < 0 ? '-' : '+'}${two(offset / 60)}:${two(offset % 60)}`;
}
