/** Views as commands make them in states that take hours or a night to come to, for whoever shows them. */
import type { NightStepView, NightView, View } from '../../src/listen/view.js';
import { CUTOVER_STEPS } from '../../src/cutover/script.js';

const HEAD = 48_213_377;
const MIB = 1024 ** 2;

const LOADED_MS = Date.now();

/** Of the moment at which the test began. */
function ago(seconds: number): string {
  return new Date(LOADED_MS - seconds * 1000).toISOString();
}

/** A follower in lockstep, for some days. */
export function inLockstep(): View {
  const head = HEAD + Math.floor((Date.now() - LOADED_MS) / 100);
  return {
    command: 'follow',
    version: '0.1.0',
    startedAt: ago(3 * 86_400 + 4_000),
    at: new Date().toISOString(),
    state: 'in lockstep',
    sentence: 'In lockstep: the target is at the revision of the source.',
    mood: 'well',
    ready: true,
    prefixes: ['/registry/pods/'],
    clusters: { source: 'cdf818194e3a8c32', target: 'eb2e3ab3a2c2b3b5' },
    heads: { source: head, target: head },
    lag: { revisions: 0, seconds: 0 },
    wrote: {
      revisions: 1_934_211,
      fillers: 6_120_448 + Math.floor((Date.now() - LOADED_MS) / 10),
      puts: 1_822_014,
      deletions: 112_301,
      bytes: 9_830_112_400 + (Date.now() - LOADED_MS) * 950,
    },
    way: { by: 'proposals', where: 'the peer port http://10.0.1.1:2380', why: null },
    throttle: { maxRate: null, nowRate: null, because: null, holds: false },
    active: null,
    wayBack: null,
    progress: null,
    journal: { revision: head, bytes: 1_932_735_283, freeBytes: 128_849_018_880 },
    compaction: {
      revision: HEAD - 31_000,
      movedAt: ago(72),
      keepsSeconds: 300,
      leftSeconds: 300,
    },
    leases: { kept: 4312, missed: 0, endsInSeconds: null },
    retries: [
      { code: 'UNAVAILABLE', side: 'source', count: 9 },
      { code: 'NO_LEASE', side: 'target', count: 2 },
    ],
    trouble: null,
    events: [
      { at: ago(3600), level: 'info', text: 'audit: EQUAL at revision 48176012, 312,448 keys' },
      {
        at: ago(9000),
        level: 'warn',
        text: 'the source does not answer (UNAVAILABLE: connection refused); trying again',
      },
      { at: ago(9100), level: 'info', text: 'the source is watched from revision 48100022 on' },
    ],
    audits: [
      {
        ...{ at: ago(3600), result: 'equal', revision: 48_176_012, keys: 312_448, differences: 0 },
        ...{ seconds: 412.3, file: 'audit-48176012.html', message: null },
      },
      {
        ...{ at: ago(7300), result: 'failed', revision: null, keys: 0, differences: 0 },
        ...{ seconds: 3.1, file: null },
        message: 'UNAVAILABLE: the source does not answer: connection refused',
      },
      {
        ...{ at: ago(90_000), result: 'equal', revision: 47_002_881, keys: 309_114 },
        ...{ differences: 0, seconds: 398.8, file: 'audit-47002881.html', message: null },
      },
    ],
    auditing: { since: ago(95), share: 0.43, differences: 0 },
    night: null,
    next: {
      text: 'Audit once more shortly before the night, then cut over.',
      command:
        'etcd-lockstep cutover --endpoints http://10.0.0.1:2379 --dest-endpoints http://10.0.1.1:2379 --kubeconfig admin.conf --apiservers https://10.0.0.1:6443,https://10.0.0.2:6443 --switch-hook ./move.sh',
    },
  };
}

