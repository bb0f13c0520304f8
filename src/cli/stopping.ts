/**
 * What stops a command before its end, and with which code it ends then.
 *
 * All of it stops a command in the same clean way, by its signal: SIGINT, SIGTERM and SIGHUP, output that
 * cannot be written, a bug. A cutover must let writes in again whatever it was. With an ssh session the
 * terminal goes, and a `| tee` behind the command, so that each line fails from then on.
 *
 * Behind a takeover nothing local may stop it (`mustGoOn`): without it nobody keeps the fence. Then
 * only SIGINT and SIGTERM do; all else is remembered for the exit code.
 *
 *     a reader that is gone (`| head`), a lost terminal   no error: the code is the command's own
 *     output lost in any other way (a full disk)          6 in place of 0, 1 and 130
 *     an error that nobody caught: a bug                  70
 */
import { closeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { LockstepError } from '../errors.js';
import { Output } from './output.js';

/** The result, or a part of what was told, could not be written. */
export const EXIT_OUTPUT = 6;
const EXIT_BUG = 70;
/** Ended by a signal before it was done. */
export const EXIT_INTERRUPTED = 130;

/** These say what the output says; where it is lost they would say too much. */
const NEEDS_OUTPUT = [0, 1, EXIT_INTERRUPTED];
/** After a bug something may wait for what never comes. */
const STOPPED_WITHIN_MS = 60_000;

class Stopping {
  readonly stdout = this.#output('stdout', 1);
  readonly stderr = this.#output('stderr', 2);
  readonly #stop = new AbortController();
  #mustGoOn = false;
  #lost: LockstepError | undefined;
  #bug = false;
  #tell: (why: string) => void = () => undefined;
  #onHangup: (() => void) | undefined;

  /** Aborts when the command has to stop. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** What could not be written first; undefined while nobody misses anything. */
  get lost(): LockstepError | undefined {
    return this.#lost;
  }

  /** From now on nothing but SIGINT and SIGTERM stops the command. */
  mustGoOn(): void {
    this.#mustGoOn = true;
    for (const output of [this.stdout, this.stderr]) output.neverWait();
  }

  /**
   * Heeds signals from now on; SIGINT or SIGTERM sent once more ends the process at once.
   * @param tell called with what has stopped it, or has not
   * @returns lets SIGINT and SIGTERM do what they did before
   */
  heed(tell: (why: string) => void): () => void {
    this.#tell = tell;
    let asked = false;
    const onSignal = (name: NodeJS.Signals) => {
      if (asked) process.exit(this.exitCode(EXIT_INTERRUPTED));
      asked = true;
      this.#abort(`${name}: stopping after what is under way (Ctrl-C once more: at once)`);
    };
    // A shell passes on what it gets, so that one lost terminal may be two of these, one of them late.
    const onHangup = () => {
      if (this.#onHangup) this.#onHangup();
      else if (!this.#mustGoOn) this.#abort('SIGHUP: stopping after what is under way');
    };
    process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onHangup);
    return () => {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    };
  }

  /** SIGHUP does this from now on. A terminal that is lost stops the command by its output all the same. */
  onHangup(act: () => void): void {
    this.#onHangup = act;
  }

  /** Somebody who may has asked for it. */
  stop(why: string): void {
    this.#abort(why);
  }

  /** An error that nobody caught, or none of ours. */
  bug(error: unknown): void {
    process.exitCode = EXIT_BUG;
    if (!this.#bug) this.stderr.write(bugText(error));
    this.#bug = true;
    if (this.#mustGoOn) return;
    setTimeout(() => process.exit(EXIT_BUG), STOPPED_WITHIN_MS).unref();
    this.#stop.abort();
  }

  /** @param own the code that the command came to */
  exitCode(own: number): number {
    if (this.#bug) return EXIT_BUG;
    return this.#lost && NEEDS_OUTPUT.includes(own) ? EXIT_OUTPUT : own;
  }

  #output(name: string, fd: number): Output {
    return new Output(fd, (failure) => {
      if (failure.readerGone) this.#readerGone();
      else this.#outputLost(name, failure.error);
    });
  }

  #readerGone(): void {
    if (!this.#mustGoOn) this.#stop.abort();
  }

  #outputLost(name: string, error: Error): void {
    if (this.#lost) return;
    this.#lost = outputLost(name, error);
    // Where it ends, that is said at its end.
    if (this.#mustGoOn) this.#tell(`${this.#lost.message}; going on all the same`);
    else this.#stop.abort();
  }

  #abort(why: string): void {
    if (this.#stop.signal.aborted) return;
    // Before it is told, which may fail, too.
    this.#stop.abort();
    this.#tell(why);
  }
}

function outputLost(name: string, cause: Error): LockstepError {
  return new LockstepError('OUTPUT_LOST', `${name} cannot be written: ${cause.message}`, {
    hint: 'Make room, or send it somewhere else, and run the same command again. What it has done already it does not do twice.',
    cause,
  });
}

function bugText(error: unknown): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `Error: ${text}\nTry: this is a bug in etcd-lockstep; please report it with the lines above.\n`;
}

/** Of the process, which runs one command. */
export const stopping = new Stopping();

/** For the whole life of the process, as soon as it begins. */
export function guardProcess(): void {
  // Unhandled rejections come here, too.
  process.on('uncaughtException', (error) => {
    stopping.bug(error);
  });
  // Questions on the terminal, and Node's own warnings, do not go through our output.
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    stopping.stderr.failed(error);
  });
  closeLostTerminals();
}

/**
 * At its exit Node sets back each terminal that it was started on, and aborts where one is gone
 * (node::ResetStdio). It leaves alone what is closed.
 */
function closeLostTerminals(): void {
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
