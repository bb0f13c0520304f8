/** What is said of a command's status: ready or not, what is wrong, what to do. */
import { expect } from 'chai';
import { NightLog } from '../../src/cutover/nightlog.js';
import { FENCE_STEPS } from '../../src/cutover/script.js';
import { LockstepError } from '../../src/errors.js';
import { failedView } from '../../src/listen/blankview.js';
import { followView } from '../../src/listen/followview.js';
import { mirrorView } from '../../src/listen/mirrorview.js';
import { nightView } from '../../src/listen/nightview.js';
import { seedView } from '../../src/listen/seedview.js';
import { STATES } from '../../src/listen/view.js';
import type { FollowStatus } from '../../src/lockstep/follow.js';
import type { MirrorStatus } from '../../src/mirror/mirrorstatus.js';
import { COMMANDS, facts, followed, reversed } from './fixtures.js';

const AWAY: FollowStatus['trouble'] = {
  ...{ code: 'UNAVAILABLE', message: 'target: it is away', hint: null },
  since: '2026-03-01T20:00:00.000Z',
};

describe('the view of follow', () => {
  it('in lockstep: well, ready, and the audit is next', () => {
    const view = followed();
    expect(view).to.deep.include({ mood: 'well', ready: true, command: 'follow', trouble: null });
    expect(view.sentence).to.contain('In lockstep at revision 5000');
    expect(view.next.command).to.equal(COMMANDS.audit);
    expect(view.wrote).to.deep.equal({
      ...{ revisions: 10, fillers: 90, puts: 12, deletions: 3, bytes: 2048 },
    });
  });

  it('ready is who has caught up once and is behind by no more than may be', () => {
    const behind = { state: 'catching up', lagRevisions: 9, lagSeconds: 5 } as const;
    expect(followed(behind).ready).to.equal(true);
    expect(followed(behind, 3).ready).to.equal(false);
    expect(followed({ ...behind, caughtUpAt: null }).ready).to.equal(false);
    expect(followed({ state: 'waiting for the source' }).ready).to.equal(false);
    expect(followed({ state: 'waiting for the target', trouble: AWAY }).ready).to.equal(false);
    const cutover = { phase: 'done', exact: 5000 } as const;
    expect(followed({ state: 'taken over', cutover, lagSeconds: 900 }).ready).to.equal(true);
  });

  it('a target that is still to be restored is no trouble; one that has gone away is', () => {
    const lacking = {
      ...({ state: 'waiting for the target', position: null, trouble: AWAY } as const),
      ...{ lagRevisions: null, lagSeconds: null, caughtUpAt: null },
    };
    expect(followed(lacking).mood).to.equal('working');
    // It may have been there before this process was, so it is not told to restore it once more.
    expect(followed(lacking).next.text).to.match(/restored already: start it.* restore the base/);
    const gone = followed({ state: 'waiting for the target', trouble: AWAY });
    expect(gone.mood).to.equal('trouble');
    expect(gone.next.text).to.contain('Is the target up');
  });

  it('what an audit has found is trouble at once, not at its end', () => {
    const auditing = { since: '2026-03-01T20:00:00.000Z', share: 0.2, differences: 0 };
    expect(followed({ auditing }).mood).to.equal('well');
    const found = followed({ auditing: { ...auditing, differences: 1 } });
    expect(found.mood).to.equal('trouble');
    expect(found.next.text).to.contain('Do not cut over');
  });

  it('which way it goes is shown once something was written; another than was asked is no trouble yet', () => {
    expect(followed({ way: { by: null, where: null, why: null } }).way).to.equal(null);
    const where = 'the peer port http://10.0.1.1:2380';
    const way = { by: 'proposals', where, why: null } as const;
    expect(followed({ way }).way).to.deep.equal(way);
    const why = { code: 'PEER_PORT', message: 'refused', hint: null } as const;
    const slower = followed({ way: { by: 'transactions', where: null, why } });
    expect(slower.way?.why).to.deep.equal(why);
    expect(slower).to.deep.include({ mood: 'well', ready: true, trouble: null });
  });

  it('one that stands by is well and ready while it could take over, however far the target is behind', () => {
    const standby = {
      ...{ active: false, follower: 'f1', named: 'f2', stillSeconds: 0 },
      ...{ journalLagSeconds: 0.2, turns: 0 },
    };
    const standing = { state: 'standby', lagSeconds: 900, standby } as const;
    const view = followed(standing);
    expect(view).to.deep.include({ mood: 'well', ready: true, active: false });
    expect(view.sentence).to.contain('written last by follower f2');
    expect(view.sentence).not.to.contain('stands still');
    const still = followed({ ...standing, standby: { ...standby, stillSeconds: 12 } });
    expect(still.sentence).to.contain('stands still for 12.0 s');
    const late = followed({ ...standing, standby: { ...standby, journalLagSeconds: 11 } });
    expect(late.ready).to.equal(false);
    const trouble = { ...AWAY, code: 'TARGET_BEHIND_JOURNAL' } as const;
    expect(followed({ ...standing, trouble })).to.deep.include({ mood: 'trouble', ready: false });
    const fresh = followed({ ...standing, standby: { ...standby, named: null } });
    expect(fresh.sentence).to.contain('nobody writes to the target yet');
    expect(followed({ standby: { ...standby, active: true } }).active).to.equal(true);
    expect(followed().active).to.equal(null);
  });

  it("an error's hint is what is to be done", () => {
    const trouble = { ...AWAY, hint: 'Make room there.' };
    expect(followed({ trouble }).next).to.deep.equal({ text: 'Make room there.', command: null });
  });

  it('before the first status it says that it begins, or how far a repair has read', () => {
    const view = followView(facts(), null, COMMANDS, { keys: 1200, bytes: 2048 });
    expect(view).to.deep.include({ ready: false, mood: 'working' });
    expect(view.sentence).to.contain('1,200 keys');
    expect(STATES.follow).to.include(view.state);
    expect(STATES.follow).to.include(followView(facts(), null, COMMANDS).state);
  });

  it('the source is never shown below what was captured of it', () => {
    expect(followed({ sourceHead: 4990 }).heads).to.deep.equal({ source: 5000, target: 5000 });
  });

  it('what has failed says so, with what mends it', () => {
    const gap = new LockstepError('HISTORY_GAP', 'it is gone', { hint: 'Repair it.' });
    const view = failedView(followed(), gap, COMMANDS.repair);
    expect(view).to.deep.include({ state: 'failed', mood: 'trouble', ready: false });
    expect(view.trouble).to.deep.include({ code: 'HISTORY_GAP', hint: 'Repair it.' });
    expect(view.next).to.deep.equal({ text: 'Repair it.', command: COMMANDS.repair });
    expect(failedView(followed(), new TypeError('x'), null)).to.deep.include({ trouble: null });
  });
});

