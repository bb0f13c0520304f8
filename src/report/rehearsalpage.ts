/** What the page of a rehearsal says: whether a night would go through, what it will be like, the runbook. */
import { count } from '../text.js';
import { blindSection } from './blind.js';
import type { ReportPage } from './frame.js';
import { html, Markup, NONE } from './markup.js';
import { outlookRows } from './outlookrows.js';
import { clustersTable, dataTable, factsTable, figures, section } from './parts.js';
import type { RehearsalFacts } from './rehearsalfacts.js';
import { clusterRows } from './runbooktext.js';

export function rehearsalPage(facts: RehearsalFacts): ReportPage {
  const { rehearsal, source, target, about, runbook } = facts;
  const parts = [...new Set(runbook.map(({ part }) => part))];
  return {
    kind: 'The rehearsal of a cutover',
    verdict: {
      good: rehearsal.goesThrough,
      word: rehearsal.goesThrough ? 'GOES THROUGH' : 'WOULD BE REFUSED',
      sentences: sentences(facts),
    },
    sections: [
      figures(
        outlookRows(rehearsal)
          .slice(0, 3)
          .map(([what, expected]) => [what, expected]),
      ),
      section('What was found', found(facts)),
      section(
        'What the night will be like',
        dataTable(
          [{ name: 'what' }, { name: 'expected' }, { name: 'from' }],
          outlookRows(rehearsal),
        ),
      ),
      section('Apiservers and their hooks', apiservers(facts)),
      section('This cluster', factsTable(clusterRows(about))),
      clustersTable(source, target),
      ...parts.map((part) =>
        section(part, html`${runbook.filter((one) => one.part === part).map((one) => entry(one))}`),
      ),
      blindSection(BLIND),
    ],
  };
}

function sentences({ rehearsal }: RehearsalFacts): string[] {
  const { goesThrough, findings, resources } = rehearsal;
  const stops = findings.filter(({ weight }) => weight === 'stops').length;
  return [
    goesThrough
      ? `Nothing was found that would stop a cutover of ${resources.join(', ')}.`
      : `A cutover would not go through. Found that stops it: ${count(stops)}.`,
    'Nothing was frozen, and no apiserver was to move: hooks ran with REHEARSE=1.',
  ];
}

function found({ rehearsal }: RehearsalFacts): Markup {
  if (rehearsal.findings.length === 0) return html`<p>Nothing.</p>`;
  return dataTable(
    [{ name: 'about' }, { name: '' }, { name: 'what, and what to do' }],
    rehearsal.findings.map(({ weight, about, message, hint, code }) => [
      about,
      weight === 'stops' ? html`<strong>STOPS</strong>` : 'warning',
      html`${message}${code === null ? '' : ` [${code}]`}${hint === null ? NONE : html`<br />${hint}`}`,
    ]),
  );
}

function apiservers({ rehearsal }: RehearsalFacts): Markup {
  const hook = (run: RehearsalFacts['rehearsal']['flip']) => {
    if (!run) return ['none', ''];
    const { seconds, restartSeconds, failed } = run;
    const told = restartSeconds === null ? '' : `; says ${restartSeconds.toFixed(1)} s`;
    return [failed ?? 'done well', seconds === null ? 'not run' : `${seconds.toFixed(1)} s${told}`];
  };
  return dataTable(
    [
      { name: 'apiserver' },
      ...[{ name: 'serves from' }, { name: 'after its hook' }, { name: 'hook' }, { name: 'took' }],
    ],
    [
      ...rehearsal.apiservers.map(({ apiserver, old, before, after, hook: run }) => [
        html`<code>${apiserver}</code>${old ? ' (old)' : ''}`,
        ...[before.why ?? before.from, after ? (after.why ?? after.from) : '', ...hook(run)],
      ]),
      ...(rehearsal.flip ? [['the flip', '', '', ...hook(rehearsal.flip)]] : []),
    ],
  );
}

function entry({ title, type, see, otherwise, link }: RehearsalFacts['runbook'][number]): Markup {
  return html`<h3>${title}</h3>
    ${type.map((line) => html`<pre>${line}</pre>`)}
    ${factsTable([
      ['see', withCode(see)],
      ['if not', withCode(otherwise)],
      ['read', link],
    ])} `;
}

/** What stands in backticks in Markdown. */
function withCode(text: string): Markup {
  return html`${text.split('`').map((part, i) => (i % 2 === 0 ? html`${part}` : html`<code>${part}</code>`))}`;
}

const BLIND = [
  'How long writes are refused: what only a night does (freeze, takeover, fence) is estimated.',
  'What a hook does without REHEARSE=1: it was told to move nothing.',
  'What changes until the night: rehearse again an hour before.',
  'Clients that do not take an apiserver’s restart well, and an apiserver that nobody named.',
];
