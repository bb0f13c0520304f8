/** The source's compaction window as a clock: a ring that is as full as the window. */
import type { CompactionView } from '../view.js';
import { make, type Content } from './elements.js';
import { rough, running } from './times.js';

const SVG = 'http://www.w3.org/2000/svg';
/** Below these shares of the window it is told in the color of work, and of trouble. */
const SHORT = 0.5;
const VERY_SHORT = 0.2;

export function compactionClock(compaction: CompactionView): Content[] {
  const { revision, movedAt, keepsSeconds, leftSeconds } = compaction;
  const share =
    keepsSeconds === null || leftSeconds === null || keepsSeconds <= 0
      ? null
      : Math.min(1, Math.max(0, leftSeconds / keepsSeconds));
  const face = make('div', `clock ${moodOf(share)}`, ring(share));
  face.append(
    make(
      'p',
      'clock-text',
      make('strong', 'number', leftSeconds === null ? '?' : rough(leftSeconds)),
      make('span', '', keepsSeconds === null ? '' : `left of ${rough(keepsSeconds)}`),
    ),
  );
  return [
    make('h2', '', 'Compaction window'),
    face,
    make('p', 'note', inWords(share, keepsSeconds)),
    make(
      'p',
      'note',
      'The source is compacted at ',
      make('span', 'revision', String(revision)),
      ...(movedAt === null ? [] : [', moved ', running(movedAt), ' ago']),
    ),
  ];
}

function inWords(share: number | null, keepsSeconds: number | null): string {
  if (keepsSeconds === null)
    return 'It is not known yet how long the source keeps its history: it was not seen being compacted so far.';
  if (share === null) return `The source keeps its history for ${rough(keepsSeconds)}.`;
  if (share === 1) return 'The journal has everything: nothing can be lost.';
  if (share === 0) return 'What the journal lacks may be compacted away at any moment.';
  return 'What the journal lacks is lost when this has run down.';
}

function moodOf(share: number | null): string {
  if (share === null) return 'unknown';
  if (share < VERY_SHORT) return 'trouble';
  return share < SHORT ? 'short' : 'well';
}

function ring(share: number | null): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 100 100');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(circle('ring-all', 1), circle('ring-left', share ?? 0));
  return svg;
}

function circle(className: string, share: number): SVGElement {
  const element = document.createElementNS(SVG, 'circle');
  for (const [name, value] of Object.entries({
    class: className,
    ...{ cx: '50', cy: '50', r: '44', pathLength: '100' },
    'stroke-dasharray': `${share * 100} 100`,
  }))
    element.setAttribute(name, value);
  return element;
}