const MIRRORED: MirrorStatus = {
  state: 'mirroring',
  clusters: { source: 'a1', target: 'b2' },
  ...{ position: 70, sourceHead: 71, lagRevisions: 1, lagSeconds: 0.2 },
  caughtUpAt: '2026-03-01T20:01:00.000Z',
  comparing: null,
  ...{ transactions: 4, puts: 9, deletions: 1, bytes: 100, revisions: 4, foreign: 0 },
  leases: { kept: 0, missed: 0, endsInSeconds: null },
  retries: [],
  trouble: null,
};

describe('the view of mirror', () => {
  it('mirroring: well and ready', () => {
    const view = mirrorView(facts(), MIRRORED, '/a/', 'etcd-lockstep audit --values');
    expect(view).to.deep.include({ mood: 'well', ready: true, prefixes: ['/a/'], journal: null });
    expect(view.wrote).to.deep.include({ revisions: 4, fillers: 0 });
  });

  it('comparing: how far it is, and not ready', () => {
    const comparing = { keys: 25, remaining: 75 };
    const nowhere = { position: null, lagRevisions: null, lagSeconds: null, caughtUpAt: null };
    const status: MirrorStatus = { ...MIRRORED, state: 'comparing', comparing, ...nowhere };
    const view = mirrorView(facts(), status, '', 'x');
    expect(view).to.deep.include({ mood: 'working', ready: false, lag: null });
    expect(view.progress).to.deep.equal({ share: 0.25, text: '25 of 100 keys' });
    expect(STATES.mirror).to.include(mirrorView(facts(), null, '', 'x').state);
  });
});

