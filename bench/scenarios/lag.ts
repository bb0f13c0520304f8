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
import { Load } from '../kit/load.js';
import { inFolder, say } from '../kit/place.js';
import { Figures, percentile, type Row } from '../kit/result.js';
import type { Bench } from '../kit/scenario.js';

const KEYS = 2000;
const PER_SECOND = 300;
const SECONDS = 15;
/** Per cent. */
const SHARES = [100, 20];
/** The first ones warm up both programs. */
const LEFT_OUT_SECONDS = 3;
const PERCENTILES = { median: 0.5, p99: 0.99 };

export async function lagScenario(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const share of SHARES) rows.push(...(await atShare(bench, share)));
  return rows;
}

async function atShare(bench: Bench, share: number): Promise<Row[]> {
  const figures = { median: new Figures(), p99: new Figures() };
  for (let i = 0; i < bench.runs; i++) {
    say(`${share} %: ${SECONDS} s at ${PER_SECOND} revisions/s`);
    const [own, other] = [await oneRun(bench, share, ours), await oneRun(bench, share, theirs)];
    for (const [name, at] of Object.entries(PERCENTILES)) {
      const figure = figures[name as keyof typeof PERCENTILES];
      figure.ours.push(percentile(own, at));
      figure.theirs.push(percentile(other, at));
    }
  }
  return Object.entries(figures).map(([name, { ours, theirs }]) => ({
    scenario: 'lag',
    what: `${PER_SECOND} revisions/s, ${share} % ours: ${name}`,
    unit: 'ms',
    ours,
    against: 'make-mirror',
    theirs,
    ratio: 'share',
    goal: { atMost: 1 },
  }));
}

/** A target that is being kept up, and what does that. */
interface Pair {
  target: Store;
  program: Follow | MakeMirror;
}

type Begin = (folder: string, source: Store) => Promise<Pair>;

async function ours(folder: string, source: Store): Promise<Pair> {
  const [base, journal] = [join(folder, 'base.db'), join(folder, 'journal')];
  await lockstep(folder, [
    ...['seed', '--endpoints', source.endpoint, '--prefix', PODS],
    ...['--journal', journal, '--out', base],
  ]);
  const target = await Store.restored(folder, base);
  const program = Follow.start(folder, journal, source.endpoint, target.endpoint);
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
