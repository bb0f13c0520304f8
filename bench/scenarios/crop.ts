/**
 * A snapshot file, cropped: against the floor, which is to read the input, to write the output and
 * to sum both once; and against what one would do with etcd's own tools, which is to restore it, to
 * delete all else, to compact and to defragment.
 *
 * Both read from the page cache, where the machine has room for the file. The floor does not wait
 * for the disk (our output does, and etcd's).
 */
import { join } from 'node:path';
import { prefixRange } from '../../src/mvcc/prefix.js';
import { binaries } from '../../test/rig/binaries.js';
import { lockstep, run } from '../kit/commands.js';
import { FOREIGN, PODS } from '../kit/data.js';
import { Store } from '../kit/etcds.js';
import { inFolder } from '../kit/place.js';
import { Figures, type Row } from '../kit/result.js';
import { keysText, type Bench } from '../kit/scenario.js';

/** etcd's own way deletes a fifth of the foreign keys in one request, which has seven seconds. */
const MOST_KEYS_FOR_ETCD = 100_000;

export async function cropScenario(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const keys of bench.sizes) rows.push(...(await atSize(bench, keys)));
  return rows;
}

async function atSize(bench: Bench, keys: number): Promise<Row[]> {
  const snapshot = await bench.snapshot(keys);
  const figures = new Figures();
  const etcd: number[] = [];
  for (let i = 0; i < bench.runs; i++)
    await inFolder(async (folder) => {
      const out = join(folder, 'base.db');
      await ours(folder, snapshot, out, figures);
      figures.theirs.push(await floor(folder, snapshot, out));
      if (keys <= MOST_KEYS_FOR_ETCD) etcd.push(await etcdsOwn(folder, snapshot));
    });
  const row = { scenario: 'crop', what: keysText(keys), unit: 's', ours: figures.ours } as const;
  const rows: Row[] = [
    {
      ...row,
      against: 'the floor: cat and sha256sum of both files',
      theirs: figures.theirs,
      ratio: 'share',
      goal: { atMost: 3 },
      parts: figures.parts,
    },
  ];
  if (etcd.length > 0)
    rows.push({
      ...row,
      against: 'restore, start, delete the rest, compact, defrag',
      theirs: etcd,
      ratio: 'faster',
    });
  return rows;
}

async function ours(
  folder: string,
  snapshot: string,
  out: string,
  figures: Figures,
): Promise<void> {
  const { usage } = await lockstep(folder, ['crop', snapshot, '--prefix', PODS, '--out', out]);
  figures.ours.push(usage.seconds);
  figures.part('CPU s', usage.cpuSeconds);
  figures.part('anonymous memory MiB', usage.anonymousMiB);
}

async function floor(folder: string, input: string, output: string): Promise<number> {
  const script = 'cat "$0" > /dev/null; cat "$1" > "$2"; sha256sum "$0" "$1"';
  const { seconds } = await run(folder, ['sh', '-c', script, input, output, `${output}.copy`]);
  return seconds;
}

async function etcdsOwn(folder: string, snapshot: string): Promise<number> {
  const started = performance.now();
  const store = await Store.restored(folder, snapshot);
  const ctl = (...args: string[]) =>
    run(folder, [
      ...[binaries().etcdctl, '--endpoints', store.endpoint, '--command-timeout=120s'],
      ...args,
    ]);
  for (const prefix of FOREIGN) await ctl('del', '--prefix', prefix);
  const head = await store.head();
  await ctl('compact', '--physical', String(head));
  await ctl('defrag');
  const seconds = (performance.now() - started) / 1000;
  const { count } = await store.client.range({ ...prefixRange('/'), limit: 1, keysOnly: true });
  if (count !== (await store.pods())) throw new Error('something foreign is left');
  await store.remove();
  return seconds;
}
