/**
 * From a live source to a target that can be read: seed, restore and boot against make-mirror's base sync of the
 * same pods into an empty etcd. And seed by itself against what it cannot do without: pages against reading them
 * with nothing else done, a snapshot against saving it.
 */
import { join } from 'node:path';
import { lockstep, MakeMirror, readByRange, saveSnapshot } from '../kit/commands.js';
import { PODS } from '../kit/data.js';
import { Store } from '../kit/etcds.js';
import { inFolder } from '../kit/place.js';
import { Figures, type Row } from '../kit/result.js';
import type { Bench } from '../kit/scenario.js';
import { keysText } from '../kit/scenario.js';
import { cpuSeconds } from '../kit/usage.js';

/** make-mirror needs minutes for more; its time grows with the number of keys. */
const MOST_KEYS_FOR_THEM = 100_000;
const FROM = ['range', 'snapshot'] as const;
type From = (typeof FROM)[number];

const BARE: Record<From, { against: string; most: number }> = {
  range: { against: 'paged Range, nothing else done', most: 1.4 },
  snapshot: { against: 'etcdctl snapshot save of the whole store', most: 1.6 },
};
/** With fewer the start of the process is most of it. */
const LEAST_KEYS_FOR_GOAL = 100_000;

export async function seedScenario(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  const times = new Map<number, readonly number[]>();
  for (const keys of bench.sizes) {
    const { made, seconds } = await atSize(bench, keys);
    rows.push(...made);
    times.set(keys, seconds);
  }
  return [...rows, ...linear(times)];
}

/** Five times as many take five times as long. */
function linear(times: ReadonlyMap<number, readonly number[]>): Row[] {
  const rows: Row[] = [];
  for (const [keys, seconds] of times) {
    const fifth = times.get(keys / 5);
    if (!fifth) continue;
    rows.push({
      scenario: 'seed',
      what: `${keysText(keys)}, \`--from range\`, seed alone`,
      unit: 's',
      ours: [...seconds],
      against: `five times ${keysText(keys / 5)}`,
      theirs: fifth.map((one) => 5 * one),
      ratio: 'share',
      goal: { atMost: 1.1 },
    });
  }
  return rows;
}

async function atSize(
  bench: Bench,
  keys: number,
): Promise<{ made: Row[]; seconds: readonly number[] }> {
  const source = await bench.source(keys);
  const whole = { range: new Figures(), snapshot: new Figures() };
  const alone = { range: new Figures(), snapshot: new Figures() };
  const theirs: number[] = [];
  for (let i = 0; i < bench.runs; i++) {
    for (const from of FROM) {
      await ours(source, keys, from, whole[from], alone[from]);
      alone[from].theirs.push(await inFolder((folder) => bare(folder, source, from)));
    }
    if (keys <= MOST_KEYS_FOR_THEM) theirs.push(await makeMirror(source, keys));
  }
  const what = (from: From) => `${keysText(keys)}, \`--from ${from}\``;
  const made = FROM.flatMap((from): Row[] => [
    {
      ...{ scenario: 'seed', what: what(from), unit: 's', ours: whole[from].ours },
      against: theirs.length > 0 ? 'make-mirror, base sync' : '',
      ...{ theirs, ratio: 'faster' },
      ...(keys === 100_000 ? { goal: { atLeast: 18 } } : {}),
      parts: whole[from].parts,
    },
    {
      ...{ scenario: 'seed', what: `${what(from)}, seed alone`, unit: 's' },
      ...{ ours: alone[from].ours, theirs: alone[from].theirs, ratio: 'share' },
      against: BARE[from].against,
      ...(keys < LEAST_KEYS_FOR_GOAL ? {} : { goal: { atMost: BARE[from].most } }),
    },
  ]);
  return { made, seconds: alone.range.ours };
}

/** Seconds. */
async function bare(folder: string, source: Store, from: From): Promise<number> {
  if (from === 'range') return readByRange(folder, source.endpoint);
  return (await saveSnapshot(folder, source.endpoint)).seconds;
}

async function ours(
  source: Store,
  keys: number,
  from: From,
  whole: Figures,
  alone: Figures,
): Promise<void> {
  await inFolder(async (folder) => {
    const base = join(folder, 'base.db');
    const before = cpuSeconds(source.etcd.pid) ?? 0;
    const { usage } = await lockstep(folder, [
      ...['seed', '--endpoints', source.endpoint, '--prefix', PODS, '--from', from],
      ...['--journal', join(folder, 'journal'), '--out', base],
    ]);
    const sourceCpu = (cpuSeconds(source.etcd.pid) ?? 0) - before;
    const { store, restoreSeconds, bootSeconds } = await Store.restoredInSteps(folder, base);
    await store.remove();
    alone.ours.push(usage.seconds);
    whole.ours.push(usage.seconds + restoreSeconds + bootSeconds);
    whole.part('seed s', usage.seconds);
    whole.part('restore s', restoreSeconds);
    whole.part('boot s', bootSeconds);
    whole.part('CPU of seed s', usage.cpuSeconds);
    whole.part('CPU of seed µs a row', (1e6 * usage.cpuSeconds) / keys);
    whole.part('CPU of the source s', sourceCpu);
    whole.part('anonymous memory of seed MiB', usage.anonymousMiB);
  });
}

async function makeMirror(source: Store, keys: number): Promise<number> {
  return inFolder(async (folder) => {
    const target = await Store.empty(folder);
    const started = performance.now();
    const mirror = MakeMirror.start(folder, source.endpoint, target.endpoint);
    await target.untilPods(keys, () => {
      mirror.check();
    });
    const seconds = (performance.now() - started) / 1000;
    await mirror.end();
    await target.remove();
    return seconds;
  });
}
