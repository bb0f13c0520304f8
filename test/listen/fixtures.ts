/** Statuses and views as commands make them, for tests of what is shown. */
import { EventLog } from '../../src/listen/eventlog.js';
import type { ViewFacts } from '../../src/listen/blankview.js';
import { followView } from '../../src/listen/followview.js';
import { reverseView } from '../../src/listen/reverseview.js';
import type { View } from '../../src/listen/view.js';
import type { FollowStatus } from '../../src/lockstep/follow.js';
import type { ReverseStatus } from '../../src/reverse/reversestatus.js';

export const STARTED = new Date('2026-03-01T20:00:00.000Z');

export function facts(readyLagSeconds = 10): ViewFacts {
  return { version: '1.2.3', startedAt: STARTED, events: new EventLog(), readyLagSeconds };
}

/** In lockstep, unless told otherwise. */
export function followStatus(other: Partial<FollowStatus> = {}): FollowStatus {
  return {
    state: 'in lockstep',
    prefixes: ['/registry/pods/'],
    clusters: { source: 'a1', target: 'b2' },
    ...{ position: 5000, journalPosition: 5000, sourceHead: 5000 },
    ...{ journalBytes: 4096, journalFreeBytes: 1e9 },
    ...{ lagRevisions: 0, lagSeconds: 0, caughtUpAt: '2026-03-01T20:01:00.000Z' },
    ...{ revisions: 10, fillers: 90, puts: 12, deletions: 3, bytes: 2048 },
    way: { by: 'transactions', where: null, why: null },
    throttle: { maxRate: null, nowRate: null, because: null, holds: false },
    standby: null,
    compactRevision: 4000,
    compaction: {
      ...{ revision: 4000, movedAt: '2026-03-01T20:05:00.000Z' },
      ...{ keepsSeconds: 300, leftSeconds: 300 },
    },
    leases: { kept: 7, missed: 0, endsInSeconds: null },
    retries: [{ code: 'UNAVAILABLE', side: 'target', count: 4 }],
    trouble: null,
    cutover: null,
    ...{ audits: [], auditing: null },
    ...other,
  };
}

export const COMMANDS = {
  audit: 'etcd-lockstep audit --history',
  repair: 'etcd-lockstep follow --repair',
};

export function followed(other: Partial<FollowStatus> = {}, readyLagSeconds?: number): View {
  return followView(facts(readyLagSeconds), followStatus(other), COMMANDS);
}

/** The way back is open, and somebody has written late. */
export function reversed(other: Partial<ReverseStatus> = {}): View {
  const late = { key: '/registry/pods/default/late', revision: 6100 };
  const status: ReverseStatus = {
    state: 'the way back is open',
    clusters: { source: 'a1', target: 'b2' },
    prefixes: ['/registry/pods/'],
    ...{ exact: 5000, position: 5400, sourceHead: 6200, targetHead: 5400, margin: 800 },
    ...{ lagRevisions: 0, lagSeconds: 0, caughtUpAt: '2026-03-01T20:01:00.000Z', comparing: null },
    lateWrites: { count: 3, replaced: 2, open: [late], all: true },
    ...{ lateSeen: 6200, lateSeenSeconds: 0.1 },
    ...{ transactions: 40, puts: 30, deletions: 12, bytes: 2048, revisions: 41 },
    leases: { kept: 7, missed: 0, endsInSeconds: null },
    ...{ endedBy: null, retries: [], trouble: null },
    ...other,
  };
  const commands = { audit: (one: string) => `audit ${one}`, rollback: 'rollback' };
  return reverseView(facts(), status, commands);
}

/** A cutover whose apiservers are being moved, with one audit before it: nearly all that a view can have. */
export function nightView(): View {
  return {
    ...followed(),
    active: true,
    ...{ command: 'cutover', state: 'running', sentence: 'Moving apiservers.', mood: 'working' },
    at: '2026-03-01T20:30:12.500Z',
    progress: { share: 0.25, text: '1 of 4' },
    throttle: { maxRate: 500, nowRate: 500, because: 'max rate', holds: true },
    way: {
      ...{ by: 'transactions', where: null },
      why: { code: 'PEER_PORT', message: 'the peer port http://a:2380: refused', hint: null },
    },
    trouble: {
      ...{ code: 'UNAVAILABLE', message: 'target: away', hint: null },
      since: '2026-03-01T20:30:00.000Z',
    },
    leases: { kept: 7, missed: 2, endsInSeconds: 30 },
    audits: [
      {
        ...{ at: '2026-03-01T20:20:00.000Z', result: 'failed', revision: null, keys: 0 },
        ...{ differences: 0, seconds: 1, file: null, message: 'the source is away' },
      },
      {
        ...{ at: '2026-03-01T20:10:00.000Z', result: 'different', revision: 4900, keys: 100 },
        ...{ differences: 2, seconds: 1.5, file: 'audit.html', message: null },
      },
      {
        ...{ at: '2026-03-01T19:00:00.000Z', result: 'equal', revision: 4000, keys: 90 },
        ...{ differences: 0, seconds: 1, file: null, message: null },
      },
    ],
    night: {
      steps: [
        { name: 'freeze', does: 'x', state: 'done', seconds: 1 },
        { name: 'switch', does: 'x', state: 'now', seconds: 3 },
        { name: 'unfreeze', does: 'x', state: 'to do', seconds: null },
      ],
      ...{ waitsFor: 'apiservers', ifAborted: 'nobody keeps the fence' },
      ...{ frozenAt: '2026-03-01T20:30:00.000Z', thawedAt: null },
      fence: { source: 5000, target: 6500, ahead: 1500, margin: 1000 },
      apiservers: [
        { apiserver: 'https://10.0.0.1:6443', from: 'target', moved: true },
        { apiserver: 'https://10.0.0.2:6443', from: 'source', moved: false },
      ],
      exact: 5000,
      alarms: ['a late write'],
    },
  };
}
