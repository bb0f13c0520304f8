/**
 * The built command line in processes that are there before they are needed: Node has started in each,
 * and waits for its arguments, so that the next follower starts soon after the last one died.
 *
 * It is `node main.js` all the same: only what `--import` names is put in front, and that waits. The
 * environment is set by then, and src/failpoint.ts reads it after that; a fail point that is never met
 * fails the tests, so it would not go unnoticed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const WAIT = `
  await new Promise((go) => {
    process.once('message', ({ args, env }) => {
      process.argv.push(...args);
      Object.assign(process.env, env);
      process.disconnect();
      go();
    });
    process.send('ready');
  });
`;
/** Nothing that a test starts takes so long. */
const HANGS_AFTER_MS = 60_000;

const alive = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** How a command ended. */
export interface Death {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Whether the signal was ours. */
  killed: boolean;
  stdout: string;
  stderr: string;
}

/** One command. */
export class Mortal {
  readonly ended: Promise<Death>;
  readonly #child: ChildProcess;
  #killed = false;
  #over = false;
  #stdout = '';
  #stderr = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    alive.add(child);
    child.stdout?.on('data', (chunk: Buffer) => (this.#stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        alive.delete(child);
        this.#over = true;
        const [stdout, stderr] = [this.#stdout, this.#stderr];
        resolve({ code, signal, killed: this.#killed, stdout, stderr });
      });
    });
  }

  /** A process that waits. */
  static async waiting(): Promise<Mortal> {
    if (!existsSync(MAIN)) throw new Error('dist/ is missing; run `make build`');
    const wait = `data:text/javascript,${encodeURIComponent(WAIT)}`;
    const child = spawn(process.execPath, ['--import', wait, MAIN], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: cleanEnv(),
    });
    const mortal = new Mortal(child);
    const ready = once(child, 'message').then(() => undefined);
    const first = await Promise.race([ready, mortal.ended]);
    if (first) throw new Error(`the command does not load:\n${first.stderr}`);
    return mortal;
  }

  get over(): boolean {
    return this.#over;
  }

  start(args: readonly string[], env: Record<string, string> = {}): void {
    this.#child.send({ args, env });
    const late = setTimeout(() => this.#child.kill('SIGKILL'), HANGS_AFTER_MS);
    void this.ended.then(() => {
      clearTimeout(late);
    });
  }

  kill(): void {
    this.#killed = true;
    this.#child.kill('SIGKILL');
  }
}

/** So many of them, always. */
export class Pool {
  readonly #waiting: Promise<Mortal>[];

  constructor(size: number) {
    this.#waiting = Array.from({ length: size }, () => this.#another());
  }

  async take(): Promise<Mortal> {
    const next = this.#waiting.shift();
    this.#waiting.push(this.#another());
    return next ?? this.#another();
  }

  /** Runs one command to its end. */
  async run(args: readonly string[], env?: Record<string, string>): Promise<Death> {
    const mortal = await this.take();
    mortal.start(args, env);
    return mortal.ended;
  }

  async end(): Promise<void> {
    for (const mortal of await Promise.allSettled(this.#waiting)) {
      if (mortal.status !== 'fulfilled') continue;
      mortal.value.kill();
      await mortal.value.ended;
    }
  }

  /** Its failure is thrown when it is taken, not before. */
  #another(): Promise<Mortal> {
    const mortal = Mortal.waiting();
    mortal.catch(() => undefined);
    return mortal;
  }
}

/** Without the flags that a developer's shell may have set. */
function cleanEnv(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('LOCKSTEP_'));
  return Object.fromEntries(kept);
}
