/**
 * A hook of the operator's in a rehearsal: with REHEARSE=1, its time taken, and its word for the restart heard.
 *
 * It moves apiservers, if it does not look at REHEARSE. So it is not run where nothing says that it does:
 * neither the command itself names it, nor a file that is a word of the command. That it names it does not mean
 * that it heeds it; cutover/rehearsedhooks.ts looks what it has done.
 */
import { readFileSync, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { flagOf } from '../config/options.js';
import type { HookRun } from '../cutover/rehearsedhooks.js';
import { startShell } from '../hooks/shell.js';
import { stopping } from './stopping.js';

export const REHEARSE = 'REHEARSE';

/** `restart-seconds=12.3`, alone on a line of stdout. */
const RESTART = /^restart-seconds=(\d+(?:\.\d+)?)\s*$/;
/** A script is smaller. */
const MAX_SCRIPT_BYTES = 16 * 1024 * 1024;

/**
 * @param env as in a night
 * @param signal ends it
 * @throws the signal's reason
 */
export async function rehearseHook(
  name: 'switchHook' | 'flipHook',
  command: string,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<HookRun> {
  if (!namesRehearse(command))
    return {
      ...{ seconds: null, restartSeconds: null },
      failed: `it was not run: nothing in it names ${REHEARSE}, so ${flagOf(name)} would move an apiserver for real. docs/hooks.md says how it looks at it`,
    };
  const began = performance.now();
  let restartSeconds: number | null = null;
  const out = stopping.stderr.isLost ? 'ignore' : 2;
  const shell = startShell(command, { ...env, [REHEARSE]: '1' }, ['ignore', 'pipe', out]);
  const { stdout } = shell.child;
  const lines = stdout && createInterface({ input: stdout });
  lines?.on('line', (line) => {
    const told = RESTART.exec(line)?.[1];
    if (told !== undefined) restartSeconds = Number(told);
    else stopping.stderr.write(`${line}\n`);
  });
  const printed = lines && new Promise<void>((resolve) => lines.once('close', resolve));
  const stop = () => {
    shell.signal('SIGTERM');
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const failed = await shell.ended;
  const seconds = (performance.now() - began) / 1000;
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
  // What it has left running may hold its stdout open.
  await Promise.race([printed, new Promise((resolve) => setTimeout(resolve, PRINTED_MS).unref())]);
  lines?.close();
  return { seconds, restartSeconds, failed: failed === '' ? null : failed };
}

const PRINTED_MS = 500;

function namesRehearse(command: string): boolean {
  if (command.includes(REHEARSE)) return true;
  const words = command.split(/[\s;&|()]+/).map((word) => word.replaceAll(/^["']+|["']+$/g, ''));
  return words.some((word) => word !== '' && fileNames(word));
}

function fileNames(path: string): boolean {
  try {
    const file = statSync(path);
    return file.isFile() && file.size <= MAX_SCRIPT_BYTES && readFileSync(path).includes(REHEARSE);
  } catch {
    // No file, or none that may be read: nothing is known of it.
    return false;
  }
}
