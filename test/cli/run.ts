/** The built command line as a process, as a user runs it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
/** Hardly anything that a test starts takes so long; a process that hangs must not hang the run. */
const KILLED_AFTER_MS = 60_000;

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** How a command ended. */
export interface Ended {
  /** null after a signal that it did not handle. */
  code: number | null;
  stdout: string;
  stderr: string;
  /** How long it was still there after the last thing that it said. */
  lingeredMs: number;
}

/** Instead of pipes that are read here, and of the command line itself. */
export interface Elsewhere {
  /** Paths of files that are written on. */
  stdout?: string;
  stderr?: string;
  /** What node is started with, in place of the built command line. */
  program?: readonly string[];
}

/** A command under way. */
export class Running {
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;
  readonly ended: Promise<Ended>;
  #over = false;
  #saidMs = performance.now();

  constructor(
    args: readonly string[],
    env: Record<string, string> = {},
    killedAfterMs = KILLED_AFTER_MS,
    { stdout, stderr, program = [MAIN] }: Elsewhere = {},
  ) {
    if (!existsSync(MAIN)) throw new Error('dist/ is missing; run `make build`');
    const files = [stdout, stderr].map((path) => path && openSync(path, 'a'));
    this.#child = spawn(process.execPath, [...program, ...args], {
      stdio: ['ignore', ...files.map((file) => file || 'pipe')],
      env: { ...cleanEnv(), ...env },
    });
    for (const file of files) if (file) closeSync(file);
    running.add(this.#child);
    for (const name of ['stdout', 'stderr'] as const)
      this.#child[name]?.on('data', (chunk: Buffer) => {
        this[name] += chunk.toString();
        this.#saidMs = performance.now();
      });
    const late = setTimeout(() => this.#child.kill('SIGKILL'), killedAfterMs);
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code) => {
        clearTimeout(late);
        running.delete(this.#child);
        this.#over = true;
        const { stdout, stderr } = this;
        resolve({ code, stdout, stderr, lingeredMs: performance.now() - this.#saidMs });
      });
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Nobody reads any more what it says. */
  leave(): void {
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  /** As a lost ssh does it: the terminal and a `| tee` are gone, and the shell passes on the signal. */
  hangUp(): void {
    this.leave();
    this.signal('SIGHUP');
    this.signal('SIGHUP');
  }

  /** Waits until it has said so much; throws if it ends before. */
  async until(said: (self: { stdout: string; stderr: string }) => boolean): Promise<void> {
    while (!said(this)) {
      if (this.#over) throw new Error(`ended before it said that:\n${this.stdout}${this.stderr}`);
      await sleep(20);
    }
  }

  /** Waits for a line of JSON on stdout that is so; returns it. */
  async line<T>(schema: z.ZodType<T>, is: (line: T) => boolean): Promise<T> {
    let found: T | undefined;
    await this.until(() => {
      found = whole(this.stdout)
        .map((line) => schema.parse(line))
        .find(is);
      return found !== undefined;
    });
    return found as T;
  }
}

/**
 * A command on a terminal of its own (util-linux's script), which can be taken away.
 * @param folder for what it ended with
 * @param columns how wide it is
 */
export class OnTerminal {
  /** What has been on the terminal. */
  output = '';
  readonly #script: ChildProcess;
  readonly #code: string;

  constructor(args: readonly string[], folder: string, columns = 80) {
    this.#code = join(folder, `code-${OnTerminal.#made++}`);
    const words = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(' ');
    // The shell outlives the terminal, to tell how the command ended.
    const shell = `trap '' HUP INT; stty cols ${columns}; ${words}; echo $? > '${this.#code}'`;
    this.#script = spawn('script', ['-qec', shell, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...cleanEnv(), SHELL: '/bin/sh' },
    });
    running.add(this.#script);
    this.#script.stdout?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
  }

  static #made = 0;

  async until(said: string): Promise<void> {
    while (!this.output.includes(said)) {
      if (this.#script.exitCode !== null) throw new Error(`ended before:\n${this.output}`);
      await sleep(20);
    }
  }

  type(text: string): void {
    this.#script.stdin?.write(text);
  }

  /** The terminal is gone, as with a lost ssh. */
  takeAway(): void {
    this.#script.kill('SIGKILL');
    running.delete(this.#script);
  }

  /** Its exit code. */
  async code(): Promise<number> {
    const deadline = Date.now() + KILLED_AFTER_MS;
    while (!existsSync(this.#code) || readFileSync(this.#code, 'utf8') === '') {
      if (Date.now() > deadline) throw new Error(`does not end:\n${this.output}`);
      await sleep(20);
    }
    return Number(readFileSync(this.#code, 'utf8'));
  }
}

/** Runs a command to its end. */
export async function run(
  args: readonly string[],
  env?: Record<string, string>,
  elsewhere?: Elsewhere,
): Promise<Ended> {
  return new Running(args, env, KILLED_AFTER_MS, elsewhere).ended;
}

/** The objects on stdout, one a line; a last line without its end is left out. */
export function whole(stdout: string): unknown[] {
  return stdout
    .split('\n')
    .slice(0, -1)
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}

/** What an error looks like with `-w json`, on stderr. */
export const errorLine = z.strictObject({
  error: z.strictObject({
    code: z.string(),
    message: z.string().min(10),
    hint: z.string().optional(),
    revision: z.number().int().optional(),
    side: z.enum(['source', 'target', 'apiserver', 'this machine']).optional(),
    disposition: z.enum(['retry', 'reseed', 'fatal', 'usage', 'output']),
  }),
});
export type CliError = z.infer<typeof errorLine>['error'];

/** The error that a command with `-w json` ended with; it is the last line on stderr. */
export function errorOf({ stderr }: Pick<Ended, 'stderr'>): CliError {
  const last = stderr.trimEnd().split('\n').at(-1) ?? '';
  return errorLine.parse(JSON.parse(last)).error;
}

/** Without the flags that a developer's shell may have set. */
function cleanEnv(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('LOCKSTEP_'));
  // A cutover would go on until somebody stops it.
  return { ...Object.fromEntries(kept), LOCKSTEP_NO_REVERSE: 'true' };
}
