/** Work that goes on until a signal: a line that says how it is, and what there was at the end. */
import { count, duration } from '../status/format.js';
import type { Context } from './command.js';

export interface LiveTexts<S extends object> {
  status: () => S;
  /** For people; with `-w json` the status itself is written, one object each time. */
  line: (status: S) => string;
  summary: (status: S, seconds: number) => string;
}

interface Lagging {
  state: string;
  lagRevisions: number | null;
  lagSeconds: number | null;
  trouble: { code: string } | null;
}

/** What a line begins with: however narrow a terminal is, state and lag are on it. */
export function lagFirst({ state, lagRevisions, lagSeconds, trouble }: Lagging): string[] {
  const lag =
    lagRevisions === null ? [] : [`lag ${count(lagRevisions)} rev, ${duration(lagSeconds ?? 0)}`];
  return [state, ...lag, ...(trouble ? [trouble.code] : [])];
}

/** The summary is left out where the work has failed: then the error says what there is to say. */
export async function showLive<S extends object>(
  { json, print, progress, statusSeconds }: Context,
  { status, line, summary }: LiveTexts<S>,
  run: () => Promise<void>,
): Promise<void> {
  const started = performance.now();
  const timer = setInterval(() => {
    const now = status();
    if (json) print(now, () => '');
    else progress.show(() => line(now));
  }, statusSeconds * 1000);
  let failed = true;
  try {
    await run();
    failed = false;
  } finally {
    clearInterval(timer);
    const end = status();
    progress.show(() => line(end), !failed);
    progress.end();
    if (json || !failed) print(end, () => summary(end, (performance.now() - started) / 1000));
  }
}
