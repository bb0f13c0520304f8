/**
 * The time as the process has it, told by this machine's clock between two views.
 *
 * The two clocks may differ by hours, so they are never held against each other: what counts is how long
 * ago, by our own clock, a view came. When none comes any more the process's time stands still here, and
 * with it all that runs on the page: how long it would be now, nobody knows.
 */
import { duration } from './amounts.js';
import { make } from './elements.js';

/** Views come each second. What is older than this is shown as old. */
export const STALE_MS = 3500;

interface Heard {
  /** What the view says, in its own time. */
  at: number;
  /** On this machine. */
  here: number;
}

let last: Heard | undefined;

/** A view has come. @param at when it was made, by the process */
export function heard(at: string): void {
  last = { at: Date.parse(at), here: Date.now() };
}

/** How long nothing has come; null before the first. */
export function silentMs(): number | null {
  return last ? Date.now() - last.here : null;
}

/** When the last view was made; null before the first. */
export function lastHeard(): Date | null {
  return last ? new Date(last.at) : null;
}

/** In ms, as the process has it; it stands still where nothing comes. */
function processNow(): number {
  if (!last) return Date.now();
  return last.at + Math.min(Date.now() - last.here, STALE_MS);
}

/** `02:14:07`, with the day where it is not today; by this browser's zone. */
export function timeOfDay(at: Date): string {
  const time = at.toLocaleTimeString('en-GB');
  if (at.toDateString() === new Date().toDateString()) return time;
  return `${at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })} ${time}`;
}

export function timeElement(iso: string): HTMLTimeElement {
  const element = make('time', '', timeOfDay(new Date(iso)));
  element.dateTime = iso;
  element.title = iso;
  return element;
}

/** How long something has gone on; {@link runOn} lets it run. @param tenths as well, below a minute */
export function running(since: string, tenths = false): HTMLElement {
  const element = make('span', 'number', '');
  element.dataset.since = since;
  if (tenths) element.dataset.tenths = '';
  runOn(element);
  return element;
}

/** Brings all that runs below `root` to the present time. */
export function runAll(root: ParentNode): void {
  for (const element of root.querySelectorAll<HTMLElement>('[data-since]')) runOn(element);
}

function runOn(element: HTMLElement): void {
  const { since, tenths } = element.dataset;
  if (since === undefined) return;
  const seconds = Math.max(0, (processNow() - Date.parse(since)) / 1000);
  const text = tenths === undefined ? rough(seconds) : duration(seconds);
  if (element.textContent !== text) element.textContent = text;
}

/** `12 s`, `3m12s`, `2h05m`, `4 days` */
export function rough(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const days = Math.floor(seconds / 86_400);
  return days < 2 ? duration(seconds) : `${days} days`;
}
