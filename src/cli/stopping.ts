/**
 * What stops a command before its end: a signal, a terminal that is lost, a reader that has seen enough.
 *
 * All of them stop it in the same clean way. With an ssh session the terminal goes, and a `| tee` behind
 * the command, so that each line fails from then on; a cutover must let writes in again all the same.
 */
const OUTPUTS = [process.stdout, process.stderr];

/** Whether a line could not be written since nobody is there to read it. */
export function isReaderGone({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EPIPE' || code === 'EIO';
}

export interface Stopping {
  /** Aborts at the first of them. */
  signal: AbortSignal;
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
    onHangup(name);
  };
  // A shell passes on what it gets, so that one lost terminal may be two of these.
  const onHangup = (name: NodeJS.Signals) => {
    if (!stop.signal.aborted) onStop(name);
    stop.abort();
  };
  const onError = (error: Error) => {
    if (isReaderGone(error)) stop.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onHangup);
  for (const output of OUTPUTS) output.on('error', onError);
  const release = () => {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onHangup);
    for (const output of OUTPUTS) output.off('error', onError);
  };
  return { signal: stop.signal, release };
}
