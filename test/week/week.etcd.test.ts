/**
 * A week in fast motion: two followers beside a live source, and whatever a week brings, day after day. In
 * `make test` each day comes once; `WEEK_MINUTES=60`, or SOAK, makes a long one of days in random numbers.
 */
import { expect } from 'chai';
import { Random } from '../crash/random.js';
import { thirds } from '../faults/memory.js';
import { report } from '../faults/together.js';
import type { HookEvent } from '../hooks/told.js';
import { DAYS } from './days.js';
import type { Hand } from './hand.js';
import { Week } from './week.js';

const SOAK_MINUTES = 20;
const MINUTES = Number(
  process.env['WEEK_MINUTES'] ?? (process.env['SOAK'] === undefined ? 0 : SOAK_MINUTES),
);
/** A heap is grown to its size in some minutes. */
const FLAT_FROM_MINUTES = 10;
const MOST_GROWTH = 1.5;
const LEAST_LIMIT_MS = 240_000;

/** Each of them once, then whatever comes, until the time is over. */
function* days(random: Random, until: number): Generator<string> {
  const names = Object.keys(DAYS);
  yield* random.shuffled(names);
  while (Date.now() < until) yield random.pick(names);
}

/** Those of one process are told in their order, and none is missing. */
function inOrder(events: readonly HookEvent[]): void {
  const last = new Map<string, { number: number; at: string }>();
  for (const { id, at, dropped = 0 } of events) {
    const [run = '', number] = id.split('-');
    const before = last.get(run) ?? { number: 0, at: '' };
    expect(Number(number), `${id} behind ${before.number}`).to.equal(before.number + 1 + dropped);
    expect(at >= before.at, `${id} at ${at}`).to.equal(true);
    last.set(run, { number: Number(number), at });
  }
}

function told({ book }: Hand): HookEvent[] {
  const { events } = book;
  inOrder(events);
  return events;
}

/** What both hooks have heard of the week. */
function heard({ hands, restarted }: Week): void {
  const events = hands.flatMap(told);
  const audits = events.flatMap((one) => (one.event === 'audit' ? [one.result] : []));
  expect(audits).to.include('equal').and.not.to.include('different');
  const alarms = hands.flatMap((hand) => hand.alarms);
  const slips = hands.reduce((all, hand) => all + hand.count(/^SIGHUP: nothing is changed/), 0);
  expect(alarms.filter((text) => !/^SIGHUP: nothing is changed/.test(text))).to.deep.equal([]);
  expect(alarms.length).to.equal(slips);
  const ends = events.flatMap((one) => (one.event === 'end' ? [one.exitCode] : []));
  expect(ends, 'of those that were not killed').to.deep.equal(
    Array.from({ length: restarted + hands.length }, () => 0),
  );
  expect(events.some(({ event }) => event === 'lockstep-reached')).to.equal(true);
  const lost = events.flatMap((one) => (one.event === 'lockstep-lost' ? [one.state] : []));
  expect(lost, 'lost by one that only stands by').not.to.include('standby');
  report(`${events.length} events, ${audits.length} audits, ${alarms.length} alarms`);
}

async function lives(week: Week, random: Random): Promise<void> {
  const lived: string[] = [];
  for (const day of days(random, Date.now() + MINUTES * 60_000)) {
    lived.push(day);
    try {
      const active = await week.settled();
      await DAYS[day]?.(week, active, random);
      await week.settled();
      await week.goesOn();
    } catch (cause) {
      const last = `day ${lived.length}, ${lived.slice(-4).join('; ')}`;
      throw new Error(`${last}:\n${String(cause)}`, { cause });
    }
  }
  const active = await week.settled();
  await week.compare();
  const { memory, hands, turnsSeen, turnsTold, killed } = week;
  const [first, , last] = thirds(memory);
  const mib = thirds(memory).map(Math.round).join(', ');
  report(`${lived.length} days, ${turnsSeen} turns; memory by thirds ${mib} MiB`);
  expect(turnsSeen, 'turns that the cursor shows').to.be.within(1, turnsTold + killed);
  if (MINUTES >= FLAT_FROM_MINUTES) expect(last).to.be.below(first * MOST_GROWTH);
  await week.other(active).control('stop');
  active.running.signal('SIGTERM');
  for (const hand of hands) expect(await hand.ended(), hand.tail()).to.equal('exit code 0');
  heard(week);
}

describe('a week', () => {
  it(`${MINUTES === 0 ? 'each day once' : `${MINUTES} minutes`}: both etcds are equal whenever they are compared`, async function () {
    this.timeout(LEAST_LIMIT_MS + MINUTES * 120_000);
    await Random.alone((random) => Week.with((week) => lives(week, random)));
  });
});
