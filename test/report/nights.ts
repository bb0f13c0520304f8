/** Facts of nights, as their reports have them. */
import type { NightFacts } from '../../src/report/nightfacts.js';

const FROZEN = Date.parse('2026-11-29T05:53:59.500Z');
const at = (seconds: number) => new Date(FROZEN + seconds * 1000).toISOString();

/** Each with when it began, in seconds from the first refused write, and how long it took. */
const STEPS: [string, string, number, number][] = [
  ['preflight', 'looks at both etcds and every apiserver', -74, 0.8],
  ['audit', 'compares every key of both sides, while all is live', -73, 41.3],
  ['freeze', 'has Kubernetes refuse every write to the resources', -0.4, 0.9],
  ['drain', 'lets requests that are under way come to their end', 0.5, 0.31],
  ['compare', 'compares what has changed since the audit', 0.81, 0.05],
  ['takeover', 'takes the target over from its follower, which ends', 0.86, 0.04],
  ['fence', "raises the target's head above the source's and keeps it there", 0.9, 0.33],
  ['switch', 'moves the apiservers to the target', 1.23, 14.1],
  ['unfreeze', 'lets writes in again; they go to the target', 15.4, 0.7],
  ['watch', 'watches for writes that still go to the source', 16.1, 60.1],
];

const cluster = (id: string, name: string, address: string) => ({
  ...{ cluster: id, version: '3.5.16', head: 4_120_733, membersUnknown: null },
  members: [0, 1, 2].map((n) => ({
    ...{ id: `8e9e05c52164694${n}`, name: `${name}-${n}`, version: '3.5.16' },
    clientUrls: [`https://${address}${n + 1}:2379`],
  })),
});

const side = { version: '3.5.16', keys: 148_213, checksum: '05cf354d07ee0eb9' };

export const CUT_OVER: NightFacts = {
  format: 'etcd-lockstep/night-report/1',
  made: {
    ...{ version: '1.0.0', node: 'v20.19.2', host: 'admin-1', user: 'root', timeZone: 'UTC' },
    command: 'etcd-lockstep cutover --switch-hook=./move.sh --listen=2390 --report=night.html',
    environment: ['LOCKSTEP_APISERVERS', 'LOCKSTEP_DEST_ENDPOINTS', 'LOCKSTEP_ENDPOINTS'],
    ...{ started: '2026-11-29T05:52:45.012+00:00', ended: '2026-11-29T05:55:16.412+00:00' },
  },
  source: cluster('cdf818194e3a8c32', 'main', '10.0.0.'),
  target: cluster('eb2e3ab3a2c2b3b5', 'pods', '10.0.1.'),
  ...{ command: 'cutover', good: true, failed: null, writes: 'let in again', earlier: null },
  verdict: 'CUT OVER; exact copy up to revision 4119840',
  ...{ prefixes: ['/registry/pods/'], resources: ['pods'] },
  audit: {
    at: at(-31.7),
    report: {
      ...{ equal: true, revision: 4_118_020, sourceHead: 4_118_020, differences: 0 },
      prefixes: ['/registry/pods/'],
      source: { cluster: 'cdf818194e3a8c32', ...side },
      target: { cluster: 'eb2e3ab3a2c2b3b5', ...side },
      cursor: { ...side, revision: 4_118_020, gap: null, agrees: true },
      ...{ ahead: null, takenOver: null, history: null, bytes: 812_000_000, seconds: 41.3 },
    },
  },
  steps: STEPS.map(([name, does, from, seconds]) => ({
    ...{ name, does, state: 'done', began: at(from), seconds },
  })),
  frozen: { since: at(0), until: at(16.1), ownSeconds: 0.73 },
  taken: { exact: 4_119_840, keys: 148_220, checksum: '9a1b44c07fe1b210', at: at(0.9) },
  fence: {
    ...{ source: 4_120_733, target: 4_129_120, ahead: 8387, margin: 1000 },
    lowest: { ahead: 301, at: at(1.1) },
  },
  apiservers: [1, 2, 3].map((n) => ({
    apiserver: `https://10.0.0.${n}:6443`,
    before: { from: 'source', why: null },
    now: { from: 'target', why: null },
    moved: at(1.2 + 4.6 * n),
  })),
  ...{ back: null, brought: null, lateWrites: { count: 0, named: [] }, alarms: [], alarmCount: 0 },
  logged: [
    { at: at(-74), level: 'info', text: '[1/10] preflight: looks at both etcds' },
    { at: at(5.8), level: 'info', text: 'https://10.0.0.1:6443 serves from the target' },
    { at: at(9.1), level: 'warn', text: 'https://10.0.0.2:6443 does not answer; trying again' },
  ],
  loggedMore: 0,
  toDo: [
    {
      text: 'See that writes are let in: a new pod is scheduled, a deleted one replaced.',
      command: 'etcd-lockstep freeze probe --open',
    },
    { text: 'Take away what restarts `follow`.', command: null },
  ],
};

const LATE = 'late write on the source: /registry/pods/default/<b>late</b> put at revision 4119861';

/** Stopped in the switch: one apiserver has moved. */
export const BROKEN: NightFacts = {
  ...CUT_OVER,
  ...{ good: false, writes: 'refused', target: null },
  verdict: 'FAILED in step 8, switch: writes stay frozen',
  failed: {
    ...{ code: 'FREEZE_LOST', message: 'the freeze was taken away' },
    hint: 'Find out who that was.',
  },
  steps: CUT_OVER.steps.map((step, i) =>
    i < 7
      ? step
      : {
          ...step,
          ...(i === 7 ? { state: 'failed' } : { state: 'to do', began: null, seconds: null }),
        },
  ),
  frozen: { since: at(0), until: null, ownSeconds: 0.73 },
  apiservers: CUT_OVER.apiservers.map((one, i) =>
    i === 0 ? one : { ...one, now: { from: 'does not answer', why: null }, moved: null },
  ),
  ...{ lateWrites: null, alarms: [{ at: at(3), text: LATE }], alarmCount: 1 },
  toDo: [
    {
      text: 'The target is taken over. Go on at once: the same command goes on.',
      command: 'etcd-lockstep cutover',
    },
    { text: 'Or back to the source.', command: 'etcd-lockstep rollback' },
  ],
};
