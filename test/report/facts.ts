/** Facts of reports, made up; and the keys that nobody should believe. */
import type { AuditFacts, MirrorFacts } from '../../src/report/auditfacts.js';
import type { BesideFacts } from '../../src/report/besidefacts.js';
import type { FoundDifference } from '../../src/report/found.js';
import { ownVersion } from '../../src/ownversion.js';

/** What ends a script, breaks a line, turns the direction of writing; and what is no UTF-8. */
export const ODD_KEYS: readonly FoundDifference['key'][] = [
  '/registry/pods/a/</script><script>alert(1)</script>',
  '/registry/pods/a/<!--<script>',
  '/registry/pods/a/\u2028x\u2029',
  '/registry/pods/a/\u202e\u3164gnp.exe',
  '/registry/pods/a/"onload="x&amp;',
  '/registry/pods/a/\u0000\r\n',
  '/registry/pods/a/\ufffd',
];

const SIDE = { modRevision: 410, createRevision: 400, version: 2, lease: '0', valueBytes: 900 };

const found = ODD_KEYS.map((key, i): FoundDifference => ({
  key,
  keyBase64: key.endsWith('\ufffd') ? Buffer.from([0x61, 0xff]).toString('base64') : null,
  kind: i === 1 ? 'missing on target' : i === 2 ? 'extra on target' : 'different',
  fields: i === 1 || i === 2 ? [] : ['value', 'mod_revision'],
  revision: i === 3 ? 411 : null,
  source: i === 2 ? null : SIDE,
  target: i === 1 ? null : { ...SIDE, modRevision: 412, valueBytes: 901 },
}));

const cluster = (id: string, name: string) => ({
  ...{ cluster: id, version: '3.5.16', head: 6190, membersUnknown: null },
  members: [1, 2, 3].map((n) => ({
    id: `8e9e05c52164694${n}`,
    name: `${name}-${n}`,
    clientUrls: [`https://10.0.${name === 'pods' ? 1 : 0}.${n}:2379`],
    version: n === 3 ? null : '3.5.16',
  })),
});

const SHARED = {
  made: {
    version: ownVersion(),
    node: 'v20.20.2',
    host: 'ops-1',
    user: 'anna',
    command: 'etcd-lockstep audit --endpoints=https://10.0.0.1:2379 --history',
    environment: ['LOCKSTEP_PASSWORD'],
    started: '2026-11-29T13:19:20.123+01:00',
    ended: '2026-11-29T13:19:21.001+01:00',
    timeZone: 'Europe/Berlin',
  },
  source: cluster('cdf818194e3a8c32', 'main'),
  target: cluster('eb2e3ab3a2c2b3b5', 'pods'),
  contents: {
    groups: ['default', 'kube-system', 'monitoring', 'team-a', 'team-b'].map((namespace, i) => ({
      folder: '/registry/pods/',
      namespace,
      keys: { source: 1200 >> i, target: 1200 >> i },
      bytes: { source: 9_000_000 >> i, target: 9_000_000 >> i },
      differences: 0,
    })),
    others: null,
    valueBytes: [120, 800, 1300, 90].map((keys, i) => ({
      ...{ from: 1024 << i, to: (2048 << i) - 1, keys },
    })),
    revisionsAgo: [3, 5, 60, 400, 900, 700, 242].map((keys, i) => ({
      ...{ from: 64 << i, to: (128 << i) - 1, keys },
    })),
  },
  differences: { found: 0, listed: [] },
};

const checked = { keys: 2310, checksum: '1f4bb1ab5f7d0e83' };

/** Of two sides that are the same. */
export const EQUAL: AuditFacts = {
  format: 'etcd-lockstep/audit-report/1',
  ...SHARED,
  audit: {
    ...{ equal: true, revision: 6182, sourceHead: 6182, prefixes: ['/registry/pods/'] },
    source: { cluster: 'cdf818194e3a8c32', version: '3.5.16', ...checked },
    target: { cluster: 'eb2e3ab3a2c2b3b5', version: '3.5.16', ...checked },
    cursor: { revision: 6182, ...checked, gap: null, agrees: true },
    ...{ differences: 0, ahead: null, takenOver: null },
    history: { after: 4210, events: 1644, differences: 0 },
    ...{ bytes: 18_000_000, seconds: 0.7 },
  },
};

/** Of two sides that are not, in keys of all sorts. */
export const DIFFERENT: AuditFacts = {
  ...EQUAL,
  audit: { ...EQUAL.audit, equal: false, differences: found.length },
  differences: { found: found.length, listed: found },
};

/** Of a mirror. */
export const MIRROR: MirrorFacts = {
  format: 'etcd-lockstep/mirror-report/1',
  ...SHARED,
  audit: {
    ...{ equal: true, compared: ['value', 'lease'], prefix: '/a/', destPrefix: '/b/' },
    source: { cluster: 'cdf818194e3a8c32', version: '3.5.16', revision: 900, keys: 2310 },
    target: { cluster: 'eb2e3ab3a2c2b3b5', version: '3.5.16', revision: 70, keys: 2312 },
    ...{ differences: 0, foreign: 2, bytes: 18_000_000, seconds: 0.7 },
  },
};

const { contents: _, ...BESIDE_SHARED } = SHARED;

/** Beside a follower: equal, but for a while some keys were not. */
export const BESIDE: BesideFacts = {
  format: 'etcd-lockstep/follow-audit-report/1',
  ...BESIDE_SHARED,
  audit: {
    ...{ equal: true, prefixes: ['/registry/pods/'], bytesPerSecond: 4_194_304 },
    ranges: ODD_KEYS.map((from, i) => ({ from, fromBase64: null, revision: 6182 + i })),
    ...{ source: checked, target: { ...checked, keys: 2309 }, cursor: null },
    ...{ differences: 0, over: found.length, bytes: 18_000_000, seconds: 4.2 },
  },
  over: found.map((one) => ({ found: one, at: 6182, again: 6190 })),
};
