/**
 * How work is while it goes on, for whoever wants to see it: an async iterator.
 *
 * A status is a state and no event, so nothing is stored for a slow reader and nothing is lost on him: he
 * gets the one of the moment at which he asks. The work does not wait for him.
 */
import { pause } from './again.js';

/** How often statuses come where nothing else is said. */
const EVERY_MS = 1000;

/** Work that says at any time how it is, and goes on until it is told to stop. */
export interface Live<S> {
  readonly status: S;
  run(): Promise<void>;
}

/** How often a status is given, and what ends the work. */
export interface StatusesOptions {
  /** Between two statuses; default: a second. */
  everyMs?: number;
  /** Ends the work as leaving the loop does. */
  signal?: AbortSignal;
}

/**
 * Runs it, and gives its status every so often and once more at its end. Leaving the loop ends the work,
 * gracefully, before the loop is left.
 * @param begin gets the signal that ends it
 * @throws what the work has failed with, behind its last status
 */
export async function* statuses<S>(
  { everyMs = EVERY_MS, signal }: StatusesOptions,
  begin: (stop: AbortSignal) => Live<S>,
): AsyncGenerator<S, void, undefined> {
  const [left, over] = [new AbortController(), new AbortController()];
  const live = begin(signal ? AbortSignal.any([signal, left.signal]) : left.signal);
  const done = live.run().finally(() => {
    over.abort();
  });
  // Thrown below; until then nobody may call it unhandled.
  done.catch(() => undefined);
  try {
    for (let last = false; !last;) {
      await pause(everyMs, over.signal);
      last = over.signal.aborted;
      yield live.status;
    }
  } finally {
    left.abort();
    await done;
  }
}
