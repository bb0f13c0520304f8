/** What the page of a night says. */
import { bytes, count, duration } from '../text.js';
import { blindSection } from './blind.js';
import type { ReportPage } from './frame.js';
import { html, Markup, NONE } from './markup.js';
import type { NightFacts } from './nightfacts.js';
import { clockText, stepsTable } from './nightsteps.js';
import { clustersTable, dataTable, factsTable, figures, section, timeText } from './parts.js';

const NOT_KNOWN = 'not known';

export function nightPage(facts: NightFacts): ReportPage {
  const { command, good, source, target, audit } = facts;
  return {
    kind: command === 'cutover' ? 'The night of a cutover' : 'The night of a rollback',
    verdict: { good, word: verdictWord(facts), sentences: sentences(facts) },
    sections: [
      figures(numbers(facts)),
      section('What is left to do', toDoList(facts)),
      ...(facts.alarmCount > 0 ? [section('Alarms', alarms(facts))] : []),
      section('What was moved, and between which etcds', moved(facts)),
      clustersTable(source, target),
      section('The steps', stepsTable(facts)),
      section('Which etcd each apiserver serves from', apiservers(facts)),
      section('Heads: no client may see a revision go back', fence(facts)),
      ...(audit ? [section('The audit before the freeze', auditTable(audit))] : []),
      section('Written late, on the side that was left', late(facts)),
      section('What was logged', log(facts)),
      blindSection(BLIND),
    ],
  };
}

/** `CUT OVER, WITH ALARMS` */
function verdictWord({ verdict }: NightFacts): string {
  return /^[A-Z]+(?:,? [A-Z]+)*\b/.exec(verdict)?.[0] ?? verdict;
}

function sentences(facts: NightFacts): string[] {
  const { verdict, failed, command, earlier, taken, resources, apiservers: all } = facts;
  const to = command === 'cutover' ? 'target' : 'source';
  return [
    ...(failed
      ? [`${verdict}.`, failed.code ? `${failed.message} [${failed.code}]` : failed.message]
      : [
          `${count(all.filter(({ now }) => now?.from === to).length)} of ${count(all.length)} apiservers were seen to serve ${resources.join(', ')} from the ${to}.`,
        ]),
    ...(taken && command === 'cutover'
      ? [
          `Up to revision ${taken.exact} the target was the source's exact copy: ${count(taken.keys)} keys, checksum ${taken.checksum}.`,
        ]
      : []),
    frozenSentence(facts),
    ...(earlier !== null && command === 'cutover'
      ? [
          `An earlier run had taken the target over and come to “${earlier}”. What it did is not known here, but for what the target says of it.`,
        ]
      : []),
  ];
}

function frozenSentence({ frozen, writes }: NightFacts): string {
  const { since, until, ownSeconds } = frozen;
  const own = ownSeconds === null ? '' : `; ${duration(ownSeconds)} of that was ours`;
  switch (writes) {
    case 'not refused':
      return 'Writes were not refused by this run.';
    case 'unknown':
      return 'Whether writes are refused now is not known: ask the apiservers.';
    case 'refused':
      return `Writes are refused, since ${since === null ? NOT_KNOWN : timeText(since)}.`;
    case 'let in again':
      return since === null || until === null
        ? 'Writes were let in again.'
        : `Writes were refused for ${duration(apart(since, until))}, and let in again${own}.`;
  }
}

/** Seconds between two times. */
function apart(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / 1000;
}

function numbers(facts: NightFacts): [string, string][] {
  const { frozen, taken, fence: heads, alarmCount, apiservers: all } = facts;
  const { since, until } = frozen;
  const still = facts.writes === 'refused' ? 'still refused' : NOT_KNOWN;
  const whole = since !== null && until !== null ? duration(apart(since, until)) : still;
  return [
    ['exact copy up to', taken ? String(taken.exact) : 'not taken over'],
    ['writes refused for', whole],
    ['fence, least ahead', heads ? count(heads.lowest.ahead) : 'none'],
    ['apiservers moved', `${all.filter((one) => one.moved !== null).length} of ${all.length}`],
    ['alarms', count(alarmCount)],
  ];
}

function toDoList({ toDo }: NightFacts): Markup {
  const one = ({ text, command }: NightFacts['toDo'][number]) =>
    html`<li>${text} ${command === null ? NONE : html`<br /><code>${command}</code>`}</li> `;
  return html`<ol>
    ${toDo.map(one)}
  </ol>`;
}

function alarms(facts: NightFacts): Markup {
  const { alarms: told, alarmCount } = facts;
  const more = alarmCount - told.length;
  return dataTable(
    [{ name: 'time, UTC' }, { name: 'alarm' }],
    [
      ...told.map(({ at, text }) => [clockText(at, facts), text]),
      ...(more > 0 ? [['', `and ${count(more)} more`]] : []),
    ],
  );
}

