/** Verdicts for what no test can bring a real server to: clocks, versions, far targets. */
import { expect } from 'chai';
import type { AskedMember, AskedMembers } from '../../src/plan/askmembers.js';
import type { Contents } from '../../src/plan/contents.js';
import { encryption } from '../../src/plan/data.js';
import { estimate, pace } from '../../src/plan/estimates.js';
import type { Rates } from '../../src/plan/rates.js';
import { clocks, health, space, versions } from '../../src/plan/servers.js';
import { compaction, type Window } from '../../src/plan/window.js';

const MEMBER: AskedMember = {
  endpoint: 'http://10.0.0.1:2379',
  version: '3.5.30',
  clusterId: '1',
  memberId: '2',
  hasLeader: true,
  isLeader: false,
  isLearner: false,
  dbBytes: 1e6,
  dbBytesInUse: 1e6,
  quotaBytes: 2e9,
  clockSeconds: 0.3,
  readSeconds: 0.0007,
  error: null,
};

function members(...each: Partial<AskedMember>[]): AskedMembers {
  return { members: each.map((m) => ({ ...MEMBER, ...m })), alarms: [], missing: [] };
}

const CONTENTS: Contents = {
  ...{ revision: 9, keys: 10, bytes: 100, prefixes: [], largest: null, encrypted: [], seconds: 1 },
  leases: { keys: 0, leases: 0, shortestTtl: null, asked: 0 },
};
const WINDOW: Window = {
  ...{ compactRevision: 1, historyRevisions: 0, intervalRevisions: null, intervalSeconds: null },
};

function rates(revisions: number, moved: number): Rates {
  return {
    ...{
      seconds: 1,
      head: 9,
      revisions,
      largestRevision: 1,
      everything: true,
      byFolder: new Map(),
    },
    moved: { revisions: moved, events: moved, bytes: moved },
  };
}

