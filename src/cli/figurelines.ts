/** The figures of a view as lines for a terminal: both heads and how they move, lag, journal, leases. */
import type { View } from '../listen/view.js';
import { bytes, count, duration } from '../text.js';
import { labelled, type StyledLine } from './styled.js';
import type { Trend } from './trend.js';
import { LABEL_COLUMNS, type Watched } from './watched.js';

/** Of a figure, before its bars. */
const FIGURE_COLUMNS = 32;

/** A figure, and how it went where there is room. */
function figure(label: string, text: string, shown: Watched, trend?: Trend): StyledLine {
  const width = Math.min(40, shown.columns - LABEL_COLUMNS - FIGURE_COLUMNS - 1);
  const bars = trend?.bars(width, shown.unicode) ?? '';
  const fits = text.length <= FIGURE_COLUMNS;
  return [
    ['dim', label.padEnd(LABEL_COLUMNS)],
    text.padEnd(FIGURE_COLUMNS + 1),
    ...(fits && bars !== '' ? [['good', bars] as const] : []),
  ];
}

export function figureLines(shown: Watched): StyledLine[] {
  const { heads, lag, wayBack, journal, wrote, progress } = shown.view;
  const { sourceRate, targetRate, lagSeconds, journalBytes } = shown.trends;
  const lines: StyledLine[] = [];
  const add = (label: string, text: string | null | undefined, trend?: Trend) => {
    if (text !== null && text !== undefined) lines.push(figure(label, text, shown, trend));
  };
  add('progress', progress && progressText(progress));
  add('source', headText(heads.source, sourceRate), sourceRate);
  add('target', headText(heads.target, targetRate), targetRate);
  add('lag', lag && `${count(lag.revisions)} rev, ${duration(lag.seconds)}`, lagSeconds);
  add('back', wayBack && wayBackText(wayBack));
  add('late', wayBack && lateText(wayBack));
  add('journal', journal && journalText(journal), journalBytes);
  lines.push(...windowLines(shown), ...leaseLines(shown));
  add('wrote', wrote && wroteText(wrote));
  lines.push(...wayLines(shown));
  add('at most', throttleText(shown.view));
  add('retries', retriesText(shown.view));
  return lines;
}

function progressText({ share, text }: NonNullable<View['progress']>): string {
  return share === null ? text : `${Math.floor(share * 100)} %; ${text}`;
}

function headText(head: number | null, rate: Trend): string | null {
  if (head === null) return null;
  const { last } = rate;
  return last === undefined
    ? `${head}`
    : `${String(head).padEnd(14)} ${count(Math.round(last))} rev/s`;
}

function wayBackText({ position, margin }: NonNullable<View['wayBack']>): string | null {
  if (position === null) return null;
  const above = margin === null ? '' : `, source ${count(margin)} above`;
  return `has revision ${position}${above}`;
}

function lateText({ lateWrites }: NonNullable<View['wayBack']>): string {
  const { count: found, replaced, open } = lateWrites;
  return found === 0
    ? 'no late writes'
    : `${count(found)} late writes: ${count(replaced)} replaced, ${count(open)} open`;
}

function journalText({ bytes: size, freeBytes }: NonNullable<View['journal']>): string {
  return freeBytes === null ? bytes(size) : `${bytes(size)}, ${bytes(freeBytes)} free`;
}

function wroteText({ revisions, fillers, bytes: size }: NonNullable<View['wrote']>): string {
  const filled = fillers === 0 ? '' : `, ${count(fillers)} fillers`;
  return `${count(revisions)} revisions (${bytes(size)})${filled}`;
}

/** Told only where something bounds how fast it is written. */
function throttleText({ throttle }: View): string | null {
  if (!throttle || throttle.nowRate === null) return null;
  const { nowRate, because, holds } = throttle;
  return `${count(nowRate)} rev/s (${because ?? ''})${holds ? ', writes wait' : ''}`;
}

function retriesText({ retries }: View): string | null {
  if (retries.length === 0) return null;
  const each = retries.map(({ code, side, count: times }) =>
    [code, ...(side === null ? [] : [side]), `${count(times)}x`].join(' '),
  );
  return each.join(', ');
}

/** Of how long the source keeps its history, what is left to the journal. */
function windowLines({ view: { compaction } }: Watched): StyledLine[] {
  if (!compaction) return [];
  const { keepsSeconds, leftSeconds, revision } = compaction;
  const label = ['dim', 'window'.padEnd(LABEL_COLUMNS)] as const;
  if (keepsSeconds === null || leftSeconds === null)
    return [[label, `not known yet; the source is compacted at ${revision}`]];
  const share = leftSeconds / keepsSeconds;
  const style = share < 0.2 ? 'bad' : share < 0.5 ? 'busy' : 'good';
  const left = leftSeconds > 0 ? `${duration(leftSeconds)} left` : 'NOTHING LEFT';
  return [[label, [style, left], ` of ${duration(keepsSeconds)} of the source's history`]];
}

function leaseLines({ view: { leases } }: Watched): StyledLine[] {
  if (!leases || (leases.kept === 0 && leases.missed === 0)) return [];
  const { kept, missed, endsInSeconds } = leases;
  const label = ['dim', 'leases'.padEnd(LABEL_COLUMNS)] as const;
  if (missed === 0) return [[label, `${count(kept)} kept`]];
  const ends = endsInSeconds === null ? '' : `; the first ends in ${duration(endsInSeconds)}`;
  return [[label, `${count(kept)} kept, `, ['bad', `${count(missed)} not refreshed${ends}`]]];
}

/** Told only where somebody has asked for proposals. */
function wayLines({ view: { way }, columns }: Watched): StyledLine[] {
  if (!way || (way.by === 'transactions' && !way.why)) return [];
  const { by, where, why } = way;
  const box = { columns, indent: LABEL_COLUMNS };
  if (!why) return labelled('by', where === null ? by : `${by}, through ${where}`, box);
  const hint = why.hint === null ? '' : `. ${why.hint}`;
  const text = `${by}: ${why.message} [${why.code}]${hint}`;
  return labelled('by', text, { ...box, style: 'busy' });
}
