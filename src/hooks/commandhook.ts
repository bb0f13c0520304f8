/**
 * Tells an event to a shell command: as one line of JSON on its stdin, its name in $LOCKSTEP_EVENT.
 *
 * Whatever the command does it is over in time, and its whole process group with it: asked to end first, then
 * made to. What it prints on stdout goes nowhere; of what it prints on stderr a failure quotes the end. One
 * that floods it is ended: reading all of it would take the time of whoever follows.
 */
import { pause } from '../async/again.js';
import { EVENT_VARIABLE, type EventName } from './events.js';
import { startShell } from './shell.js';

/** An ssh that waits for its host takes as long. */
const ENDS_WITHIN_MS = 30_000;
/** Between being asked to end and being made to. */
const ASKED_MS = 1000;
/** Of what it may print on stderr. */
const MAX_STDERR_BYTES = 64 * 1024;
const QUOTED_CHARACTERS = 200;

/**
 * @param rehearsal $REHEARSE says so
 * @param body one line
 * @param signal ends it
 * @returns how it failed; nothing if it did not
 */
export async function tellCommand(
  command: string,
  { event, rehearsal = false }: { event: EventName; rehearsal?: boolean },
  body: string,
  signal: AbortSignal,
  withinMs = ENDS_WITHIN_MS,
): Promise<string> {
  const env = { [EVENT_VARIABLE]: event, ...(rehearsal ? { REHEARSE: '1' } : {}) };
  const shell = startShell(command, env, ['pipe', 'ignore', 'pipe']);
  const { child, ended } = shell;
  const kill = () => {
    shell.signal('SIGKILL');
  };
  // Nobody would end it any more.
  process.once('exit', kill);
  // It need not read what it is told.
  child.stdin?.on('error', () => undefined).end(`${body}\n`);
  const stderr = new Tail(child.stderr);
  const over = new AbortController();
  const why = await Promise.race([
    ended,
    stderr.flooded.then(() => `was ended: it printed more than ${MAX_STDERR_BYTES / 1024} KiB`),
    whenAborted(signal, over.signal).then(() => 'was ended: the command that it is a hook of ends'),
    pause(withinMs, over.signal).then(() => `was ended: it took more than ${withinMs / 1000} s`),
  ]);
  over.abort();
  if (why.startsWith('was ended')) await endGroup(shell, ended);
  process.off('exit', kill);
  const said = stderr.close();
  return why === '' || said === '' ? why : `${why}; it said: ${said}`;
}

async function endGroup({ signal }: ReturnType<typeof startShell>, ended: Promise<string>) {
  signal('SIGTERM');
  const gone = new AbortController();
  await Promise.race([ended, pause(ASKED_MS, gone.signal)]);
  gone.abort();
  // Also where the shell is gone: what it has started may not be.
  signal('SIGKILL');
}

async function whenAborted(signal: AbortSignal, over: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const aborted = () => {
      resolve();
    };
    if (signal.aborted) aborted();
    signal.addEventListener('abort', aborted, { once: true, signal: over });
  });
}

/** The end of what comes, and whether it is too much. */
class Tail {
  readonly flooded: Promise<void>;
  #text = '';
  #bytes = 0;

  constructor(private readonly stream: NodeJS.ReadableStream | null) {
    this.flooded = new Promise((resolve) => {
      stream?.on('data', (chunk: Buffer) => {
        this.#bytes += chunk.length;
        this.#text = (this.#text + chunk.toString()).slice(-QUOTED_CHARACTERS);
        if (this.#bytes <= MAX_STDERR_BYTES) return;
        stream.pause();
        resolve();
      });
    });
  }

  /** @returns it, on one line */
  close(): string {
    (this.stream as { destroy?: () => void } | null)?.destroy?.();
    return this.#text.replaceAll(/\s+/g, ' ').trim();
  }
}
