/** Work that goes on until a signal: a line that says how it is, and what there was at the end. */
import { count, duration } from '../text.js';
import type { Context } from './command.js';

export interface LiveTexts<S extends object, L extends S> {
  /** What is added to a status, once for each. */
  more: (status: S) => Omit<L, keyof S>;
  /** For people; with `-w json` the status itself is written, one object each time. */
  line: (status: L) => string;
  summary: (status: L, seconds: number) => string;
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
export async function showLive<S extends object, L extends S>(
  { json, print, progress }: Context,
  statuses: AsyncIterable<S>,
  { more, line, summary }: LiveTexts<S, L>,
): Promise<void> {
  const started = performance.now();
  let last: L | undefined;
  try {
    for await (const status of statuses) {
      const now = (last = { ...status, ...more(status) } as L);
      if (json) print(now, () => '');
      else progress.show(() => line(now));
    }
    if (last && !json) {
      const end = last;
      progress.show(() => line(end), true);
      progress.end();
      print(end, () => summary(end, (performance.now() - started) / 1000));
    }
  } finally {
    progress.end();
  }
}
