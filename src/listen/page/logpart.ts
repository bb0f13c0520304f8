/** What was logged last: notes, warnings, alarms. */
import type { View } from '../view.js';
import { make, place } from './elements.js';
import { timeElement } from './times.js';

const LEVELS = { info: '', warn: 'warning', error: 'error' } as const;

const show = place('log', (events: View['events']) => [
  make('h2', '', 'Log'),
  make('ol', 'scroll', ...events.map(line)),
]);

export function showLog({ events }: View): void {
  show(events.length === 0 ? null : events);
}

function line({ at, level, text }: View['events'][number]): HTMLElement {
  const label = LEVELS[level] === '' ? null : make('strong', '', `${LEVELS[level]} `);
  return make('li', level, timeElement(at), make('span', '', label, text));
}
