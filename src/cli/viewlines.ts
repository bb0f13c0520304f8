/**
 * The view of a running command as lines for a terminal.
 *
 * What matters most stands first, because a small terminal shows the first lines only: how it is, trouble,
 * what to do next, the night that is under way, figures, what happened.
 */
import type { AuditOutcome } from '../auditing/outcome.js';
import type { View } from '../listen/view.js';
import { count, duration } from '../text.js';
import { figureLines } from './figurelines.js';
import { nightLines } from './nightlines.js';
import { commandLines, labelled, type Style, type StyledLine } from './styled.js';
import { ago, clock, LABEL_COLUMNS, type Watched } from './watched.js';

const MOODS: Record<View['mood'], Style> = { well: 'good', working: 'busy', trouble: 'bad' };
const LEVELS: Record<View['events'][number]['level'], Style | undefined> = {
  ...{ info: undefined, warn: 'busy', error: 'bad' },
};

const SHOWN_AUDITS = 3;

export function viewLines(shown: Watched): StyledLine[] {
  const { view } = shown;
  const blocks = [
    headLines(shown),
    troubleLines(shown),
    nextLines(shown),
    view.night ? nightLines(view.night, shown) : [],
    figureLines(shown),
    auditLines(shown),
    eventLines(shown),
  ];
  return blocks
    .filter((block) => block.length > 0)
    .flatMap((block) => [[], ...block])
    .slice(1);
}

function headLines({ view, nowMs, gone, columns }: Watched): StyledLine[] {
  const { command, state, mood, sentence, startedAt, prefixes, version } = view;
  const style = gone ? 'dim' : MOODS[mood];
  const right = `${version}  up ${ago(startedAt, nowMs)}  ${clock(nowMs)}`;
  const left = `${command}: ${state.toUpperCase()}`;
  const gap = ' '.repeat(Math.max(2, columns - left.length - right.length));
  return [
    [`${command}: `, [style, state.toUpperCase()], gap, ['dim', right]],
    ...(gone ? goneLines(gone, nowMs, columns) : []),
    ...labelled('', sentence, { columns, indent: 0 }),
    ...labelled('', prefixes.join(', '), { columns, indent: 0, style: 'dim' }),
  ];
}

function goneLines(
  { sinceMs, why }: NonNullable<Watched['gone']>,
  nowMs: number,
  columns: number,
): StyledLine[] {
  const since = `NO ANSWER since ${clock(sinceMs)} (${duration((nowMs - sinceMs) / 1000)}): ${why}.`;
  const text = `${since} What stands here is from then.`;
  return labelled('', text, { columns, indent: 0, style: 'bad' });
}

function troubleLines({ view: { trouble }, nowMs, columns }: Watched): StyledLine[] {
  if (!trouble) return [];
  const { code, message, hint, since } = trouble;
  const at = `since ${clock(since)} (${ago(since, nowMs)})`;
  const box = { columns, indent: LABEL_COLUMNS };
  return [
    ...labelled('trouble', `${message} [${code}] ${at}`, { ...box, style: 'bad' }),
    ...(hint === null ? [] : labelled('try', hint, box)),
  ];
}

function nextLines({ view: { next }, columns }: Watched): StyledLine[] {
  if (next.text === '') return [];
  return [
    ...labelled('next', next.text, { columns, indent: LABEL_COLUMNS }),
    ...(next.command === null ? [] : commandLines(next.command, columns, LABEL_COLUMNS)),
  ];
}

function auditLines({ view: { audits, auditing }, nowMs, columns }: Watched): StyledLine[] {
  const running: StyledLine[] = auditing
    ? labelled('audit', runningText(auditing, nowMs), {
        ...{ columns, indent: LABEL_COLUMNS },
        ...(auditing.differences > 0 ? { style: 'bad' as const } : {}),
      })
    : [];
  const ended = audits.slice(0, SHOWN_AUDITS).flatMap((one, i) =>
    labelled(i === 0 && running.length === 0 ? 'audit' : '', auditText(one, nowMs), {
      ...{ columns, indent: LABEL_COLUMNS },
      ...(one.result === 'equal' ? {} : { style: one.result === 'different' ? 'bad' : 'busy' }),
    }),
  );
  return [...running, ...ended];
}

function runningText(
  { since, share, differences }: NonNullable<View['auditing']>,
  nowMs: number,
): string {
  const far = share === null ? '' : `, ${Math.floor(share * 100)} %`;
  const found = differences > 0 ? `; ${count(differences)} DIFFERENCES so far` : '';
  return `running for ${ago(since, nowMs)}${far}${found}`;
}

export function auditText(audit: AuditOutcome, nowMs: number): string {
  const { at, result, revision, keys, differences, seconds, message } = audit;
  const when = `${ago(at, nowMs)} ago`;
  if (result === 'failed') return `FAILED ${when}: ${message ?? 'no reason is known'}`;
  const found = result === 'equal' ? 'EQUAL' : `${count(differences)} DIFFERENCES`;
  const where = revision === null ? '' : ` at revision ${revision}`;
  return `${found}${where}, ${count(keys)} keys, ${when} (took ${duration(seconds)})`;
}

function eventLines({ view: { events }, columns }: Watched): StyledLine[] {
  return events.flatMap(({ at, level, text }) => {
    const style = LEVELS[level];
    return labelled(clock(at), text, {
      ...{ columns, indent: LABEL_COLUMNS },
      ...(style ? { style } : {}),
    });
  });
}
