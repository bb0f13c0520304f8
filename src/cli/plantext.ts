/** A plan for people: what is there, what to do with it, what is in the way, and the steps. */
import { rate } from '../plan/estimates.js';
import type { Part } from '../plan/parts.js';
import type { Plan, PlannedFolder } from '../plan/plan.js';
import { bytes, count, duration, fields, table } from '../text.js';
import type { PlanStep } from './plansteps.js';
import { percent } from './splitsteps.js';

/** Resources that are listed; in JSON there are all. */
const MAX_LISTED = 25;
const WIDTH = 100;

/** @param config that was written; undefined: none was asked for */
export function planText(plan: Plan, steps: readonly PlanStep[], config?: string): string {
  return [
    'What the source holds, and what to do with it:',
    resourceTable(plan),
    '',
    ...(plan.parts
      ? ['Each of these gets an etcd of its own:', partTable(plan.parts)]
      : [`To be moved at its revisions: ${plan.prefixes.join(', ')}`, fields(movedRows(plan))]),
    '',
    ...flagLines(plan),
    'Checks:',
    ...plan.checks.flatMap(checkLines),
    '',
    'The order of the work:',
    ...steps.flatMap(stepLines),
    '',
    ...(config === undefined
      ? []
      : [
          `Written: ${config}, for all of these commands. Look at it, and fill in what is a comment.`,
        ]),
    verdictLine(plan),
  ].join('\n');
}

function resourceTable({ folders, rates }: Plan): string {
  const listed = folders.slice(0, MAX_LISTED);
  const rest = folders.slice(MAX_LISTED);
  const perSecond = (folder: PlannedFolder) =>
    folder.activity === null ? '?' : rate(folder.activity.revisions / rates.seconds);
  const rows = listed.map((folder) => [
    folder.folder,
    count(folder.keys),
    `${folder.exact ? '' : '~'}${bytes(folder.bytes)}`,
    perSecond(folder),
    folder.way,
    folder.resource ?? '',
  ]);
  const more =
    rest.length === 0
      ? []
      : [
          [
            `(${count(rest.length)} smaller ones; -w json lists all)`,
            count(rest.reduce((sum, folder) => sum + folder.keys, 0)),
            `~${bytes(rest.reduce((sum, folder) => sum + folder.bytes, 0))}`,
          ],
        ];
  return table([['folder', 'keys', 'size', 'rev/s', 'way', 'resource'], ...rows, ...more]);
}

/** What each holds, and what its etcd has to take until the move is over. */
function partTable(parts: readonly Part[]): string {
  const perSecond = (n: number | null) => (n === null ? '?' : rate(n));
  const rows = parts.map((part) => [
    part.name,
    part.way,
    count(part.keys),
    `${part.exact ? '' : '~'}${bytes(part.bytes)}`,
    perSecond(part.perSecond),
    part.share === null ? '?' : percent(part.share),
    `${perSecond(part.etcdPerSecond)} writes/s${part.needsPeers ? ', by proposals' : ''}`,
    part.seedSeconds === null ? 'none' : `about ${duration(part.seedSeconds)}`,
  ]);
  const head = ['part', 'way', 'keys', 'size', 'rev/s', 'of all', 'its etcd takes', 'seed'];
  return table([head, ...rows]);
}

function movedRows({ contents, rates, window, estimates }: Plan): [string, string][] {
  const { keys, bytes: size, largest, seconds } = contents;
  const share = rates.revisions > 0 ? rates.moved.revisions / rates.revisions : 0;
  const all = rates.revisions / rates.seconds;
  const ours = rates.moved.revisions / rates.seconds;
  return [
    ['keys', `${count(keys)}, ${bytes(size)}, read in ${duration(seconds)}`],
    ['largest', largest ? `${bytes(largest.bytes)}: ${largest.key}` : 'none'],
    [
      'revisions',
      `${rate(ours)} of ${rate(all)} a second (${Math.round(share * 100)} %), ${bytes(Math.round(rates.moved.bytes / rates.seconds))}/s, in ${duration(rates.seconds)} of watching`,
    ],
    ['history', `${count(window.historyRevisions)} revisions above ${window.compactRevision}`],
    [
      'seed',
      `about ${duration(estimates.seedSeconds)}, from the time it took to read the keys here`,
    ],
    [
      'freeze',
      estimates.freezeSeconds === null
        ? 'our share can be told when there is a target'
        : `our share about ${duration(estimates.freezeSeconds)}, whatever the number of keys, from the round trip measured here; to that comes the restart of the apiservers, or with pre-warmed ones the flip of the load balancer`,
    ],
    [
      'fence',
      `a margin of ${estimates.fenceMargin} revisions: ten seconds of the source's, and no less than 1,000; the fence keeps it until the last apiserver has moved`,
    ],
  ];
}

/** None where nothing is of Kubernetes. */
function flagLines(plan: Plan): string[] {
  if (plan.overrides === '') return [];
  return [
    "The apiservers' flag (the same for all, with what it has already; takes a restart; in quotes in a shell):",
    `  '--etcd-servers-overrides=${plan.overrides}'`,
    ...whyLines(plan),
    '',
  ];
}

function whyLines({ folders }: Plan): string[] {
  return folders
    .filter(({ way, keys }) => way !== 'stays' && keys > 0)
    .map(({ folder, way, why }) => `  ${way} for ${folder}: ${why}`);
}

const MARK = { ok: 'ok', warn: 'WARN', stop: 'STOP', 'not asked': '-' } as const;

function checkLines({ check, verdict, message, todo }: Plan['checks'][number]): string[] {
  const indent = ' '.repeat(28);
  const head = `  ${MARK[verdict].padEnd(5)} ${check.padEnd(19)} `;
  const lines = wrap(message, WIDTH - indent.length);
  return [
    `${head}${lines[0] ?? ''}`,
    ...lines.slice(1).map((line) => indent + line),
    ...(todo === null ? [] : wrap(`→ ${todo}`, WIDTH - indent.length).map((line) => indent + line)),
  ];
}

function stepLines({ step, what, commands }: PlanStep, i: number): string[] {
  return [
    ...wrap(`${i + 1}. ${step}: ${what}`, WIDTH).map((line, n) =>
      n === 0 ? `  ${line}` : `     ${line}`,
    ),
    ...commands.map((command) => `       ${command}`),
  ];
}

function verdictLine({ checks, target, parts }: Plan): string {
  const of = (verdict: string) => checks.filter((c) => c.verdict === verdict).map((c) => c.check);
  const stops = of('stop');
  const warns = of('warn');
  if (stops.length > 0) return `STOP: mend this first: ${stops.join(', ')}.`;
  const look = warns.length > 0 ? `; look at ${warns.join(', ')}` : '';
  const asked =
    target || parts ? '' : ' The target was not asked: add --dest-endpoints when there is one.';
  return `Nothing stands in the way${look}.${asked}`;
}

/** Lines of whole words. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