/** The target was away, and the window runs down. */
export function catchingUp(): View {
  return {
    ...inLockstep(),
    state: 'catching up',
    sentence: 'Catching up: 18,204 revisions behind, 3m12s.',
    mood: 'trouble',
    ready: false,
    heads: { source: HEAD + 18_204, target: HEAD },
    lag: { revisions: 18_204, seconds: 192.4 },
    way: {
      ...{ by: 'transactions', where: null },
      why: {
        code: 'PEER_PORT',
        message: 'the peer port http://10.0.1.1:2380: connection refused',
        hint: "Give the target's peer URLs, as `etcdctl member list` has them: 2380 as a rule.",
      },
    },
    progress: { share: 0.62, text: '29,700 of 47,904 revisions' },
    compaction: {
      ...{ revision: HEAD - 20_000, movedAt: ago(200), keepsSeconds: 300 },
      leftSeconds: 52,
    },
    leases: { kept: 4312, missed: 17, endsInSeconds: 38 },
    trouble: {
      code: 'NO_SPACE',
      message: 'the journal cannot be written: no space left on the device',
      hint: 'Make room on the disk of --journal, or move the journal to a larger one; nothing is lost until the source compacts what is not written down.',
      since: ago(192),
    },
    audits: [
      {
        ...{ at: ago(600), result: 'different', revision: HEAD - 900, keys: 312_448 },
        ...{ differences: 3, seconds: 401.2, file: 'audit-48212477.html', message: null },
      },
    ],
    auditing: null,
  };
}

/** Just begun, before the base is restored. */
export function waitingForTarget(): View {
  return {
    ...inLockstep(),
    startedAt: ago(42),
    state: 'waiting for the target',
    sentence:
      'The source is written down up to 48213377; nothing answers at the target yet, http://10.0.1.1:2379.',
    mood: 'working',
    ready: false,
    clusters: { source: 'cdf818194e3a8c32', target: null },
    heads: { source: HEAD, target: null },
    lag: null,
    wrote: { revisions: 0, fillers: 0, puts: 0, deletions: 0, bytes: 0 },
    way: null,
    throttle: null,
    compaction: { revision: HEAD - 900, movedAt: null, keepsSeconds: null, leftSeconds: null },
    leases: null,
    retries: [{ code: 'UNAVAILABLE', side: 'target', count: 38 }],
    events: [],
    audits: [],
    auditing: null,
    next: {
      text: 'Restore the base that seed has made, and start the target.',
      command:
        'etcdutl snapshot restore base.db --data-dir pods-0.etcd --name pods-0 --initial-cluster pods-0=http://10.0.1.1:2380',
    },
  };
}

/** A plain mirror on its way through all keys. */
export function comparing(): View {
  return {
    ...waitingForTarget(),
    command: 'mirror',
    state: 'comparing',
    sentence: 'Comparing: 210,000 keys looked at, 1,204 written.',
    prefixes: ['/apps/', '/config/eu/'],
    clusters: inLockstep().clusters,
    wrote: { revisions: 37, fillers: 0, puts: 1180, deletions: 24, bytes: 8 * MIB },
    progress: { share: null, text: '210,000 keys looked at' },
    journal: null,
    compaction: null,
    retries: [],
    next: { text: 'Nothing: it goes on to mirror by itself.', command: null },
  };
}

/** Reading the base. */
export function seeding(): View {
  return {
    ...comparing(),
    command: 'seed',
    state: 'reading',
    sentence: 'Reading the base: 214,112 keys, 402 MiB.',
    prefixes: ['/registry/pods/'],
    heads: { source: HEAD, target: null },
    clusters: { source: 'cdf818194e3a8c32', target: null },
    wrote: null,
    progress: { share: 0.684, text: '214,112 of about 313,000 keys, 402 MiB; 0m21s left' },
    journal: { revision: HEAD, bytes: 402 * MIB, freeBytes: 128_849_018_880 },
    next: {
      text: 'Follow at once when it is done; the command is printed at the end.',
      command: null,
    },
  };
}