describe('the view of seed', () => {
  const read = { keys: 30, bytes: 1024, remaining: 70, seconds: 1, watched: 0.2 };
  const prefixes = ['/a/'];

  it('is as far as the slower of pages and watch', () => {
    const view = seedView(facts(), { prefixes, read, sealed: undefined }, 'x');
    expect(view).to.deep.include({ state: 'reading', ready: true, wrote: null });
    expect(view.progress?.share).to.equal(0.2);
    const nothing = seedView(facts(), { prefixes, read: undefined, sealed: undefined }, 'x');
    expect(nothing.progress?.share).to.equal(null);
  });

  it('sealing: rows', () => {
    const view = seedView(facts(), { prefixes, read, sealed: 1500 }, 'x');
    expect(view).to.deep.include({ state: 'sealing' });
    expect(view.sentence).to.contain('1,500 rows');
  });
});

describe('the view of a fence that is kept', () => {
  const heads = { source: 100, target: 1200 };

  /** Its heads were asked so long ago. */
  function kept(seconds: number): NightLog {
    const log = new NightLog({ command: 'fence', margin: 1000 });
    FENCE_STEPS.forEach((text, i) => {
      const step = { ...text, number: i + 1, of: FENCE_STEPS.length, frozenSeconds: null };
      log.hear({ kind: 'step', step });
      if (step.name !== 'keep')
        log.hear({ kind: 'step ended', step: step.name, seconds: 1, failed: false });
    });
    log.raised({ exact: 100, keys: 1, checksum: '00', heads });
    log.hear({ kind: 'heads', heads, ahead: 1100 });
    if (log.record.fence) log.record.fence.at = new Date(Date.now() - seconds * 1000);
    return log;
  }

  it('all is well while its heads are asked', () => {
    const view = nightView(kept(1).record, facts());
    expect(view).to.deep.include({ state: 'kept', mood: 'well', ready: true, trouble: null });
    expect(view.night?.fence).to.deep.include({ ahead: 1100 });
    expect(view.sentence).to.contain('1,100 revisions ahead');
  });

  it('of one whose heads cannot be asked nobody knows whether it stands', () => {
    const view = nightView(kept(60).record, facts());
    expect(view).to.deep.include({ state: 'kept', mood: 'trouble', ready: false });
    expect(view.trouble?.message).to.contain('nobody knows whether the fence stands');
    expect(view.night?.fence).to.equal(null);
    expect(view.sentence).not.to.contain('ahead');
  });

  it('once it is over nobody asks, and nobody has to', () => {
    const log = kept(60);
    log.ended({ kind: 'fence' });
    expect(nightView(log.record, facts())).to.deep.include({ mood: 'well', trouble: null });
  });
});

describe('the view of follow --reverse', () => {
  const late = (open: { key: string; revision: number }[]) => ({
    lateWrites: { count: 3, replaced: 2, open, all: true },
  });

  it('open: well and ready, and the way back is what is named', () => {
    // One key was written late twice, and brought over once: none is open.
    const view = reversed(late([]));
    expect(view).to.deep.include({ mood: 'well', ready: true, command: 'reverse' });
    expect(view.wayBack?.lateWrites).to.deep.equal({ count: 3, replaced: 2, open: 0 });
    expect(view.next.command).to.equal('rollback');
  });

  it('a late write that is open: an audit shows it', () => {
    const view = reversed(late([{ key: '/registry/pods/a', revision: 9 }]));
    expect(view.wayBack?.lateWrites.open).to.equal(1);
    expect(view.next.command).to.equal('audit /registry/pods/');
  });

  it('not ready while it catches up, lags, or waits', () => {
    expect(reversed({ state: 'catching up' }).ready).to.equal(false);
    expect(reversed({ lagSeconds: 11 }).ready).to.equal(false);
    const waits = reversed({ state: 'waiting for the source', trouble: AWAY });
    expect(waits).to.deep.include({ mood: 'trouble', ready: false });
  });
});
