/**
 * Two followers that stand by for each other: when one takes over, and above all when it does not. What
 * happens to the one that writes, in turns and for longer: crash/standby.
 */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { Journal } from '../../src/journal/journal.js';
import { run } from '../cli/run.js';
import { AFTER_SECONDS, Duo } from './duo.js';
import { FollowProcess } from './follower.js';
import { together } from './together.js';

const BUSY_MS = 30;
/** So long nothing may happen where it would after {@link AFTER_SECONDS}, jitter included. */
const WATCHED_MS = 3 * AFTER_SECONDS * 1000;

/** Both run, and the first one writes. */
async function firstWrites(duo: Duo): Promise<void> {
  duo.first.launch();
  await duo.first.until('active', ({ standby }) => standby?.active === true);
  duo.second.launch();
  await duo.second.until('standby', ({ state, trouble }) => state === 'standby' && !trouble);
}

async function atOnce(): Promise<void> {
  await Duo.with({ everyMs: BUSY_MS }, async (duo) => {
    for (const one of duo.both) one.launch();
    const active = await duo.settled();
    await duo.goesOn();
    await sleep(WATCHED_MS);
    expect(await duo.settled()).to.equal(active);
    expect(duo.other(active).last?.standby?.turns).to.equal(0);
    expect(duo.other(active).last?.standby?.named).to.equal(active.last?.standby?.follower);
    await duo.exact();
  });
}

/** Nobody asks it anything for longer than it would wait; then both are where they were. */
async function silentTarget(): Promise<void> {
  await Duo.with({ everyMs: BUSY_MS }, async (duo) => {
    await firstWrites(duo);
    duo.second.target.stall(true);
    await sleep(WATCHED_MS);
    duo.second.mend();
    await duo.second.until('standby', ({ state, trouble }) => state === 'standby' && !trouble);
    await duo.goesOn();
    expect(duo.first.active).to.equal(true);
    expect(duo.second.last?.standby?.turns).to.equal(0);
    await duo.exact();
  });
}

async function silentSource(): Promise<void> {
  await Duo.with({ everyMs: BUSY_MS }, async (duo) => {
    await firstWrites(duo);
    duo.second.source.stall(true);
    await duo.second.until('waiting', ({ state }) => state === 'waiting for the source');
    await duo.first.kill();
    const head = await duo.head();
    await sleep(WATCHED_MS);
    expect(await duo.head(), 'the target').to.equal(head);
    duo.second.mend();
    await duo.second.until('active', ({ standby }) => standby?.active === true);
    await duo.goesOn();
    await duo.exact();
  });
}

/**
 * Each of its writes takes a good part of the time that the other one waits for a sign of it; not most of it,
 * or a machine that is busy for a second makes it one that stands still.
 */
async function slowFirst(): Promise<void> {
  await Duo.with({ everyMs: BUSY_MS }, async (duo) => {
    await firstWrites(duo);
    duo.first.target.delay(200);
    await sleep(2 * WATCHED_MS);
    expect(duo.first.active).to.equal(true);
    expect(duo.second.last?.standby?.turns).to.equal(0);
    duo.first.target.delay(0);
    await duo.exact();
  });
}

/** The source goes on where nobody writes, and stands still where somebody could. */
async function nothingToDo(): Promise<void> {
  await Duo.with({}, async (duo) => {
    await firstWrites(duo);
    await duo.reaches((await duo.sourceClient.head()).revision);
    await duo.first.kill();
    const head = await duo.head();
    await sleep(WATCHED_MS);
    expect(await duo.head(), 'the target').to.equal(head);
    await duo.writes.once();
    await duo.second.until('active', ({ standby }) => standby?.active === true);
    await duo.exact();
  });
}

/** It was seeded above the target: what comes next there it does not have, until the other one has written it. */
async function unfit(): Promise<void> {
  await Duo.with({ everyMs: BUSY_MS }, async (duo) => {
    duo.first.launch();
    await duo.first.until('active', ({ standby }) => standby?.active === true);
    duo.first.cut('target');
    const head = await duo.head();
    const { revision: compacted } = await duo.sourceClient.head();
    await duo.first.until('captured', ({ journalPosition }) => journalPosition > compacted);
    await duo.sourceClient.compact(compacted);
    await duo.reseed(duo.second);
    duo.second.launch();
    const { standby } = await duo.second.until(
      'in trouble',
      ({ state, trouble }) => state === 'standby' && trouble?.code === 'TARGET_BEHIND_JOURNAL',
    );
    expect(standby).to.include({ active: false, named: duo.first.last?.standby?.follower });
    await sleep(WATCHED_MS);
    expect(await duo.head(), 'the target').to.equal(head);
    expect(duo.second.running.notes().join('\n')).to.contain('could not take over');
    duo.first.mend();
    await duo.second.until('well', ({ state, trouble }) => state === 'standby' && !trouble);
    await duo.first.kill();
    await duo.second.until('active', ({ standby }) => standby?.active === true);
    await duo.goesOn();
    await duo.exact();
  });
}

