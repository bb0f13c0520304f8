/** What the lines of a watched view are made of. */
import type { View } from '../listen/view.js';
import { duration } from '../text.js';
import type { Trend } from './trend.js';

/** What is shown of a view besides itself. */
export interface Watched {
  view: View;
  /** Now, by the clock of the process that is looked at; ms. */
  nowMs: number;
  /** Since when it does not answer, by the same clock, and why. */
  gone: { sinceMs: number; why: string } | null;
  columns: number;
  unicode: boolean;
  trends: Trends;
}

export interface Trends {
  sourceRate: Trend;
  targetRate: Trend;
  lagSeconds: Trend;
  journalBytes: Trend;
}

export const LABEL_COLUMNS = 11;

/** `12:33:05`, of the machine that it is looked at from. */
export function clock(at: number | string): string {
  return new Date(at).toTimeString().slice(0, 8);
}

export function ago(at: string, nowMs: number): string {
  return duration(Math.max(0, (nowMs - Date.parse(at)) / 1000));
}
