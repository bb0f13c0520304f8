/**
 * How long a pod's change needs to the target, at a rate that both can keep up with: from the
 * source's answer to the writer until a watch on the target shows it.
 *
 * Tried and dropped: both on the same source at the same time, for the same noise. Three etcds that
 * take 300 pods a second are more than two cores have, and both lag by seconds.
 */
import { join } from 'node:path';
import { Arrivals } from '../kit/arrivals.js';
import { Follow, lockstep, MakeMirror } from '../kit/commands.js';
import { PODS } from '../kit/data.js';
import { Store } from '../kit/etcds.js';
import { ForeignRevisions } from '../kit/foreign.js';
import { Load } from '../kit/load.js';
import { inFolder, say } from '../kit/place.js';
import { percentile, type Row } from '../kit/result.js';
import type { Bench } from '../kit/scenario.js';

const KEYS = 2000;
const PER_SECOND = 300;
const SECONDS = 40;
/** Per cent. */
const SHARES = [100, 20];
/** Node compiles what it runs often meanwhile, on the same two cores; a follower runs for weeks. */
const LEFT_OUT_SECONDS = 20;
const PERCENTILES = { median: { at: 0.5, atMost: 1.5 }, p99: { at: 0.99, atMost: 1 } };

/** What a cluster of twelve thousand nodes comes to; few of it is pods. */
const PRESSURE = { perSecond: 3000, share: 5 };
/** 0 leaves it out. */
const PRESSURE_MINUTES = Number(process.env['MINUTES'] ?? 10);
const PRESSURE_MOST_MS = 100;

export async function lagScenario(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const share of SHARES) rows.push(...(await atShare(bench, share)));
  if (PRESSURE_MINUTES > 0) rows.push(await underPressure(bench));
  return rows;
}

async function atShare(bench: Bench, share: number): Promise<Row[]> {
  const runs: Record<'proposals' | 'transactions' | 'mirror', number[]>[] = [];
  for (let i = 0; i < bench.runs; i++) {
    say(`${share} %: ${SECONDS} s at ${PER_SECOND} revisions/s`);
    runs.push({
      proposals: await oneRun(bench, share, byProposals),
      transactions: await oneRun(bench, share, byTransactions),
      mirror: await oneRun(bench, share, theirs),
    });
  }
  return Object.entries(PERCENTILES).flatMap(([name, { at, atMost }]): Row[] => {
    const of = (whose: keyof (typeof runs)[number]) =>
      runs.map((one) => percentile(one[whose], at));
    const row = {
      ...{ scenario: 'lag', what: `${PER_SECOND} revisions/s, ${share} % ours: ${name}` },
      ...({ unit: 'ms', ratio: 'share', ours: of('proposals') } as const),
    };
    return [
      { ...row, against: 'make-mirror', theirs: of('mirror'), goal: { atMost } },
      { ...row, against: 'ours by transactions', theirs: of('transactions') },
    ];
  });
}

/**
 * At a rate that nothing else here takes: whether the lag stays where it is. The revisions that are not
 * ours are made by proposals on the source, or making them would take all of a core.
 */
async function underPressure(bench: Bench): Promise<Row> {
  const { perSecond, share } = PRESSURE;
  const seconds = PRESSURE_MINUTES * 60;
  say(`${PRESSURE_MINUTES} min at ${perSecond} revisions/s`);
  return inFolder(async (folder) => {
    const source = await Store.restored(folder, await bench.snapshot(KEYS));
    const { target, program } = await byProposals(folder, source);
    const arrivals = await Arrivals.on(target);
    const written = new Map<string, number>();
    const before = await source.head();
    const foreign = new ForeignRevisions(source, perSecond * (1 - share / 100));
    const load = new Load(source.client, bench.values, KEYS);
    await load.steadily({ perSecond: (perSecond * share) / 100, seconds, share: 100 }, (stamp) =>
      written.set(stamp, performance.now()),
    );
    const made = (await source.head()) - before;
    await foreign.end();
    const counted = [...written].slice(LEFT_OUT_SECONDS * perSecond * (share / 100));
    const lags = await arrivals.lags(counted);
    const usage = await program.end();
    await Promise.all([source.remove(), target.remove()]);
    const third = Math.floor(lags.length / 3);
    return {
      ...{
        scenario: 'lag',
        what: `${PRESSURE_MINUTES} min at ${perSecond}/s, ${share} % ours: p99`,
      },
      ...{ unit: 'ms', ours: [percentile(lags, 0.99)], against: 'the most that it may be' },
      ...{ theirs: [PRESSURE_MOST_MS], ratio: 'share', goal: { atMost: 1 } },
      parts: {
        'revisions made a second': [made / seconds],
        'median ms': [percentile(lags, 0.5)],
        'p99 ms of the first third': [percentile(lags.slice(0, third), 0.99)],
        'p99 ms of the last third': [percentile(lags.slice(-third), 0.99)],
        'CPU of follow, cores': [usage.cpuSeconds / usage.seconds],
        'its anonymous memory MiB': [usage.anonymousMiB],
      },
    };
  });
}

/** A target that is being kept up, and what does that. */
interface Pair {
  target: Store;
  program: Follow | MakeMirror;
}

type Begin = (folder: string, source: Store) => Promise<Pair>;

const byTransactions: Begin = (folder, source) => ours(folder, source, () => []);
const byProposals: Begin = (folder, source) =>
  ours(folder, source, ({ etcd }) => ['--dest-peers', `http://127.0.0.1:${etcd.peerPort}`]);

async function ours(
  folder: string,
  source: Store,
  more: (target: Store) => readonly string[],
): Promise<Pair> {
  const [base, journal] = [join(folder, 'base.db'), join(folder, 'journal')];
  await lockstep(folder, [
    ...['seed', '--endpoints', source.endpoint, '--prefix', PODS],
    ...['--journal', journal, '--out', base],
  ]);
  const target = await Store.restored(folder, base);
  const program = Follow.start(folder, journal, source.endpoint, target.endpoint, more(target));
  await program.until((status) => status.state === 'in lockstep');
  return { target, program };
}

async function theirs(folder: string, source: Store): Promise<Pair> {
  const target = await Store.empty(folder);
  const program = MakeMirror.start(folder, source.endpoint, target.endpoint);
  await target.untilPods(KEYS, () => {
    program.check();
  });
  return { target, program };
}

/** Lags in ms. */
async function oneRun(bench: Bench, share: number, begin: Begin): Promise<number[]> {
  return inFolder(async (folder) => {
    const source = await Store.restored(folder, await bench.snapshot(KEYS));
    const { target, program } = await begin(folder, source);
    const arrivals = await Arrivals.on(target);
    const written = new Map<string, number>();
    await new Load(source.client, bench.values, KEYS).steadily(
      { perSecond: PER_SECOND, seconds: SECONDS, share },
      (stamp) => written.set(stamp, performance.now()),
    );
    const counted = [...written].slice(LEFT_OUT_SECONDS * PER_SECOND * (share / 100));
    const lags = await arrivals.lags(counted);
    await program.end();
    await Promise.all([source.remove(), target.remove()]);
    return lags;
  });
}