function moved({ prefixes, resources, taken, frozen, back, brought }: NightFacts): Markup {
  const { since, until } = frozen;
  return factsTable([
    ['resources', resources.length > 0 ? resources.join(', ') : NOT_KNOWN],
    ['keys', prefixes.length > 0 ? html`<code>${prefixes.join(' ')}</code>` : NOT_KNOWN],
    ...(taken
      ? ([
          ['target taken over', timeText(taken.at)],
          ['exact copy up to', `revision ${taken.exact}`],
          ['of that', html`${count(taken.keys)} keys, checksum <code>${taken.checksum}</code>`],
        ] as const)
      : []),
    ...(back ? ([['way back', wayText(back)]] as const) : []),
    ...(brought
      ? ([
          [
            'brought back',
            `${count(brought.put)} put, ${count(brought.deleted)} deleted, ${count(brought.unchanged)} kept their revision`,
          ],
          ['late writes replaced', replaced(brought.replaced)],
        ] as const)
      : []),
    ['writes refused', since === null ? 'not by this run' : `since ${timeText(since)}`],
    ['let in again', until === null ? 'not by this run' : timeText(until)],
  ]);
}

function replaced({ count: n, keys }: { count: number; keys: readonly string[] }): string {
  return n === 0 ? 'none' : `${count(n)}: ${keys.join(', ')}`;
}

function apiservers(facts: NightFacts): Markup {
  const text = (one: NightFacts['apiservers'][number]['now']) =>
    one ? (one.why ?? one.from) : 'not asked';
  return dataTable(
    [{ name: 'apiserver' }, { name: 'at first' }, { name: 'in the end' }, { name: 'moved, UTC' }],
    facts.apiservers.map(({ apiserver, before, now, moved: at }) => [
      ...[html`<code>${apiserver}</code>`, text(before), text(now)],
      at === null ? 'no' : clockText(at, facts),
    ]),
  );
}

function fence(facts: NightFacts): Markup {
  const { fence: heads, command } = facts;
  if (!heads) return html`<p>None was raised by this run.</p>`;
  const [above, below] = command === 'cutover' ? ['target', 'source'] : ['source', 'target'];
  return factsTable([
    ['kept above', `the head of the ${above}, above that of the ${below}`],
    [
      'least seen',
      `${count(heads.lowest.ahead)} ahead, at ${clockText(heads.lowest.at, facts)} UTC`,
    ],
    ['asked for', `a margin of ${count(heads.margin)}`],
    ['asked last', `source ${heads.source}, target ${heads.target}: ${count(heads.ahead)} ahead`],
  ]);
}

function auditTable({ at, report }: NonNullable<NightFacts['audit']>): Markup {
  const { equal, revision, source, target, cursor, differences, seconds, bytes: read } = report;
  const side = (name: string, keys: number, checksum: string) => [
    ...[name, count(keys), html`<code>${checksum}</code>`],
  ];
  return html`<p>
      ${equal ? 'EQUAL' : `DIFFERENT, ${count(differences)} differences`} at revision ${revision},
      ${timeText(at)}: every key in every field, while all was live; ${bytes(read)} in
      ${duration(seconds)}. From there on each change was compared as it came, up to the takeover.
    </p>
    ${dataTable(
      [{ name: '' }, { name: 'keys', numbers: true }, { name: 'checksum' }],
      [
        side('source', source.keys, source.checksum),
        side('target', target.keys, target.checksum),
        ...(cursor ? [side('cursor', cursor.keys, cursor.checksum)] : []),
      ],
    )}`;
}

function late({ lateWrites }: NightFacts): Markup {
  if (!lateWrites) return html`<p>Not known: it did not come to its end.</p>`;
  if (lateWrites.count === 0) return html`<p>Nothing, until the watch ended.</p>`;
  const more = lateWrites.count - lateWrites.named.length;
  return dataTable(
    [{ name: 'key' }, { name: 'revision', numbers: true }, { name: '' }],
    [
      ...lateWrites.named.map(({ key, revision, deleted }) => [
        ...[html`<code>${key}</code>`, String(revision), deleted ? 'deleted' : 'put'],
      ]),
      ...(more > 0 ? [[`and ${count(more)} more`, '', '']] : []),
    ],
  );
}

function log(facts: NightFacts): Markup {
  const { logged, loggedMore } = facts;
  const rows = logged.map(({ at, level, text }) => [clockText(at, facts), level, text]);
  if (loggedMore > 0)
    rows.splice(logged.length / 2, 0, ['', '', `${count(loggedMore)} lines are left out`]);
  return dataTable([{ name: 'time, UTC' }, { name: '' }, { name: 'line' }], rows);
}

const BLIND = [
  'What earlier runs of this night have done, but for what the target says of it.',
  'Writes on the side that was left, after the watch had ended.',
  'Whether Kubernetes does its work: that pods are scheduled and replaced is for people to look at.',
  'An apiserver that nobody named, if it wrote nothing.',
];

function wayText({ way, why }: NonNullable<NightFacts['back']>): string {
  if (way === 'short')
    return 'short: the source was kept current, and all keys were compared before writes were refused';
  return `long: every key was read while writes were refused${why === null ? '' : ` (${why})`}`;
}
