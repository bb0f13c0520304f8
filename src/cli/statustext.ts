/** What `status` says, for people. */
import type { MirrorCursor } from '../mirror/mirrorcursor.js';
import type { KubeStatus } from '../proof/nightstatus.js';
import { servingText } from '../proof/servedfrom.js';
import type { Behind } from '../source/behind.js';
import type { TargetStatus } from '../target/targetstatus.js';
import { count, duration, fields } from '../text.js';
import { runningRows, type Running } from './running.js';

/** Measured by a look; null where it cannot be. */
export interface Lags {
  behind: Behind | null;
  mirrors: (MirrorCursor & { behind: Behind | null })[];
}

interface StatusTexts {
  status: TargetStatus;
  lags: Lags;
  /** How long was looked, in seconds. */
  within: number;
  running: Running | null;
  kubernetes: KubeStatus | null;
  next: string;
  /** What to give the commands that `next` names. */
  flags: string;
}

/** After a cutover it is the target that is ahead. */
function aheadText(revisions: number): string {
  return revisions < 0 ? `${count(-revisions)} behind the target` : `${count(revisions)} ahead`;
}

function gapRow(gap: (TargetStatus['cursor'] & object)['gap']): [string, string][] {
  if (!gap) return [];
  const { after, to } = gap;
  return [['bridged gap', `revisions ${after + 1} to ${to}: exact at its end, not in between`]];
}

export function statusText(texts: StatusTexts): string {
  const { status, lags, within, running, kubernetes, next, flags } = texts;
  const { position, sourceHead, lagRevisions } = status;
  const rows: [string, string][] = [
    ['target', stateText(status)],
    ['position', String(position)],
    [
      'source head',
      sourceHead === null
        ? 'not asked (give --endpoints)'
        : `${sourceHead}  (${aheadText(lagRevisions ?? 0)})`,
    ],
    ...(lags.behind ? [['lag', lagText(lags.behind, within)] satisfies [string, string]] : []),
    ...lags.mirrors.map((mirror) => mirrorRow(mirror, within)),
    ...runningRows(running),
    ...cursorRows(status),
    ...nightRows(status),
    ...kubeRows(kubernetes),
  ];
  return `${fields(rows)}\n  Next: ${next}${next.includes('`etcd-lockstep') ? `\n  With: ${flags}` : ''}`;
}

function lagText({ seconds, moves }: Behind, within: number): string {
  if (seconds === null) {
    const more = `more than ${duration(within)}`;
    if (moves === null) return 'not known: both sides are being compared, or will be';
    return moves
      ? `${more}; it comes on`
      : `${more}, and IT DOES NOT COME ON: does anybody bring it on?`;
  }
  return moves
    ? `${duration(seconds)}, measured`
    : 'none (whether anybody follows shows when the source goes on)';
}

function mirrorRow(
  { prefix, destPrefix, source, revision, at, behind }: Lags['mirrors'][number],
  within: number,
): [string, string] {
  const where = prefix === destPrefix ? prefix : `${prefix} as ${destPrefix}`;
  const has = revision === null ? 'comparing' : `has revision ${revision}`;
  const lag = behind ? `; lag ${lagText(behind, within)}` : '';
  return ['mirror', `${where || 'everything'} of cluster ${source}: ${has}, ${at}${lag}`];
}

function stateText({ kind, cutover, trouble }: TargetStatus): string {
  if (cutover) return `CUT OVER (${cutover.phase})`;
  if (kind !== 'lockstep') return kind === 'foreign' ? "somebody else's" : kind;
  return trouble
    ? `TROUBLE: ${trouble.message} [${trouble.code}]`
    : 'in lockstep, may be followed into';
}

function cursorRows({ cursor }: TargetStatus): [string, string][] {
  if (!cursor) return [];
  return [
    ['source cluster', cursor.source ?? 'unknown: cropped from a file'],
    ['prefixes', cursor.prefixes.join(', ')],
    ['keys', count(cursor.keys)],
    ['checksum', cursor.checksum],
    ['last data at', `revision ${cursor.revision}, ${cursor.at}`],
    ['last follower', cursor.follower ?? 'none yet'],
    ...gapRow(cursor.gap),
  ];
}

function wayBackRows({ wayBack, position }: TargetStatus): [string, string][] {
  if (!wayBack) return [];
  const { position: has, comparing, lateWrites, at } = wayBack;
  const { count: found, open, all } = lateWrites;
  const where = comparing ? 'comparing both sides' : `${count(position - has)} behind the target`;
  const names =
    open.length === 0
      ? ''
      : `: ${open.slice(0, 3).join(', ')}${open.length > 3 || !all ? ', ...' : ''}`;
  return [
    ['way back', `source has revision ${has} (${where}), ${at}`],
    ...(found === 0
      ? []
      : [
          [
            'late writes',
            `${count(found)} on the source, ${all ? '' : 'more than '}${count(open.length)} open${names}`,
          ] satisfies [string, string],
        ]),
  ];
}

function nightRows(status: TargetStatus): [string, string][] {
  const { cutover, lagRevisions } = status;
  if (!cutover) return [];
  const { phase, exact, resources, owner } = cutover;
  const fenced = phase === 'fenced' && lagRevisions !== null;
  return [
    ['exact copy up to', `revision ${exact}`],
    ['moved', resources.length > 0 ? resources.join(', ') : 'not known to Kubernetes'],
    ['whose night', owner ?? 'nobody has it'],
    ...wayBackRows(status),
    ...(fenced ? [['fence', fenceText(-lagRevisions)] satisfies [string, string]] : []),
  ];
}

function fenceText(ahead: number): string {
  return ahead > 0 ? `the target's head is ${count(ahead)} ahead` : 'OVERTAKEN: see the runbook';
}

function kubeRows(kube: KubeStatus | null): [string, string][] {
  if (!kube) return [['frozen', 'not known (give --kubeconfig)']];
  const { frozen, apiservers } = kube;
  const by = frozen?.by ?? 'somebody, by hand';
  return [
    ['frozen', frozen ? `since ${frozen.since}, by ${by}` : 'no'],
    ...apiservers.map((one): [string, string] => [one.apiserver, servingText(one)]),
  ];
}
