/**
 * The time as the process has it, told by this machine's clock between two views.
 *
 * The two clocks may differ by hours, so they are not held against each other as they are. But of one
 * connection the view that came fastest says by how much they differ at the most; what comes later than
 * that was held up, by a proxy that buffers or by a machine that slept, and is as old as it is.
 *
 * When nothing new comes any more the process's time stands still here, and with it all that runs on the
 * page: how long it would be now, nobody knows.
 */
import { duration } from '../../text.js';
import { make } from './elements.js';

/** Views come each second. What is older than this is shown as old. */
export const STALE_MS = 3500;

interface Heard {
  /** When the last view was made: by the process's clock, and by this machine's. */
  at: number;
  here: number;
}

let last: Heard | undefined;
/** This machine's clock less the process's, with the way of the fastest view. */
let apart = Infinity;

/** A new connection may be to another process, and either clock may have been set. */
export function connectedAnew(): void {
  apart = Infinity;
}

/** A view has come. @param at when it was made, by the process */
export function heard(at: string): void {
  const made = Date.parse(at);
  apart = Math.min(apart, Date.now() - made);
  last = { at: made, here: made + apart };
}

/** How old what was heard last is; null before the first. */
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
