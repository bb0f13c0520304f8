/** The ways to die, and what has to happen for a follower to come past each fail point. */
import type { Failpoint } from '../../src/failpoint.js';
import type { Op } from '../oracle/history.js';
import type { Random } from './random.js';

/** How one process ends. */
export type Doom = {
  /** Whether the target has all that the source has when the feed begins. */
  fromSynced: boolean;
  /** What happens on the source while it starts. */
  feed: Op[];
  /** And when it has followed all that. */
  then: Op[];
  /** How it writes. */
  by: By;
} & (
  | { kind: 'point'; name: Failpoint; passings: number; afterMs?: number; patient: boolean }
  | { kind: 'any time'; afterMs: number }
);

export type By = 'transactions' | 'proposals';
const EITHER: By[] = ['transactions', 'proposals'];

interface Place {
  /** It dies at a passing from 1 to this. */
  upTo: number;
  feed: Op[];
  /** Met only where the first thing that there is to follow is the feed. */
  fromSynced?: true;
  /** Met once when it starts, if it is quick, and else only five seconds later. */
  patient?: true;
  then?: Op[];
  /** Met only by who writes so. */
  by?: By;
}

const put = (key: number): Op => ({ kind: 'put', key, size: 'small', lease: false });
const foreign = (count: number): Op => ({ kind: 'foreign', count });
const DATA = Array.from({ length: 8 }, (_, key) => put(key));
const LEASE: Op = { kind: 'lease', keys: 4 };
/** More rows that nobody can ask for any more than the journal drops in one batch. */
const OLD_ROWS: Op[] = [
  ...Array.from({ length: 2 }, (): Op => ({ kind: 'lease', keys: 400 })),
  { kind: 'delete range', range: 0 },
];
/** As far as the target is. */
const COMPACT: Op = { kind: 'compact', percent: 100 };

const PLACES: Partial<Record<Failpoint, Place>> = {
  // A backlog comes in one message.
  'journal.append.begin': { upTo: 2, feed: DATA },
  'journal.append.done': { upTo: 2, feed: DATA },
  'target.filler.send': { upTo: 40, feed: [foreign(40)], by: 'transactions' },
  'target.filler.answer': { upTo: 40, feed: [foreign(40)], by: 'transactions' },
  'lockstep.filler.remember': { upTo: 40, feed: [foreign(40)], by: 'transactions' },
  'target.data.send': { upTo: 8, feed: DATA, by: 'transactions' },
  'target.data.answer': { upTo: 8, feed: DATA, by: 'transactions' },
  'lockstep.cursor.remember': { upTo: 8, feed: DATA, by: 'transactions' },
  // The first goes alone, and what comes at once goes in few messages.
  'lockstep.proposals.send': { upTo: 5, feed: [...DATA, foreign(40)], by: 'proposals' },
  'lockstep.proposals.sent': { upTo: 5, feed: [...DATA, foreign(40)], by: 'proposals' },
  'lockstep.proposals.confirmed': { upTo: 5, feed: [...DATA, foreign(40)], by: 'proposals' },
  // Once in a process, and only where the next revision is none of ours.
  'target.term.send': { upTo: 1, feed: [foreign(20)], fromSynced: true },
  'target.term.answer': { upTo: 1, feed: [foreign(20)], fromSynced: true },
  'lockstep.stock.taken': { upTo: 1, feed: [foreign(5)] },
  'leases.grant': { upTo: 1, feed: [LEASE] },
  'leases.granted': { upTo: 1, feed: [LEASE] },
  'lockstep.compactions.begin': { upTo: 1, feed: [put(0), COMPACT], patient: true },
  'lockstep.compactions.target': { upTo: 1, feed: [put(0), COMPACT], patient: true },
  'lockstep.compactions.done': { upTo: 1, feed: [put(0), COMPACT], patient: true },
  'journal.compact.batch': { upTo: 3, feed: OLD_ROWS, patient: true, then: [put(0), COMPACT] },
};

const SENDING: Failpoint[] = [
  'target.filler.send',
  'target.data.send',
  'target.term.send',
  'lockstep.proposals.send',
  'leases.grant',
];

/** Every fail point that a follower can come past. */
export const FOLLOWERS = Object.keys(PLACES) as Failpoint[];

/** At this fail point, at some passing; where something is sent, now and then while it is on its way. */
export function atPoint(name: Failpoint, random: Random): Doom & { kind: 'point' } {
  const place = PLACES[name] ?? neverMet(name);
  const { feed, fromSynced = false, patient = false, then = [], by = random.pick(EITHER) } = place;
  const passings = random.between(1, place.upTo);
  const doom = { kind: 'point' as const, name, by, fromSynced, feed, then, passings, patient };
  if (!SENDING.includes(name) || random.between(0, 1) === 0) return doom;
  return { ...doom, afterMs: random.between(0, 4) };
}

function neverMet(name: Failpoint): never {
  throw new Error(`no follower comes past ${name}`);
}

export function atAnyTime(random: Random): Doom {
  const afterMs = random.between(0, 500);
  const by = random.pick(EITHER);
  return { kind: 'any time', by, afterMs, fromSynced: false, feed: [], then: [] };
}

/** The value of LOCKSTEP_FAILPOINT. */
export function spell({ name, passings, afterMs }: Doom & { kind: 'point' }): string {
  return [name, passings, ...(afterMs === undefined ? [] : [afterMs])].join(':');
}