/** Writes are refused, one apiserver of three has moved. */
export function switching(): View {
  return {
    ...inLockstep(),
    ...{ command: 'cutover', startedAt: ago(260), state: 'running', mood: 'working' },
    sentence: 'Step 8 of 10, switch: moves the apiservers to the target; writes are refused.',
    ready: true,
    ...{
      lag: null,
      wrote: null,
      way: null,
      throttle: null,
      journal: null,
      compaction: null,
      leases: null,
      retries: [],
    },
    heads: { source: HEAD + 220, target: HEAD + 1_000_702 },
    ...{ audits: [], auditing: null },
    events: [
      {
        at: ago(3),
        level: 'info',
        text: 'https://10.0.0.1:6443 has moved: serves from target',
      },
      { at: ago(41), level: 'info', text: 'frozen: every path of 3 apiservers is refused' },
    ],
    night: nightAt(8, ago(41.3), null),
    next: { text: 'Move the next apiserver: the hook does it by itself.', command: null },
  };
}

/** Over, but somebody has written to the source. */
export function doneWithAlarms(): View {
  return {
    ...switching(),
    state: 'done with alarms',
    sentence: 'Cut over; 2 alarms: look at them before the sign-off.',
    mood: 'trouble',
    night: {
      ...nightAt(11, ago(700), ago(652)),
      alarms: [
        'late write on the source: /registry/pods/default/job-7 put at revision 48213901',
        'https://10.0.0.3:6443 did not answer at the end of the watch',
      ],
    },
    next: {
      text: 'Look at the alarms. After the sign-off, retire.',
      command: 'etcd-lockstep retire --endpoints http://10.0.0.1:2379',
    },
  };
}

/** @param step number of the one that is under way; one more than there are: all are done */
function nightAt(step: number, frozenAt: string, thawedAt: string | null): NightView {
  const steps = CUTOVER_STEPS.map(({ name, does }, i): NightStepView => {
    if (i + 1 > step) return { name, does, state: 'to do', seconds: null };
    const seconds = [1.2, 203.4, 1.1, 0.4, 0.2, 0.1, 0.3, 38.9, 1.4, 600][i] ?? null;
    return { name, does, state: i + 1 < step ? 'done' : 'now', seconds };
  });
  const now = CUTOVER_STEPS[step - 1];
  const over = now === undefined;
  return {
    steps,
    waitsFor: now?.waitsFor ?? null,
    ifAborted: now?.ifAborted ?? null,
    ...{ frozenAt, thawedAt, exact: HEAD + 12 },
    fence: { source: HEAD + 220, target: HEAD + 1_000_702, ahead: 1_000_482, margin: 1_000_000 },
    apiservers: [
      { apiserver: 'https://10.0.0.1:6443', from: 'target', moved: true },
      {
        apiserver: 'https://10.0.0.2:6443',
        from: over ? 'target' : 'does not answer',
        moved: over,
      },
      { apiserver: 'https://10.0.0.3:6443', from: over ? 'target' : 'source', moved: over },
    ],
    alarms: [],
  };
}

/** Within some percent, and the same each time. */
function noise(at: number): number {
  return ((Math.floor(at / 10_000) * 2_654_435_761) % 97) / 970;
}

/** Hours of samples, as `/samples.json` has them. */
export function samples(): object {
  const columns = ['at', 'lagSeconds', 'revisionsPerSecond', 'bytesPerSecond', 'journalBytes'];
  const row = (i: number, stepMs: number): (number | null)[] => {
    const at = Date.now() - i * stepMs;
    const hours = at / 3_600_000;
    const wave = 1 + 0.3 * Math.sin(hours * 2) + 0.03 * Math.sin(hours * 31) + noise(at);
    const lag = stepMs > 1000 && i > 900 && i < 960 ? (960 - i) * 1.6 : 0.1 + 0.1 * wave;
    if (stepMs > 1000 && i > 1500 && i < 1530) return [at, null, null, null, null];
    return [
      at,
      lag,
      Math.round(110 * wave),
      950_000 * wave,
      1.8 * 1024 ** 3 + 4e7 * Math.sin(hours),
    ];
  };
  const rows = (length: number, stepMs: number): unknown[] =>
    Array.from({ length }, (_, i) => row(length - i, stepMs));
  return { columns, fine: rows(600, 1000), coarse: rows(2160, 10_000) };
}
