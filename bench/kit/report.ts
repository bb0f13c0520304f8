/** The results: kept as JSON, shown as text and as the tables of docs/performance.md. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { cache, root } from './place.js';
import { ratios, reached, spread, type Kept, type Row } from './result.js';

/** Rows of all runs so far, the newest of each; `make bench-record` copies it into the tree. */
export const kept = (): string => join(cache(), 'results.json');

export function readKept(path = kept()): Kept[] {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Kept[]) : [];
}

/** Puts the rows in the place of those that they measure anew. */
export function keep(rows: readonly Kept[], order: readonly string[]): void {
  const id = (row: Row): string => [row.scenario, row.what, row.against].join('|');
  const fresh = new Set(rows.map(id));
  const all = [...readKept().filter((row) => !fresh.has(id(row))), ...rows];
  all.sort(
    (a, b) =>
      order.indexOf(a.scenario) - order.indexOf(b.scenario) ||
      a.what.localeCompare(b.what, 'en', { numeric: true }),
  );
  writeFileSync(kept(), `${JSON.stringify(all, undefined, 1)}\n`);
}

export function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  return (
    git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', 'src') === '' ? '' : '+')
  );
}

function number(n: number): string {
  if (n >= 100) return Math.round(n).toLocaleString('en-US');
  return n >= 10 ? n.toFixed(1) : n.toFixed(2);
}

/** `4.1 (3.9–4.4)`; the spread only where there is one. */
function figure(values: readonly number[], unit = ''): string {
  const s = spread(values);
  if (!s) return '';
  const range = values.length > 1 ? ` (${number(s.min)}–${number(s.max)})` : '';
  return `${number(s.median)}${unit && ` ${unit}`}${range}`;
}

function goal(row: Row): string {
  if (!row.goal) return '';
  const text = 'atLeast' in row.goal ? `≥ ${row.goal.atLeast}` : `≤ ${row.goal.atMost}`;
  const done = reached(row);
  return done === undefined ? text : `${text} ${done ? '✓' : '✗'}`;
}

const HEADER = ['', 'ours', 'against', '', 'ratio', 'goal', 'runs'];

function cells(row: Row): string[] {
  const sign = row.ratio === 'faster' ? ' × faster' : ' ×';
  const ratio = figure(ratios(row));
  return [
    row.what,
    figure(row.ours, row.unit),
    row.against,
    figure(row.theirs, row.unit),
    ratio && ratio.replace(/( \(|$)/, `${sign}$1`),
    goal(row),
    String(row.ours.length),
  ];
}

function partsOf({ parts }: Row): string {
  return Object.entries(parts ?? {})
    .map(([name, values]) => `${name} ${number(spread(values)?.median ?? 0)}`)
    .join('; ');
}

/** The table of one scenario, as Markdown that can be read as it is. */
export function markdown(rows: readonly Row[]): string {
  const lines = [HEADER, ...rows.map(cells)];
  const widths = HEADER.map((_, i) => Math.max(3, ...lines.map((line) => line[i]!.length)));
  const text = lines.map((line) => `| ${line.map((c, i) => c.padEnd(widths[i]!)).join(' | ')} |`);
  text.splice(1, 0, `| ${widths.map((w) => '-'.repeat(w)).join(' | ')} |`);
  // A row may be held against several things; its parts are the same.
  const parts = new Map(rows.map((row) => [partsOf(row), row.what]));
  parts.delete('');
  const notes = [...parts].map(([list, what]) => `- ${what}: ${list}`);
  return [...text, ...(notes.length > 0 ? ['', 'Medians of the parts:', '', ...notes] : [])].join(
    '\n',
  );
}

export function machine(): string {
  const [first] = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} cores (${first?.model.trim() ?? 'unknown'}), ${gib} GiB, Node ${process.versions.node}`;
}
