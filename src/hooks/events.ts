/**
 * What a hook can be told: the one table of events, and the object that each comes as.
 *
 * docs/hooks.md has this table word for word, and a test holds it to that. Names of keys may be in an event
 * (an alarm names what differs), values and secrets never.
 */
import type { AuditOutcome } from '../auditing/outcome.js';
import type { ErrorCode } from '../errors.js';
import type { View } from '../listen/view.js';

/** Each kind, and when it comes. */
export const EVENTS = {
  'lockstep-reached':
    'The target has all that the source has: for the first time (of a standby: since it writes), or again after `lockstep-lost`.',
  'lockstep-lost': 'It has not, for 30 s.',
  trouble: 'Something has stood in the way for 30 s (in a night: at once). Once for each code.',
  'trouble-over': 'A trouble that was told has been over for as long.',
  audit:
    'An audit of `--audit-every`, or that of a cutover, has ended. Of failures in a row only the first.',
  step: 'A step of a cutover, a rollback or a fence begins, is done, or has failed.',
  alarm: 'Somebody has to look now: whatever is logged as an error.',
  end: 'The command ends. Always the last.',
} as const;

export type EventName = keyof typeof EVENTS;

/** These are given up last where a hook is too slow: no later event says the same. */
export const KEPT: readonly EventName[] = ['alarm', 'end'];

/** The variable that a command finds the event's name in. */
export const EVENT_VARIABLE = 'LOCKSTEP_EVENT';

interface Troubled {
  code: ErrorCode;
  message: string;
  hint: string | null;
  since: string;
}

/** How a command has failed, as an event tells it; null: it has not. `code` is null for a bug. */
export type EndedBy = { code: ErrorCode | null; message: string; hint: string | null } | null;

/** What each kind says beyond what all say. */
export type Happened = { text: string; incident: string | null } & (
  | { event: 'lockstep-reached'; again: boolean; revision: number | null; lag: View['lag'] }
  | {
      event: 'lockstep-lost';
      state: string;
      revision: number | null;
      lag: View['lag'];
      trouble: Troubled | null;
    }
  | { event: 'trouble'; trouble: Troubled }
  | { event: 'trouble-over'; trouble: Troubled }
  | ({ event: 'audit'; report: string | null } & Omit<AuditOutcome, 'at' | 'file'>)
  | {
      event: 'step';
      step: string;
      number: number;
      of: number;
      state: 'begun' | 'done' | 'failed';
      /** Null when it begins. */
      seconds: number | null;
      frozenAt: string | null;
    }
  | { event: 'alarm' }
  | {
      event: 'end';
      exitCode: number;
      error: EndedBy;
    }
);

/** An event as a hook gets it, but for what was dropped before it. */
export type Told = Happened & {
  /** Of this contract. */
  version: 1;
  /** The same for each try to tell it, and for each hook. */
  id: string;
  at: string;
  host: string;
  command: string;
  /** Of `cutover --rehearse`: nobody has to look. */
  rehearsal: boolean;
  clusters: View['clusters'];
  prefixes: readonly string[];
};
