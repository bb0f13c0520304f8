/**
 * What stops a command before its end: a signal, a terminal that is lost, a reader that has seen enough.
 *
 * All of them stop it in the same clean way. With an ssh session the terminal goes, and a `| tee` behind
 * the command, so that each line fails from then on; a cutover must let writes in again all the same.
 */
import { closeSync } from 'node:fs';
import { isatty } from 'node:tty';

const OUTPUTS = [process.stdout, process.stderr];

/**
 * For errors of stdout and stderr, at any time: that nobody reads them is none.
 * @throws any other error
 */
export function readerGone(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
}

/**
 * At its exit Node sets back each terminal that it was started on, and aborts where one is gone
 * (node::ResetStdio). It leaves alone what is closed.
 */
export function closeLostTerminals(): void {
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  process.once('exit', () => {
    for (const fd of terminals.filter((fd) => !isatty(fd)))
      try {
        closeSync(fd);
      } catch {
        // It is closed already.
      }
  });
}

export interface Stopping {
  /** Aborts at the first of them. */
  signal: AbortSignal;
  /** To be told where a line failed that went to stdout or stderr by another way. @throws any other error */
  onError: (error: Error) => void;
  /** Lets signals do what they did before. */
  release: () => void;
}

/**
 * @param onStop called with what stopped it, for the first SIGINT, SIGTERM or SIGHUP
 * @param atOnce called where SIGINT or SIGTERM is sent once more
 */
export function stopping(onStop: (name: NodeJS.Signals) => void, atOnce: () => void): Stopping {
  const stop = new AbortController();
  let asked = false;
  const onSignal = (name: NodeJS.Signals) => {
    if (asked) atOnce();
    asked = true;
    if (!stop.signal.aborted) onStop(name);
    stop.abort();
  };
  // A shell passes on what it gets, so that one lost terminal may be two of these.
  const onHangup = () => {
    if (!stop.signal.aborted) onStop('SIGHUP');
    stop.abort();
  };
  const onError = (error: Error) => {
    readerGone(error);
    stop.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onHangup);
  for (const output of OUTPUTS) output.on('error', onError);
  const release = () => {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onHangup);
    for (const output of OUTPUTS) output.off('error', onError);
  };
  return { signal: stop.signal, onError, release };
}
