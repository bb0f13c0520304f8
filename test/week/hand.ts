/**
 * One of the two followers of a week, as a service has it: a folder with a config file, a journal, a log file
 * that stderr is appended to, and a hook that writes down what it is told. It is asked and steered as an
 * operator would: by its control socket, by its config file and SIGHUP.
 */
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { ask } from '../../src/control/client.js';
import { socketOf } from '../../src/control/socketpath.js';
import * as contract from '../cli/contract.js';
import { run } from '../cli/run.js';
import { AFTER_SECONDS, TAKEN_OVER_WITHIN_MS } from '../faults/duo.js';
import type { Status } from '../faults/follower.js';
import { Book } from '../hooks/told.js';
import { Child } from '../rig/child.js';

const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const ASKED_FOR_MS = 5000;
const POLL_MS = 100;
const AUDIT_EVERY_SECONDS = 10;

const answer = z.object({ line: z.string(), status: contract.follow });
const logLine = z.object({ level: z.string(), time: z.iso.datetime(), msg: z.string() });

/** What of the config file changes during a week. */
interface Settings {
  maxRate: number;
  /** More lines, as somebody may have mistyped them. */
  more?: string;
}

export class Hand {
  readonly book: Book;
  maxRate = 0;
  #child: Child | undefined;
  #killed = false;
  /** What its log had before it was cut short. */
  #rotated = '';

  /** @param folder has the journal, and nothing else yet */
  constructor(
    private readonly folder: string,
    private readonly ends: { source: string; target: string },
  ) {
    mkdirSync(folder, { recursive: true });
    this.book = new Book(folder);
  }

  get journal(): string {
    return join(this.folder, 'journal');
  }

  get #file(): string {
    return join(this.folder, 'pods.yaml');
  }

  get #log(): string {
    return join(this.folder, 'follow.log');
  }

  configure({ maxRate, more = '' }: Settings): void {
    const { source, target } = this.ends;
    const lines = [
      `source: {endpoints: ['${source}']}`,
      `target: {endpoints: ['${target}']}`,
      'journal: journal',
      `follow: {standby: on, standbyAfter: ${AFTER_SECONDS}s, maxRate: ${maxRate}}`,
      `audit: {every: ${AUDIT_EVERY_SECONDS}s}`,
      `hooks: {onEvent: ${JSON.stringify(this.book.command)}}`,
      'output: {logFormat: json, statusInterval: 1m}',
      more,
    ];
    writeFileSync(this.#file, lines.join('\n'));
    if (more === '') this.maxRate = maxRate;
  }

  launch(): void {
    this.#killed = false;
    this.#child = new Child(process.execPath, [MAIN, 'follow', '-f', this.#file], this.#log);
  }

  /** SIGKILL, and its end. */
  async kill(): Promise<void> {
    this.#killed = true;
    await this.running.kill();
  }

  /** Whether it has ended, and nobody has killed it. */
  get endedByItself(): boolean {
    return this.running.ended() !== undefined && !this.#killed;
  }

  get running(): Child {
    if (!this.#child) throw new Error('it was never launched');
    return this.#child;
  }

  /** As its control socket says; undefined where it does not answer. */
  async status(): Promise<Status | undefined> {
    if (this.running.ended() !== undefined) return undefined;
    const asked = { method: 'GET' as const, path: '/status' };
    return ask(socketOf(this.journal), asked, answer, AbortSignal.timeout(ASKED_FOR_MS)).then(
      ({ status }) => status,
      () => undefined,
    );
  }

  /** Waits until it says so. */
  async until(what: string, is: (status: Status) => boolean): Promise<Status> {
    const from = Date.now();
    for (;;) {
      const status = await this.status();
      if (status && is(status)) return status;
      if (Date.now() - from > TAKEN_OVER_WITHIN_MS)
        throw new Error(`not ${what}: ${JSON.stringify(status)}\n${this.tail()}`);
      await sleep(POLL_MS);
    }
  }

  /** `etcd-lockstep control …`, which has to go well. */
  async control(...words: string[]): Promise<void> {
    const { code, stderr } = await run(['control', ...words, '--journal', this.journal]);
    if (code !== 0) throw new Error(`control ${words.join(' ')}: ${code ?? 'killed'}\n${stderr}`);
  }

  /** Has it read its config file again, and waits until its log has a new line that says what became of it. */
  async hangUp(says: RegExp): Promise<void> {
    const before = this.count(says);
    this.running.signal('SIGHUP');
    const from = Date.now();
    while (this.count(says) === before) {
      if (Date.now() - from > TAKEN_OVER_WITHIN_MS)
        throw new Error(`its log does not say ${String(says)}:\n${this.tail()}`);
      await sleep(POLL_MS);
    }
  }

  /** Waits for its end; @returns `exit code 0`, or the signal */
  async ended(): Promise<string> {
    await this.running.exit();
    return this.running.ended() ?? '';
  }

  /** As logrotate does with `copytruncate`. */
  rotate(): void {
    const copy = `${this.#log}.1`;
    copyFileSync(this.#log, copy);
    truncateSync(this.#log);
    this.#rotated += readFileSync(copy, 'utf8');
  }

  /** What the log file has now, byte for byte. */
  get logText(): string {
    return readFileSync(this.#log, 'utf8');
  }

  /** All that it has logged in this week, by whatever process; each line held to its form. */
  get notes(): string[] {
    // The last one may not be whole yet.
    const lines = (this.#rotated + this.logText).split('\n').slice(0, -1);
    return lines.flatMap((line) =>
      line.startsWith('{') ? [logLine.parse(JSON.parse(line)).msg] : [],
    );
  }

  /** What its hook was told to wake somebody for. */
  get alarms(): string[] {
    return this.book.events.flatMap((one) => (one.event === 'alarm' ? [one.text] : []));
  }

  count(says: RegExp): number {
    return this.notes.filter((note) => says.test(note)).length;
  }

  tail(): string {
    return this.notes.slice(-12).join('\n');
  }
}
