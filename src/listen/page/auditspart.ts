/** The last audits, with links to their reports, and one that is under way. */
import type { AuditOutcome } from '../../auditing/outcome.js';
import type { View } from '../view.js';
import { count, duration } from '../../text.js';
import { bar, make, place, type Content } from './elements.js';
import { running } from './times.js';

const RESULTS = {
  equal: '✓ equal',
  different: '≠ different',
  failed: '! failed',
} as const satisfies Record<AuditOutcome['result'], string>;

const HEADS = ['Result', 'At revision', 'Keys', 'Took', 'Ended', 'Report'];

const show = place('audits', ({ audits, auditing }: Pick<View, 'audits' | 'auditing'>) => [
  make('h2', '', 'Audits'),
  auditing && make('div', 'auditing', ...underWay(auditing)),
  audits.length === 0 ? make('p', 'note', 'None has ended in this process yet.') : table(audits),
]);

/** Where nothing was or is audited there is nothing to show: only followers and mirrors can. */
export function showAudits({ command, audits, auditing }: View): void {
  const audited = ['follow', 'mirror'].includes(command) || audits.length > 0 || auditing !== null;
  show(audited ? { audits, auditing } : null);
}

function underWay({ since, share, differences }: NonNullable<View['auditing']>): Content[] {
  const percent = share === null ? null : `${Math.floor(share * 100)} %`;
  return [
    make('span', '', 'Comparing for ', running(since), percent === null ? '' : `, ${percent}`),
    differences === 0 ? null : make('span', 'audit-different', ` ${differencesText(differences)}`),
    share === null ? null : bar(share, 'audit under way'),
  ];
}

function differencesText(differences: number): string {
  return `${RESULTS.different}: ${count(differences)} difference${differences === 1 ? '' : 's'}`;
}

function table(audits: readonly AuditOutcome[]): Content {
  const head = make('tr', '', ...HEADS.map((name) => make('th', '', name)));
  const body = make('tbody', '', ...audits.flatMap(rows));
  return make('div', 'scroll', make('table', '', make('thead', '', head), body));
}

function rows(audit: AuditOutcome): Content[] {
  const { result, revision, keys, differences, seconds, at, file, message } = audit;
  const cell = (className: string, ...contents: Content[]): HTMLTableCellElement =>
    make('td', className, ...contents);
  const what = result === 'different' ? differencesText(differences) : RESULTS[result];
  const row = make(
    'tr',
    `audit-${result}`,
    cell('result', what),
    cell('revision', revision === null ? '' : String(revision)),
    cell('number', result === 'failed' ? '' : count(keys)),
    cell('number', duration(seconds)),
    cell('', running(at), ' ago'),
    cell('', file === null ? '' : reportLink(file)),
  );
  if (message === null) return [row];
  const why = cell('note', message);
  why.colSpan = HEADS.length;
  return [row, make('tr', 'why', why)];
}

function reportLink(file: string): HTMLElement {
  const link = make('a', '', 'open');
  link.href = `reports/${encodeURIComponent(file)}`;
  link.title = file;
  return link;
}
