import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { cleanEnv } from './binaries.js';

const STOPPED_WITHIN_MS = 10_000;

const running = new Set<Child>();
const folders = new Set<string>();

/** Nothing may outlive the test run: neither a process nor the 128 MB that each etcd preallocates. */
function cleanUp(): void {
  for (const child of running) child.signal('SIGKILL');
  running.clear();
  if (process.env['ETCD_RIG_KEEP'] === undefined) {
    for (const dir of folders) rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
  folders.clear();
}

let hooked = false;

function hookExit(): void {
  if (hooked) return;
  hooked = true;
  process.once('exit', cleanUp);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      cleanUp();
      // A handler takes the signal's default away. Where nobody else has one
      // that ends the process (mocha has for SIGINT), it ends as it would have.
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
  }
}

/** Has a temporary folder removed at the end of the process; `ETCD_RIG_KEEP=1` keeps them all. */
export function removeAtExit(dir: string): void {
  hookExit();
  folders.add(dir);
}

/** Removes such a folder now. */
export function removeFolder(dir: string): void {
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  folders.delete(dir);
}

/** One process that logs to a file and never outlives this one. */
export class Child {
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #log: string;
  readonly #logStart: number;
  #end: string | undefined;

  constructor(command: string, args: readonly string[], log: string) {
    hookExit();
    this.#log = log;
    const fd = openSync(log, 'a');
    this.#logStart = statSync(log).size;
    this.#process = spawn(command, args, { stdio: ['ignore', fd, fd], env: cleanEnv() });
    closeSync(fd);
    running.add(this);
    this.#exited = new Promise((resolve) => {
      const ended = (how: string): void => {
        this.#end ??= how;
        running.delete(this);
        resolve();
      };
      this.#process.once('error', (e) => {
        ended(e.message);
      });
      this.#process.once('exit', (code, signal) => {
        ended(signal === null ? `exit code ${code ?? '?'}` : signal);
      });
    });
    // A forgotten etcd must not keep the test run from ending.
    this.#process.unref();
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  /** How it ended, undefined while it runs. A method: the answer changes between two calls. */
  ended(): string | undefined {
    return this.#end;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#end === undefined) this.#process.kill(signal);
  }

  /** SIGTERM; SIGKILL if it does not end in time. Harmless when it has ended already. */
  async stop(withinMs = STOPPED_WITHIN_MS): Promise<void> {
    this.signal('SIGTERM');
    this.signal('SIGCONT'); // a paused process gets the other one only then
    const late = setTimeout(() => {
      this.signal('SIGKILL');
    }, withinMs);
    await this.exit();
    clearTimeout(late);
  }

  /** SIGKILL: what a crash of the process leaves behind. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exit();
  }

  /** Waits for its end, and keeps this process alive for that long. */
  async exit(): Promise<void> {
    this.#process.ref();
    await this.#exited;
  }

  /** The last lines that it has logged itself: an earlier process may have used the same file. */
  lastLines(n: number): string {
    const own = readFileSync(this.#log).subarray(this.#logStart).toString('utf8');
    return own.trimEnd().split('\n').slice(-n).join('\n');
  }
}
