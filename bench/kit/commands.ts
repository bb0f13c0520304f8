/** The programs that are compared, each as a process, as a user would start it. */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FollowStatus } from '../../src/lockstep/follow.js';
import { binaries } from '../../test/rig/binaries.js';
import { Child } from '../../test/rig/child.js';
import { PODS } from './data.js';
import { root } from './place.js';
import { measured, Meter, type Usage } from './usage.js';

const cli = join(root, 'dist/src/cli/main.js');
/** stdout into one file, stderr into another; the shell is replaced, so the pid is the program's. */
const SPLIT = 'exec "$@" 2>"$0"';

let made = 0;

/** Starts a program. */
function start(folder: string, command: readonly string[]): { child: Child; out: string } {
  const out = join(folder, `process-${++made}.out`);
  return { child: new Child('sh', ['-c', SPLIT, `${out}.err`, ...command], out), out };
}

/** Runs a program to its end. @throws with what it wrote, where it fails */
export async function run(folder: string, command: readonly string[]): Promise<Usage> {
  return measured(start(folder, command).child, command.join(' '));
}

/** Runs etcd-lockstep to its end; the last line of JSON is its result. */
export async function lockstep(
  folder: string,
  args: readonly string[],
): Promise<{ result: unknown; usage: Usage }> {
  const command = [process.execPath, cli, ...args, '-w', 'json'];
  const { child, out } = start(folder, command);
  const usage = await measured(child, command.join(' '));
  const last = readFileSync(out, 'utf8').trimEnd().split('\n').at(-1) ?? '';
  return { result: JSON.parse(last) as unknown, usage };
}

/** Seconds that a process of ours needs to read the pods of each by pages, all at the same time. */
export async function readByRange(folder: string, ...endpoints: string[]): Promise<number> {
  const script = join(import.meta.dirname, 'read-by-range.ts');
  const command = [process.execPath, '--import=tsx', script, PODS, ...endpoints];
  const { child, out } = start(folder, command);
  await measured(child, command.join(' '));
  return Number(readFileSync(out, 'utf8'));
}

/** `etcdctl snapshot save`, to its end. */
export async function saveSnapshot(folder: string, endpoint: string): Promise<Usage> {
  const file = join(folder, `saved-${++made}.db`);
  const saving = [binaries().etcdctl, '--endpoints', endpoint, 'snapshot', 'save', file];
  const usage = await run(folder, saving);
  rmSync(file);
  return usage;
}

/** A program that runs until it is ended. */
export class Running {
  readonly #child: Child;
  readonly #meter: Meter;
  readonly #err: string;

  protected constructor(folder: string, command: readonly string[]) {
    const { child, out } = start(folder, command);
    this.#child = child;
    this.#err = `${out}.err`;
    this.#meter = new Meter(child.pid);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** What it wrote last to stdout, if it wrote anything. */
  protected lastLine(): string {
    return this.#child.lastLines(1);
  }

  /** @throws where it has ended by itself */
  check(): void {
    const how = this.#child.ended();
    if (how !== undefined && how !== 'exit code 0')
      throw new Error(
        `${how}\n${this.#child.lastLines(5)}\n${readFileSync(this.#err, 'utf8').slice(-2000)}`,
      );
  }

  /** Stops the process where it is; its connections stay open. */
  freeze(): void {
    this.#child.signal('SIGSTOP');
  }

  thaw(): void {
    this.#child.signal('SIGCONT');
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<Usage> {
    const usage = this.#meter.stop();
    this.#child.signal(signal);
    await this.#child.exit();
    return usage;
  }
}

/** `etcd-lockstep follow`. */
export class Follow extends Running {
  static start(
    folder: string,
    journal: string,
    source: string,
    target: string,
    more: readonly string[] = [],
  ): Follow {
    const ends = ['--endpoints', source, '--dest-endpoints', target, '--journal', journal];
    return new Follow(folder, [process.execPath, cli, 'follow', ...ends, ...more, '-w', 'json']);
  }

  async until(what: (status: FollowStatus) => boolean): Promise<void> {
    while (true) {
      this.check();
      const line = this.lastLine();
      if (line.endsWith('}') && what(JSON.parse(line) as FollowStatus)) return;
      await sleep(20);
    }
  }
}

/** `etcdctl make-mirror` of the pods. */
export class MakeMirror extends Running {
  static start(folder: string, source: string, target: string): MakeMirror {
    const from = ['--endpoints', source, 'make-mirror', '--prefix', PODS, target];
    return new MakeMirror(folder, [binaries().etcdctl, ...from]);
  }
}

/** `etcd-lockstep mirror` of the pods. */
export class Mirror extends Running {
  static start(folder: string, source: string, target: string): Mirror {
    const ends = ['--endpoints', source, '--dest-endpoints', target, '--prefix', PODS];
    return new Mirror(folder, [process.execPath, cli, 'mirror', ...ends, '-w', 'json']);
  }
}

export function mirrorIsBuilt(): boolean {
  const help = spawnSync(process.execPath, [cli, 'mirror', '--help'], { encoding: 'utf8' }).stdout;
  return help.includes('etcd-lockstep mirror');
}
