/**
 * From a live source to a target that can be read: seed, restore and boot against make-mirror's
 * base sync of the same pods into an empty etcd.
 */
import { join } from 'node:path';
import { MakeMirror, lockstep } from '../kit/commands.js';
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

export async function seedScenario(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const keys of bench.sizes) rows.push(...(await atSize(bench, keys)));
  return rows;
}

async function atSize(bench: Bench, keys: number): Promise<Row[]> {
  const source = await bench.source(keys);
  const figures = { range: new Figures(), snapshot: new Figures() };
  const theirs: number[] = [];
  for (let i = 0; i < bench.runs; i++) {
    for (const from of FROM) await ours(source, from, figures[from]);
    if (keys <= MOST_KEYS_FOR_THEM) theirs.push(await makeMirror(source, keys));
  }
  return FROM.map((from) => ({
    scenario: 'seed',
    what: `${keysText(keys)}, \`--from ${from}\``,
    unit: 's',
    ours: figures[from].ours,
    against: theirs.length > 0 ? 'make-mirror, base sync' : '',
    theirs,
    ratio: 'faster',
    ...(keys === 100_000 ? { goal: { atLeast: 20 } } : {}),
    parts: figures[from].parts,
  }));
}

async function ours(source: Store, from: string, figures: Figures): Promise<void> {
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
    figures.ours.push(usage.seconds + restoreSeconds + bootSeconds);
    figures.part('seed s', usage.seconds);
    figures.part('restore s', restoreSeconds);
    figures.part('boot s', bootSeconds);
    figures.part('CPU of seed s', usage.cpuSeconds);
    figures.part('CPU of the source s', sourceCpu);
    figures.part('anonymous memory of seed MiB', usage.anonymousMiB);
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