/** It is compacted by what the target has, which somebody else writes. */
async function journalStaysSmall(): Promise<void> {
  await Duo.with({ everyMs: BUSY_MS }, async (duo) => {
    await firstWrites(duo);
    await duo.goesOn();
    const compacted = (await duo.head()) - 5;
    await duo.second.until('captured', ({ journalPosition }) => journalPosition > compacted);
    await duo.sourceClient.compact(compacted);
    const seen = ({ compaction }: { compaction: { revision: number } | null }) =>
      (compaction?.revision ?? 0) >= compacted;
    await duo.second.until('seen', seen);
    // It is compacted right behind that.
    await sleep(1000);
    await duo.second.running.stop();
    expect(duo.second.last?.compactRevision, 'of the target, by the standby').to.equal(0);
    const journal = await Journal.open(duo.second.journal);
    const { compactRevision } = journal.state;
    await journal.close();
    expect(compactRevision).to.equal(compacted);
    await duo.exact();
  });
}

/** One without --standby takes the target at its start, and waits for nobody. */
async function alone(): Promise<void> {
  await Duo.with({ everyMs: BUSY_MS }, async (duo) => {
    await firstWrites(duo);
    await duo.second.running.stop();
    const ends = { source: duo.source.endpoint, target: duo.target.endpoint };
    const third = new FollowProcess({ ...ends, journal: duo.second.journal });
    try {
      await duo.first.until('standby', ({ state }) => state === 'standby');
      await duo.goesOn();
    } finally {
      await third.kill();
    }
    await duo.first.until('active', ({ standby }) => standby?.active === true);
    await duo.exact();
  });
}

/** What it has seen before it was stopped counts, and what it has not seen does not. */
async function stoppedStandby(): Promise<void> {
  await Duo.with({ everyMs: BUSY_MS }, async (duo) => {
    await firstWrites(duo);
    for (let time = 0; time < 3; time++) {
      duo.second.signal('SIGSTOP');
      await sleep(WATCHED_MS);
      duo.second.signal('SIGCONT');
      await duo.goesOn();
      await duo.second.until('standby', ({ state, trouble }) => state === 'standby' && !trouble);
    }
    expect(duo.first.active).to.equal(true);
    expect(duo.second.last?.standby?.turns).to.equal(0);
    await duo.exact();
  });
}

/** What no other try mends ends whoever looks, as it ends a follower that is alone. */
async function foreign(): Promise<void> {
  await Duo.with({ everyMs: BUSY_MS }, async (duo) => {
    await firstWrites(duo);
    await duo.target.ctl('put', '/elsewhere', 'theirs');
    for (const { running } of duo.both) {
      const { exit, error } = await running.stopped();
      expect(exit).to.equal('exit code 5');
      expect(error.code).to.be.oneOf(['TARGET_HEAD_OFF', 'TARGET_FOREIGN_WRITE']);
    }
  });
}

/** Both find that their work is done. */
async function takenOver(): Promise<void> {
  await Duo.with({}, async (duo) => {
    await firstWrites(duo);
    await duo.reaches((await duo.sourceClient.head()).revision);
    const ends = ['--endpoints', duo.source.endpoint, '--dest-endpoints', duo.target.endpoint];
    const { code, stderr } = await run(['fence', ...ends, '--once', '--yes']);
    expect(code, stderr).to.equal(0);
    for (const one of duo.both) {
      const { state, cutover } = await one.running.takenOver();
      expect([state, cutover?.phase]).to.deep.equal(['taken over', 'fenced']);
    }
  });
}

describe('two followers that stand by for each other', () => {
  together({
    'begun at once on a base that bears nobody’s name: one writes, the other one waits': atOnce,
    'a target that does not answer the standby is no dead follower': silentTarget,
    'a standby whose source is silent takes nothing over': silentSource,
    'one that is slow and comes on keeps its place': slowFirst,
    'where there is nothing to write nobody is relieved': nothingToDo,
    'one whose journal begins above the target says so, until it does not': unfit,
    'the journal of a standby is compacted, and the target is not by it': journalStaysSmall,
    'a follower that is no standby takes the target, and gives it back with its end': alone,
    'a standby that was stopped for a while has not watched meanwhile': stoppedStandby,
    'somebody else writes to the target: both end': foreign,
    'a takeover for a cutover ends both': takenOver,
  });
});
