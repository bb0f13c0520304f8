/** A command that can be looked at while it runs: --listen, and what becomes of it at its end. */
import type { ListenAddress } from '../config/listenaddress.js';
import { failedView, type ViewFacts } from '../listen/blankview.js';
import { isLoopback } from '../listen/hostcheck.js';
import type { View } from '../listen/view.js';
import { ownVersion } from '../ownversion.js';
import type { Context } from './command.js';

interface ListenerOptions {
  listen?: ListenAddress;
  readyLag: number;
}

/** What a command shows of itself; each is asked whenever somebody looks. */
export interface Showing {
  view: (facts: ViewFacts) => View;
  /** As `-w json` prints it; undefined before there is one. */
  status: () => object | undefined;
  /** Folder of the reports of its audits; undefined: it makes none. */
  reports?: string | undefined;
  /** The command that mends what the work has failed with, where there is one. */
  mend?: (error: unknown) => string | null;
}

/**
 * Runs `work`, and shows it from its first moment until its end: to its hooks, and by HTTP where --listen is
 * given. The last that is shown there of work that fails is how it has failed.
 * @throws LockstepError CANNOT_LISTEN before the work is begun; what the work throws
 */
export async function listening<T>(
  { listen, readyLag }: ListenerOptions,
  {
    log,
    note,
    events,
    signal,
    hooks,
  }: Pick<Context, 'log' | 'note' | 'events' | 'signal' | 'hooks'>,
  { view, status, reports, mend = () => null }: Showing,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = new Date(Date.now() - process.uptime() * 1000);
  const facts = { version: ownVersion(), startedAt, events, readyLagSeconds: readyLag };
  let failure: { error: unknown } | undefined;
  const shown = () => {
    const now = view(facts);
    // A night says itself how it has failed, and what that has left.
    if (!failure || now.state === 'failed') return now;
    return failedView(now, failure.error, mend(failure.error));
  };
  const seen = () => (hooks ? hooks.watch({ view: shown, reports }, work) : work());
  if (!listen) return seen();
  // Only here, as all that serves takes a while to load.
  const { Listener } = await import('../listen/listener.js');
  const listener = await Listener.open(listen, { view: shown, status, reports }, note);
  log.info(`listening: ${listener.url}`);
  if (!isLoopback(listen.host))
    log.warn(
      'whoever reaches that address can read it, names of keys too: it has no users and no TLS',
    );
  try {
    return await seen();
  } catch (error) {
    // What was given up because it had to stop has not failed.
    if (!signal.aborted) failure = { error };
    throw error;
  } finally {
    await listener.close();
  }
}
