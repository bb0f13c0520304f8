/**
 * A shell command of the operator's. It has a process group of its own: what the shell has started has to end
 * with it.
 */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';

export interface Shell {
  child: ChildProcess;
  /** How it failed; nothing if it did not. Never rejects. */
  ended: Promise<string>;
  /** Sends a signal to all of it; of what has ended already, or is another user's (sudo), nothing is said. */
  signal: (name: NodeJS.Signals) => void;
}

/** @param env added to our own variables */
export function startShell(
  command: string,
  env: Record<string, string>,
  stdio: StdioOptions,
): Shell {
  const child = spawn('sh', ['-c', command], {
    ...{ env: { ...process.env, ...env }, stdio, detached: true },
  });
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => {
      resolve(error.message);
    });
    child.on('exit', (code, by) => {
      resolve(code === 0 ? '' : `ended with ${by ?? `exit code ${code ?? 0}`}`);
    });
  });
  return {
    ...{ child, ended },
    signal: (name) => {
      signalGroup(child.pid, name);
    },
  };
}

function signalGroup(leader: number | undefined, name: NodeJS.Signals): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, name);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}
