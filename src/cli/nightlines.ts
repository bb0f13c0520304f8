/** A night as lines for a terminal: how long writes are refused, what is waited for, steps, apiservers. */
import type { NightStepView, NightView } from '../listen/view.js';
import { servingText } from '../proof/servedfrom.js';
import { count, duration } from '../text.js';
import { labelled, type Style, type StyledLine } from './styled.js';
import { LABEL_COLUMNS, type Watched } from './watched.js';

const MARKS: Record<NightStepView['state'], [string, Style | undefined]> = {
  'to do': ['   ', 'dim'],
  now: [' > ', 'bold'],
  done: [' + ', 'good'],
  failed: [' ! ', 'bad'],
};

export function nightLines(night: NightView, { nowMs, columns }: Watched): StyledLine[] {
  const box = { columns, indent: LABEL_COLUMNS };
  return [
    ...night.alarms.flatMap((alarm) => labelled('ALARM', alarm, { ...box, style: 'bad' })),
    ...frozenLines(night, nowMs),
    ...(night.waitsFor === null ? [] : labelled('waits for', night.waitsFor, box)),
    ...(night.ifAborted === null ? [] : labelled('if stopped', night.ifAborted, box)),
    ...fenceLines(night),
    ...night.apiservers.map((one, i): StyledLine => [
      ['dim', (i === 0 ? 'apiserver' : '').padEnd(LABEL_COLUMNS)],
      [one.moved ? 'good' : 'busy', one.moved ? 'moved   ' : 'to move '],
      `${one.apiserver}  ${servingText(one)}`,
    ]),
    [],
    ...night.steps.map((step, i) => stepLine(step, i + 1)),
  ];
}

function frozenLines({ frozenAt, thawedAt, exact }: NightView, nowMs: number): StyledLine[] {
  const lines: StyledLine[] = [];
  if (frozenAt !== null) {
    const untilMs = thawedAt === null ? nowMs : Date.parse(thawedAt);
    const seconds = ((untilMs - Date.parse(frozenAt)) / 1000).toFixed(1);
    const text: StyledLine[number] =
      thawedAt === null
        ? ['bad', `writes are refused for ${seconds} s`]
        : `writes were refused for ${seconds} s, and are let in again`;
    lines.push([['dim', 'frozen'.padEnd(LABEL_COLUMNS)], text]);
  }
  if (exact !== null)
    lines.push([['dim', 'exact'.padEnd(LABEL_COLUMNS)], `up to revision ${exact}`]);
  return lines;
}

function fenceLines({ fence }: NightView): StyledLine[] {
  if (!fence) return [];
  const { ahead, margin } = fence;
  const text =
    ahead > 0 ? `${count(ahead)} ahead, margin ${count(margin)}` : 'OVERTAKEN: see the runbook';
  const style = ahead <= 0 ? 'bad' : ahead < margin / 2 ? 'busy' : 'good';
  return [
    [
      ['dim', 'fence'.padEnd(LABEL_COLUMNS)],
      [style, text],
    ],
  ];
}

function stepLine({ name, does, state, seconds }: NightStepView, number: number): StyledLine {
  const [mark, style] = MARKS[state];
  const time = seconds === null ? '' : duration(seconds);
  const text = `${mark}${String(number).padStart(2)} ${name.padEnd(10)} ${time.padStart(7)}  ${does}`;
  return [style ? [style, text] : text];
}
