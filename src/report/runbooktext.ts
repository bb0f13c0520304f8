/** A runbook as Markdown, for a wiki, a printer or a terminal. */
import type { RehearsalFacts } from './rehearsalfacts.js';
import { timeText } from './parts.js';
import { outlookRows } from './outlookrows.js';

export function runbookText(facts: RehearsalFacts): string {
  const { made, about, runbook, rehearsal } = facts;
  const parts = [...new Set(runbook.map(({ part }) => part))];
  const lines = [
    `# The night of a cutover: ${rehearsal.prefixes.join(', ') || 'not known'}`,
    '',
    `Made by \`${made.command}\` on ${made.host}, ${timeText(made.ended)}, etcd-lockstep ${made.version}. What the words mean: docs/cutover.md.`,
    '',
    rehearsal.goesThrough
      ? '**The rehearsal went through.**'
      : '**The rehearsal did not go through: mend what is below first.**',
    '',
    '| what | here |',
    '| --- | --- |',
    ...clusterRows(about).map(([name, value]) => `| ${name} | ${cell(value)} |`),
    '',
    '## What the night will be like',
    '',
    '| what | expected | from |',
    '| --- | --- | --- |',
    ...outlookRows(rehearsal).map((row) => `| ${row.map(cell).join(' | ')} |`),
    '',
    ...foundLines(facts),
    ...parts.flatMap((part) => [
      `## ${part}`,
      '',
      ...runbook.filter((one) => one.part === part).flatMap(entryLines),
    ]),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

/** The cluster, for whoever has several. */
export function clusterRows(about: RehearsalFacts['about']): [string, string][] {
  const { config, source, target, apiservers, oldApiservers, overrides } = about;
  return [
    ['config file', config ?? 'none: all is on the command lines'],
    ['source', source.join(', ')],
    ['target', target.join(', ')],
    ['apiservers', apiservers.join(', ')],
    ...(oldApiservers.length > 0
      ? ([['old apiservers', oldApiservers.join(', ')]] as [string, string][])
      : []),
    ['their flag', overrides === '' ? 'not known' : `--etcd-servers-overrides=${overrides}`],
  ];
}

function foundLines({ rehearsal }: RehearsalFacts): string[] {
  if (rehearsal.findings.length === 0) return [];
  return [
    '## What was found',
    '',
    ...rehearsal.findings.map(
      ({ weight, about, message, hint, code }) =>
        `- **${weight === 'stops' ? 'STOPS' : 'warning'}** ${about}: ${message}${code === null ? '' : ` [${code}]`}.${hint === null ? '' : ` ${hint}`}`,
    ),
    '',
  ];
}

function entryLines({
  title,
  type,
  see,
  otherwise,
  link,
}: RehearsalFacts['runbook'][number]): string[] {
  return [
    `### ${title}`,
    '',
    ...(type.length > 0 ? ['```sh', ...type, '```', ''] : []),
    `- [ ] see: ${see}`,
    `- if not: ${otherwise}`,
    `- read: ${link}`,
    '',
  ];
}

function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`);
}
