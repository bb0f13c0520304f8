/**
 * An audit against reading both sides by paged Range at the same time and nothing else: as the audit
 * reports its time, so that neither pays for the start of its process.
 */
import { join } from 'node:path';
import type { AuditReport } from '../../src/audit/report.js';
import { lockstep, readByRange } from '../kit/commands.js';
import { PODS } from '../kit/data.js';
import { Store } from '../kit/etcds.js';
import { inFolder } from '../kit/place.js';
import { Figures, type Row } from '../kit/result.js';
import { keysText, type Bench } from '../kit/scenario.js';

export async function auditScenario(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const keys of bench.sizes) rows.push(await atSize(bench, keys));
  return rows;
}

async function atSize(bench: Bench, keys: number): Promise<Row> {
  const source = await bench.source(keys);
  const figures = new Figures();
  await inFolder(async (folder) => {
    const base = join(folder, 'base.db');
    await lockstep(folder, [
      ...['seed', '--endpoints', source.endpoint, '--prefix', PODS, '--from', 'snapshot'],
      ...['--journal', join(folder, 'journal'), '--out', base],
    ]);
    const target = await Store.restored(folder, base);
    for (let i = 0; i < bench.runs; i++) {
      await ours(folder, source, target, figures);
      figures.theirs.push(await readByRange(folder, source.endpoint, target.endpoint));
    }
    await target.remove();
  });
  return {
    scenario: 'audit',
    what: keysText(keys),
    unit: 's',
    ours: figures.ours,
    against: 'reading both sides by Range',
    theirs: figures.theirs,
    // Of two times, the share of the rate is the other way round.
    ratio: 'faster',
    goal: { atLeast: 0.9 },
    parts: figures.parts,
  };
}

async function ours(folder: string, source: Store, target: Store, figures: Figures): Promise<void> {
  const { result, usage } = await lockstep(folder, [
    ...['audit', '--endpoints', source.endpoint, '--dest-endpoints', target.endpoint],
    ...['--prefix', PODS],
  ]);
  const { report } = result as { report: AuditReport };
  if (!report.equal) throw new Error('the audit has found differences');
  figures.ours.push(report.seconds);
  figures.part('whole process s', usage.seconds);
  figures.part('CPU s', usage.cpuSeconds);
  figures.part('anonymous memory MiB', usage.anonymousMiB);
}
