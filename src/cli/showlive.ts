/** Work that goes on until a signal: a line that says how it is, and what there was at the end. */
import { count, duration } from '../text.js';
import type { Context } from './command.js';

export interface LiveTexts<S extends object, L extends S> {
  /** What is added to a status, once for each. */
  more: (status: S) => Omit<L, keyof S>;
  /** For people; with `-w json` the status itself is written, one object each time. */
  line: (status: L) => string;
  summary: (status: L, seconds: number) => string;
  /** Hears of each, also of those that are not written. */
  onStatus: (status: L) => void;
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

/**
 * How often the work is asked how it is: once a second at least, whatever is written, for whoever looks by
 * another way.
 * @param statusSeconds how often it is written with `-w json`
 * @returns `each`: so many are one that is written
 */
function asked(statusSeconds: number): { everyMs: number; each: number } {
  const each = Math.ceil(statusSeconds);
  return { everyMs: (statusSeconds * 1000) / each, each };
}

/** The summary is left out where the work has failed: then the error says what there is to say. */
export async function showLive<S extends object, L extends S>(
  { json, print, progress, statusSeconds }: Context,
  run: (everyMs: number) => AsyncIterable<S>,
  { more, line, summary, onStatus }: LiveTexts<S, L>,
): Promise<void> {
  const started = performance.now();
  const { everyMs, each } = asked(statusSeconds);
  let last: L | undefined;
  let unwritten = 0;
  const write = () => {
    if (last && unwritten > 0) print(last, () => '');
    unwritten = 0;
  };
  try {
    for await (const status of run(everyMs)) {
      const now = (last = { ...status, ...more(status) } as L);
      onStatus(now);
      unwritten++;
      if (!json) progress.show(() => line(now));
      else if (unwritten === each) write();
    }
    if (last && !json) {
      const end = last;
      progress.show(() => line(end), true);
      progress.end();
      print(end, () => summary(end, (performance.now() - started) / 1000));
    }
  } finally {
    // The last one always is, after an error, too.
    if (json) write();
    progress.end();
  }
}
