/** What is done by others than us: the word "go", and the operator's own commands. */
import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { flagOf } from '../config/options.js';
import { badArgument, LockstepError } from '../errors.js';
import { startShell } from '../hooks/shell.js';
import type { Context } from './command.js';
import { stopping } from './stopping.js';

/**
 * Before anything has begun: somebody must be there to ask.
 * @throws LockstepError BAD_ARGUMENT
 */
export function needsGo(yes: boolean | undefined): void {
  if (yes || process.stdin.isTTY) return;
  throw badArgument('there is no terminal to ask on', 'Add --yes to go without being asked.');
}

/**
 * @param warnings what to know before
 * @throws LockstepError NO_GO for any answer but "go"
 */
export async function askGo(
  what: string,
  warnings: readonly string[],
  yes: boolean | undefined,
  { log, signal }: Pick<Context, 'log' | 'signal'>,
): Promise<void> {
  for (const warning of warnings) log.warn(`WARNING: ${warning}`);
  if (yes) return;
  // The terminal keeps its own mode: readline would set it back in the end, which fails where it is gone.
  const lines = createInterface({
    input: process.stdin,
    output: stopping.stderr.stream(),
    terminal: false,
  });
  try {
    const closed = once(lines, 'close').then(() => '');
    const asked = lines.question(`${what}\nType go to go on: `, { signal });
    const answer = await Promise.race([asked, closed]);
    if (answer.trim() === 'go') return;
  } finally {
    lines.close();
  }
  throw new LockstepError('NO_GO', 'no go was given; nothing was changed', {
    hint: 'Run the same command again when it is time.',
  });
}

/**
 * A command of the operator's. Where it fails, or there is none, he does the work by hand and we wait:
 * ending would take the fence away in the middle of the switch.
 */
export class Hook {
  #failed = false;

  /** @param command for the shell; what it prints goes to stderr */
  constructor(
    private readonly name: 'switchHook' | 'flipHook',
    private readonly command: string | undefined,
    private readonly context: Pick<Context, 'log'>,
  ) {}

  get given(): boolean {
    return this.command !== undefined;
  }

  /** Whether somebody has to be told what to do. */
  get byHand(): boolean {
    return this.#failed || !this.given;
  }

  /**
   * @param env added to our own variables
   * @param signal ends it
   */
  async run(env: Record<string, string>, signal: AbortSignal): Promise<void> {
    const { log } = this.context;
    const ended = await shell(this.command ?? '', env, signal);
    signal.throwIfAborted();
    this.#failed = ended !== '';
    if (!this.#failed) return;
    const on = env['APISERVER'] === undefined ? '' : ` for ${env['APISERVER']}`;
    log.error(`${flagOf(this.name)}${on}: ${ended}. Do it by hand; the fence is kept meanwhile`);
  }
}

/**
 * What it prints goes to stderr by itself. Where that is lost already it goes nowhere: a script that
 * cannot print may end at its first line. Its whole group ends with us, or it moves an apiserver for a run
 * that has ended.
 * @returns how it failed; nothing if it did not
 */
async function shell(
  command: string,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<string> {
  const out = stopping.stderr.isLost ? 'ignore' : 2;
  const started = startShell(command, env, ['ignore', out, out]);
  return new Promise((resolve) => {
    const stop = () => {
      started.signal('SIGTERM');
      resolve('ended by us');
    };
    signal.addEventListener('abort', stop, { once: true });
    // One that has fired already fires no event.
    if (signal.aborted) stop();
    void started.ended.then((how) => {
      signal.removeEventListener('abort', stop);
      resolve(how);
    });
  });
}
