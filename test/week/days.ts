/** What may happen on a day. Each is done to the follower that writes, unless it says otherwise. */
import { expect } from 'chai';
import type { Random } from '../crash/random.js';
import { until } from '../cutover/pair.js';
import type { Status } from '../faults/follower.js';
import type { Hand } from './hand.js';
import type { Week } from './week.js';

type Day = (week: Week, active: Hand, random: Random) => Promise<void>;

async function rated(active: Hand, maxRate: number): Promise<void> {
  await active.until(`held to ${maxRate}`, ({ throttle }) => throttle.maxRate === maxRate);
}

async function writes(hand: Hand): Promise<void> {
  await hand.until('writing', ({ standby }) => standby?.active === true);
}

export const DAYS: Record<string, Day> = {
  'it is killed': async (week, active) => {
    await active.kill();
    week.killed++;
    await writes(week.other(active));
    active.launch();
  },
  'it is restarted': async (week, active) => {
    active.running.signal('SIGTERM');
    expect(await active.ended()).to.equal('exit code 0');
    week.restarted++;
    active.launch();
  },
  'it is stopped, and goes on when it is another’s turn': async (week, active) => {
    active.running.signal('SIGSTOP');
    await writes(week.other(active));
    await week.goesOn();
    active.running.signal('SIGCONT');
    await active.until('a standby', ({ state }) => state === 'standby');
  },
  'the standby is killed, and nobody feels it': async (week, active) => {
    const before = await active.until('writing', ({ standby }) => standby?.active === true);
    const other = week.other(active);
    await other.kill();
    await week.goesOn();
    other.launch();
    await other.until('a standby', ({ state }) => state === 'standby');
    const after = await active.until('writing', ({ standby }) => standby?.active === true);
    expect(after.standby).to.deep.include({ turns: before.standby?.turns });
  },
  'the source is restarted': async ({ source }) => {
    await source.kill();
    await source.restart();
  },
  'the target is restarted': async ({ target }) => {
    await target.kill();
    await target.restart();
  },
  'another max-rate, by the config file and SIGHUP': async (_, active, random) => {
    const maxRate = random.between(1000, 9000);
    if (maxRate === active.maxRate) return;
    active.configure({ maxRate });
    await active.hangUp(/^SIGHUP: the target is written with/);
    await rated(active, maxRate);
  },
  'a config file with a slip is refused, and changes nothing': async (_, active) => {
    const { maxRate } = active;
    const before = await active.until('there', () => true);
    const alarms = active.alarms.length;
    active.configure({ maxRate: maxRate + 1, more: 'folow: {}' });
    await active.hangUp(/^SIGHUP: nothing is changed: .*folow: no such key; the nearest is follow/);
    active.configure({ maxRate });
    await active.hangUp(/^SIGHUP: nothing has changed/);
    const { throttle } = await active.until('there', () => true);
    expect(throttle.maxRate).to.equal(before.throttle.maxRate);
    await until(() => active.alarms.length > alarms);
  },
  'another max-rate, by the control socket': async (_, active, random) => {
    const maxRate = random.between(1000, 9000);
    await active.control('throttle', `${maxRate}`);
    await rated(active, maxRate);
  },
  'an audit is asked for': async (_, active) => {
    const newest = ({ audits }: Status) =>
      audits.find(({ result }) => result === 'equal')?.at ?? '';
    const before = newest(await active.until('there', () => true));
    await active.control('audit');
    await active.until('audited, and equal', (status) => newest(status) > before);
  },
  'another log level, and back': async (_, active) => {
    const says = /^control socket: the log level is/;
    const before = active.count(says);
    await active.control('log-level', 'error');
    await active.control('log-level', 'info');
    expect(active.count(says)).to.equal(before + 2);
  },
  'its log is rotated': async (_, active) => {
    active.rotate();
    await active.control('log-level', 'info');
    expect(active.logText)
      .to.match(/^\{"level":/)
      .and.to.contain('the log level is');
  },
  'the source is compacted': async (week) => {
    await week.compact();
  },
  'every row is compared': async (week) => {
    await week.compare();
  },
};
