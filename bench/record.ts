/**
 * make bench-record: the results of `make bench` into bench/results.json and docs/performance.md. What was
 * not measured again stays as it is there.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cache, root } from './kit/place.js';
import { markdown, readKept } from './kit/report.js';
import type { Kept } from './kit/result.js';
import { QUIET_CORES } from './kit/usage.js';

const DOCS = join(root, 'docs/performance.md');
const rows = readKept();
if (rows.length === 0) throw new Error(`nothing in ${cache()}; run make bench`);
const RESULTS = join(root, 'bench/results.json');
const measured = new Set(rows.map(({ scenario }) => scenario));
const before = JSON.parse(readFileSync(RESULTS, 'utf8')) as Kept[];
const kept = [...before.filter(({ scenario }) => !measured.has(scenario)), ...rows];
writeFileSync(RESULTS, `${JSON.stringify(kept, undefined, 2)}\n`);

let text = readFileSync(DOCS, 'utf8');
for (const scenario of measured) {
  const [begin, end] = [`<!-- bench: ${scenario} -->`, `<!-- end: ${scenario} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${DOCS} has no place for ${scenario}`);
  const own = rows.filter((row) => row.scenario === scenario);
  const commits = [...new Set(own.map((row) => row.commit))].join(', ');
  const note = own.every((row) => row.fsync) ? '' : '; WITHOUT fsync';
  const busy = own.some((row) => row.othersCores > QUIET_CORES);
  const noise = busy ? '; others kept the machine busy in some of the runs' : '';
  const table = `${markdown(own)}\n\nMeasured at ${commits}${note}${noise}.`;
  text = `${text.slice(0, from)}${begin}\n\n${table}\n\n${text.slice(to)}`;
}
writeFileSync(DOCS, text);
