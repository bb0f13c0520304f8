/**
 * A million small keys among as many others: that each command comes to its end, in which time and memory.
 * Nothing is held against it but reading them: what grows with the number of keys, and not with their bytes, shows
 * here.
 */
import { join } from 'node:path';
import { lockstep, readByRange } from '../kit/commands.js';
import { PODS, snapshotOf } from '../kit/data.js';
import { Store } from '../kit/etcds.js';
import { inFolder, say } from '../kit/place.js';
import { Figures, type Row } from '../kit/result.js';
import { keysText, type Bench } from '../kit/scenario.js';

const KEYS = 1_000_000;
const BYTES = 1024;

export async function millionScenario(bench: Bench): Promise<Row[]> {
  const snapshot = await snapshotOf(KEYS, bench.values, BYTES);
  const [crop, seed, audit] = [new Figures(), new Figures(), new Figures()];
  for (let i = 0; i < bench.runs; i++)
    await inFolder(async (folder) => {
      const file = (name: string) => join(folder, name);
      await ours(folder, crop, ['crop', snapshot, '--prefix', PODS, '--out', file('cropped.db')]);
      say('restoring it');
      const source = await Store.restored(folder, snapshot);
      const from = ['--endpoints', source.endpoint, '--prefix', PODS];
      const [journal, base] = [file('journal'), file('base.db')];
      await ours(folder, seed, ['seed', ...from, '--journal', journal, '--out', base]);
      seed.theirs.push(await readByRange(folder, source.endpoint));
      const target = await Store.restored(folder, base);
      await ours(folder, audit, ['audit', ...from, '--dest-endpoints', target.endpoint]);
      audit.theirs.push(await readByRange(folder, source.endpoint, target.endpoint));
      await Promise.all([source.remove(), target.remove()]);
    });
  const row = (command: string, { ours, theirs, parts }: Figures, against: string): Row => ({
    ...{ scenario: 'million', what: `\`${command}\`, ${keysText(KEYS)} of 1 KB`, unit: 's' },
    ...{ ours, against, theirs, parts, ratio: 'share' },
  });
  return [
    row('seed', seed, 'paged Range of them'),
    row('audit', audit, 'reading both sides by Range'),
    row('crop', crop, ''),
  ];
}

async function ours(folder: string, figures: Figures, command: string[]): Promise<void> {
  const { usage } = await lockstep(folder, command);
  figures.ours.push(usage.seconds);
  figures.part('CPU s', usage.cpuSeconds);
  figures.part('anonymous memory MiB', usage.anonymousMiB);
}
