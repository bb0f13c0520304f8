/** The end of a rehearsal, for people; docs/ shows it. */
import type { Finding } from '../cutover/findings.js';
import type { RehearsalReport } from '../cutover/rehearse.js';
import type { HookRun, ServedFrom } from '../cutover/rehearsedhooks.js';
import { outlookRows } from '../report/outlookrows.js';
import { count, table } from '../text.js';

export function rehearsalText(r: RehearsalReport): string {
  const what = r.prefixes.join(', ') || 'not known';
  const warnings = r.findings.filter(({ weight }) => weight === 'warning').length;
  const stops = r.findings.length - warnings;
  const found = [
    ...(stops > 0 ? [`stopping it ${count(stops)}`] : []),
    ...(warnings > 0 ? [`warnings ${count(warnings)}`] : []),
  ];
  return [
    `${r.goesThrough ? 'GOES THROUGH' : 'WOULD BE REFUSED'}: ${what}`,
    table([['', 'expected', 'from'], ...outlookRows(r).map((row) => [...row])]),
    ...(r.apiservers.length > 0 ? [apiservers(r)] : []),
    ...(found.length > 0 ? ['', `Findings: ${found.join(', ')}`] : []),
    ...r.findings.map(findingText),
  ].join('\n');
}

function apiservers({ apiservers: all, flip }: RehearsalReport): string {
  return table([
    ['apiserver', 'serves from', 'hook', 'took', 'restart'],
    ...all.map(({ apiserver, before, after, hook }) => [
      apiserver,
      ...[whereText(before, after), ...hookCells(hook)],
    ]),
    ...(flip ? [['(the flip)', '', ...hookCells(flip)]] : []),
  ]);
}

function whereText(before: ServedFrom, after: ServedFrom | null): string {
  const moved = after && after.from !== before.from;
  return moved ? `${before.from}, then ${after.from}` : before.from;
}

function hookCells(run: HookRun | null): string[] {
  if (!run) return ['', '', ''];
  const { seconds, restartSeconds, failed } = run;
  const text = (n: number | null) => (n === null ? '' : `${n.toFixed(1)} s`);
  const how = seconds === null ? 'not run' : failed === null ? 'ok' : 'FAILED';
  return [how, text(seconds), text(restartSeconds)];
}

export function findingText({ weight, about, code, message, hint }: Finding): string {
  const what = `${weight === 'stops' ? 'STOPS' : 'warning'}  ${about}: ${message}`;
  const name = code === null ? '' : ` [${code}]`;
  return `  ${what}${name}${hint === null ? '' : `\n         ${hint}`}`;
}