describe('plan: verdicts', () => {
  it('clocks: two seconds are told, either way and on either side', () => {
    const of = (a: number | null, b: number | null) =>
      clocks(members({ clockSeconds: a }), members({ clockSeconds: b })).verdict;
    expect(of(0.5, -0.5)).to.equal('ok');
    expect(of(30, 0)).to.equal('warn');
    expect(of(0, -30)).to.equal('warn');
    expect(of(null, 0)).to.equal('ok');
    expect(of(null, null)).to.equal('not asked');
  });

  const VERSIONS: [string, string, string][] = [
    ['3.3.27', 'stop', 'stop'],
    ['3.4.23', 'warn', 'warn'],
    ['3.4.31', 'warn', 'ok'],
    ['3.4.34', 'ok', 'ok'],
    ['3.5.2', 'warn', 'stop'],
    ['3.5.13', 'warn', 'ok'],
    ['3.5.16', 'ok', 'ok'],
    ['3.6.1', 'ok', 'ok'],
  ];
  for (const [version, source, target] of VERSIONS)
    it(`etcd ${version}: ${source} as a source, ${target} as a target`, () => {
      expect(versions('source', members({ version })).verdict).to.equal(source);
      expect(versions('target', members({ version })).verdict).to.equal(target);
    });

  it('members of different versions, of different clusters, a learner, one without a leader', () => {
    expect(versions('source', members({}, { version: '3.5.29' })).verdict).to.equal('warn');
    expect(health('source', members({}, {})).verdict).to.equal('ok');
    expect(health('source', members({}, { clusterId: '9' })).verdict).to.equal('stop');
    expect(health('source', members({}, { isLearner: true })).verdict).to.equal('warn');
    expect(health('source', members({}, { hasLeader: false })).verdict).to.equal('stop');
  });

  it('the leader first: said where there is another one, and on the source alone', () => {
    const todo = (side: 'source' | 'target', ...more: Parameters<typeof members>) =>
      health(side, members(...more)).todo;
    expect(todo('source', { isLeader: true }, {})).to.match(/a follower first/);
    expect(todo('source', {}, { isLeader: true })).to.equal(null);
    expect(todo('source', { isLeader: true })).to.equal(null);
    expect(todo('target', { isLeader: true }, {})).to.equal(null);
  });

  it('alarms stop; one that may not be asked for is said', () => {
    const alarms = [{ memberId: '2', alarm: 'CORRUPT' as const }];
    expect(health('target', { ...members({}), alarms }).verdict).to.equal('stop');
    expect(health('target', { ...members({}), alarms: null }).verdict).to.equal('not asked');
  });

  it('space: what is to come counts, and a quota that nobody tells is the default', () => {
    const of = (quotaBytes: number | null, needed: number) =>
      space('target', members({ quotaBytes }), needed).verdict;
    expect(of(2e9, 1e9)).to.equal('ok');
    expect(of(2e9, 1.9e9)).to.equal('warn');
    expect(of(2e9, 3e9)).to.equal('stop');
    expect(of(null, 3e9)).to.equal('stop');
  });

  it('pace: near and quiet is fine, far or busy is not', () => {
    const of = (revisions: number, moved: number, readSeconds: number) => {
      const seen = rates(revisions, moved);
      return pace(seen, estimate(CONTENTS, seen, WINDOW, members({ readSeconds }))).verdict;
    };
    expect(of(300, 60, 0.001)).to.equal('ok');
    expect(of(300, 60, 0.05)).to.equal('warn');
    expect(of(3000, 600, 0.001)).to.equal('warn');
    expect(of(0, 0, 0.001)).to.equal('not asked');
  });

  it('pace: says which way it takes', () => {
    const of = (revisions: number, moved: number) => {
      const seen = rates(revisions, moved);
      const { message, todo } = pace(seen, estimate(CONTENTS, seen, WINDOW, members({})));
      return `${message} ${todo ?? ''}`;
    };
    expect(of(300, 60)).to.match(/Transactions are enough/);
    expect(of(3000, 60)).to.match(
      /by transactions follow would take long to catch up.*--dest-peers/,
    );
    expect(of(4000, 60)).to.match(
      /by transactions follow would fall behind for ever.*--dest-peers/,
    );
    expect(of(100_000, 60)).to.match(/fall behind for ever.*events and leases/);
  });

  it('estimates are those of docs/performance.md at its own points', () => {
    const per = (share: number, readSeconds: number) =>
      estimate(CONTENTS, rates(100, share), WINDOW, members({ readSeconds })).followPerSecond;
    expect(per(2, 0.0007)).to.be.closeTo(3326, 1);
    expect(per(20, 0.0007)).to.be.closeTo(977, 1);
    expect(per(100, 0.0007)).to.be.closeTo(602, 1);
    expect(per(2, 0.01)).to.be.closeTo(1294, 100);
    expect(per(20, 0.01)).to.be.closeTo(354, 30);
    expect(per(100, 0.01)).to.be.closeTo(220, 20);
    const proposed = (share: number, readSeconds: number) =>
      estimate(CONTENTS, rates(100, share), WINDOW, members({ readSeconds })).proposalsPerSecond;
    expect(proposed(2, 0.0007)).to.be.closeTo(32_329, 1);
    expect(proposed(20, 0.0007)).to.be.closeTo(10_171, 1);
    expect(proposed(100, 0.0007)).to.be.closeTo(5214, 1);
    expect(proposed(100, 0.0118)).to.be.closeTo(3078, 50);
  });

  it('compaction: minutes are fine, seconds are told, and so is a history that was never compacted', () => {
    const of = (window: Partial<Window>) => compaction({ ...WINDOW, ...window }, 5).verdict;
    expect(of({ intervalRevisions: 3000, intervalSeconds: 300 })).to.equal('ok');
    expect(of({ intervalRevisions: 300, intervalSeconds: 30 })).to.equal('warn');
    expect(of({ historyRevisions: 5e6 })).to.equal('warn');
    expect(of({})).to.equal('ok');
  });

  it('encryption: says which keys are not', () => {
    const encrypted = [{ provider: 'aescbc:v1:key1', keys: 7 }];
    expect(encryption({ ...CONTENTS, encrypted }).message).to.match(/key1 \(7\).*3 are not/);
  });
});
