/** What is done by others than us: the word "go", and the operator's own commands. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline/promises';
import { badArgument, LockstepError } from '../errors.js';
import type { Context } from './command.js';

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
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(`${what}\nType go to go on: `, { signal });
    if (answer.trim() === 'go') return;
  } finally {
    lines.close();
  }
  throw new LockstepError('NO_GO', 'no go was given; nothing was changed', {
    disposition: 'usage',
    hint: 'Run the same command again when it is time.',
  });
}

/**
 * Runs a command of the operator's by the shell; what it prints goes to stderr.
 * @throws LockstepError HOOK where it fails
 */
export async function runHook(
  flag: string,
  command: string,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const ended = await new Promise<string>((resolve) => {
    const child = spawn('sh', ['-c', command], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 2, 2],
      signal,
    });
    child.on('error', (error) => {
      resolve(error.message);
    });
    child.on('exit', (code, by) => {
      resolve(code === 0 ? '' : `ended with ${by ?? `exit code ${code ?? 0}`}`);
    });
  });
  if (ended === '') return;
  throw new LockstepError('HOOK', `${flag}: ${ended}`, {
    disposition: 'retry',
    hint: 'See above for what it printed. Mend it, and run the same command again: it goes on.',
  });
}
