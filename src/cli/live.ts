/** Work that goes on until a signal: a line that says how it is, and what there was at the end. */
import type { Context } from './command.js';

export interface LiveTexts<S extends object, L extends S> {
  /** What is added to a status, once for each. */
  more: (status: S) => Omit<L, keyof S>;
  /** For people; with `-w json` the status itself is written, one object a second. */
  line: (status: L) => string;
  summary: (status: L, seconds: number) => string;
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
