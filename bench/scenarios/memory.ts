/**
 * Whether memory grows with the data: the anonymous memory of each command at the smallest and at the
 * largest size, and what they take. Mapped files are left out: they are the page cache's, which the system takes back.
 */
import { join } from 'node:path';
import { Follow, lockstep } from '../kit/commands.js';
import { PODS } from '../kit/data.js';
import { Store } from '../kit/etcds.js';
import { Load } from '../kit/load.js';
import { inFolder, say } from '../kit/place.js';
import type { Row } from '../kit/result.js';
import { keysText, type Bench } from '../kit/scenario.js';
import type { Usage } from '../kit/usage.js';

const BACKLOG = 10_000;
const SHARE = 50;
const ENOUGH_MIB = 200;

type Command = 'seed --from range' | 'seed --from snapshot' | 'crop' | 'follow' | 'audit';
type Costs = Record<Command, Usage>;

export async function memoryScenario(bench: Bench): Promise<Row[]> {
  const [small, large] = [Math.min(...bench.sizes), Math.max(...bench.sizes)];
  const few = await inFolder((folder) => costs(bench, folder, small));
  const many = await inFolder((folder) => costs(bench, folder, large));
  return (Object.keys(few) as Command[]).map((command) => ({
    scenario: 'memory',
    what: `\`${command}\`, ${keysText(large)}`,
    unit: 'MiB',
    ours: [many[command].anonymousMiB],
    against: `the same with ${keysText(small)}`,
    theirs: [few[command].anonymousMiB],
    ratio: 'share',
    // Where a short run is small the ratio says little, and so much is enough.
    ...(many[command].anonymousMiB > ENOUGH_MIB ? { goal: { atMost: 1.3 } } : {}),
    parts: {
      [`s with ${keysText(small)}`]: [few[command].seconds],
      [`s with ${keysText(large)}`]: [many[command].seconds],
    },
  }));
}

async function costs(bench: Bench, folder: string, keys: number): Promise<Costs> {
  say(`memory with ${keysText(keys)}`);
  const snapshot = await bench.snapshot(keys);
  const source = await Store.restored(folder, snapshot);
  const file = (name: string): string => join(folder, name);
  const cost = async (...args: string[]): Promise<Usage> => (await lockstep(folder, args)).usage;
  const from = ['--endpoints', source.endpoint];

  const crop = await cost('crop', snapshot, '--prefix', PODS, '--out', file('cropped.db'));
  const seed = (how: string) =>
    cost(
      ...['seed', ...from, '--prefix', PODS, '--from', how],
      ...['--journal', file(`${how}.journal`), '--out', file(`${how}.db`)],
    );
  const [range, streamed] = [await seed('range'), await seed('snapshot')];
  const target = await Store.restored(folder, file('range.db'));
  await new Load(source.client, bench.values, keys).backlog(BACKLOG, SHARE);
  const head = await source.head();
  const program = Follow.start(folder, file('range.journal'), source.endpoint, target.endpoint);
  await program.until(({ position }) => (position ?? 0) >= head);
  const follow = await program.end();
  const audit = await cost('audit', ...from, '--dest-endpoints', target.endpoint, '--prefix', PODS);
  await Promise.all([source.remove(), target.remove()]);
  return { 'seed --from range': range, 'seed --from snapshot': streamed, crop, follow, audit };
}
