/**
 * The built `follow -w json` as a process, and what it says, as a user or a monitor sees it. What is
 * waited for is something said from now on; how long it took is the answer.
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import * as contract from '../cli/contract.js';
import { errorLine, type CliError } from '../cli/run.js';
import { Child } from '../rig/child.js';

const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const POLL_MS = 50;
/** For what has no bound of its own in a test. */
const PATIENCE_MS = 60_000;
const WHOLE_LOG = 1_000_000;

export type Status = z.infer<typeof contract.follow>;

const noteLine = z.strictObject({
  level: z.enum(['info', 'warn', 'error']),
  time: z.iso.datetime(),
  msg: z.string(),
});
const anyLine = z.union([contract.follow, noteLine, errorLine]);

/** A place in what was said: "since then". */
export interface Mark {
  lines: number;
  ms: number;
}

export interface Ends {
  /** Comma-separated, as `--endpoints` takes them. */
  source: string;
  target: string;
  journal: string;
}

let started = 0;

export class FollowProcess {
  readonly #child: Child;
  /** Whether its end was asked for from here. */
  toEnd = false;

  constructor({ source, target, journal }: Ends, ...more: string[]) {
    if (!existsSync(MAIN)) throw new Error('dist/ is missing; run `make build`');
    const ends = ['--endpoints', source, '--dest-endpoints', target, '--journal', journal];
    const args = [MAIN, 'follow', ...ends, '-w', 'json', ...more];
    this.#child = new Child(process.execPath, args, `${journal}.follow-${++started}.log`);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Whether it has not ended. A method: the answer changes between two calls. */
  running(): boolean {
    return this.#child.ended() === undefined;
  }

  /** From here on. */
  mark(): Mark {
    return { lines: this.#lines().length, ms: Date.now() };
  }

  statuses(since?: Mark): Status[] {
    return this.#parsed(since).filter((line) => 'state' in line);
  }

  /** What it wrote into its log for people. */
  notes(since?: Mark): string[] {
    return this.#parsed(since).flatMap((line) => ('msg' in line ? [line.msg] : []));
  }

  /** Waits for a status that is so, said after the mark (or from now on). */
  async until(
    what: string,
    is: (status: Status) => boolean,
    { since = this.mark(), withinMs = PATIENCE_MS }: { since?: Mark; withinMs?: number } = {},
  ): Promise<{ status: Status; ms: number }> {
    for (;;) {
      const status = this.statuses(since).find(is);
      const ms = Date.now() - since.ms;
      if (status) return { status, ms };
      const end = this.#child.ended();
      if (end !== undefined || ms > withinMs)
        throw new Error(`not ${what} after ${ms} ms (${end ?? 'it runs'}):\n${this.tail()}`);
      await sleep(POLL_MS);
    }
  }

  /** Waits for a note that says so. */
  async untilNote(text: RegExp, since: Mark): Promise<number> {
    while (!this.notes(since).some((note) => text.test(note))) {
      const ms = Date.now() - since.ms;
      if (this.#child.ended() !== undefined || ms > PATIENCE_MS)
        throw new Error(`no note ${String(text)} after ${ms} ms:\n${this.tail()}`);
      await sleep(POLL_MS);
    }
    return Date.now() - since.ms;
  }

  /** Waits for its end by itself. */
  async stopped(withinMs = PATIENCE_MS): Promise<{ exit: string; error: CliError; ms: number }> {
    const ms = await this.#over(withinMs);
    const error = this.#parsed().flatMap((line) => ('error' in line ? [line.error] : []));
    if (!error[0])
      throw new Error(`${this.#child.ended() ?? ''} without an error:\n${this.tail()}`);
    return { exit: this.#child.ended() ?? '', error: error[0], ms };
  }

  /** Waits for its end because a cutover has taken the target over. @returns its last status */
  async takenOver(): Promise<Status> {
    await this.#over(PATIENCE_MS);
    const last = this.statuses().at(-1);
    if (this.#child.ended() !== 'exit code 0' || !last?.cutover)
      throw new Error(`${this.#child.ended() ?? ''}, not taken over:\n${this.tail()}`);
    return last;
  }

  async #over(withinMs: number): Promise<number> {
    const from = Date.now();
    while (this.#child.ended() === undefined) {
      if (Date.now() - from > withinMs) throw new Error(`it still runs:\n${this.tail()}`);
      await sleep(POLL_MS);
    }
    return Date.now() - from;
  }

  /** SIGTERM, and a clean end. */
  async stop(): Promise<void> {
    this.toEnd = true;
    this.#child.signal('SIGTERM');
    await this.#child.exit();
    if (this.#child.ended() !== 'exit code 0')
      throw new Error(`ended with ${this.#child.ended() ?? ''}:\n${this.tail()}`);
  }

  /** Whatever it does. */
  async kill(): Promise<void> {
    this.toEnd = true;
    this.#child.signal('SIGKILL');
    await this.#child.exit();
  }

  /** The last that it said, for messages. */
  tail(): string {
    return this.#lines().slice(-12).join('\n');
  }

  #lines(): string[] {
    return this.#child.lastLines(WHOLE_LOG).split('\n');
  }

  #parsed(since?: Mark): z.infer<typeof anyLine>[] {
    const lines = this.#lines().slice(since?.lines ?? 0);
    return lines.flatMap((line) => {
      const parsed = anyLine.safeParse(json(line));
      if (parsed.success) return [parsed.data];
      // The last line may not be whole yet.
      if (line === '' || line === lines.at(-1)) return [];
      throw new Error(`no line of ours: ${line}`);
    });
  }
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
