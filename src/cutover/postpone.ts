/**
 * A night that is ready, and waits for its moment: a file that goes, or a time.
 *
 *     go ─► preflight, every half minute, beside the live audit ─► the moment ─► preflight ─► freeze
 *
 * Nothing is changed until then; what a preflight says meanwhile is told, and when it is over, too. At the
 * moment all has to be well, or to be so within some minutes where another try may mend it. Else it gives up: a
 * night must not begin by itself an hour later, when nobody thinks of it any more.
 *
 * A file says its word by being gone. So it has to have been there, or a misspelt name would begin at once; and
 * a folder that is gone with it is a disk that is not mounted, not a word.
 */
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { pause } from '../async/again.js';
import type { Postponed } from '../config/postponed.js';
import { badArgument, LockstepError, passes } from '../errors.js';
import { duration } from '../text.js';
import type { OnNightEvent } from './nightevents.js';

export interface PostponeOptions {
  until: Postponed;
  /** What has to hold when it begins; asked over and over. */
  check: () => Promise<void>;
  onEvent: OnNightEvent;
  onNote: (note: string, warn?: boolean) => void;
  signal: AbortSignal;
  /** Overridden by tests alone. */
  checkEveryMs?: number;
  giveUpMs?: number;
}

const CHECK_EVERY_MS = 30_000;
/** What another try may mend has so long at the moment itself. */
const GIVE_UP_MS = 120_000;
const POLL_MS = 200;
const MAX_DAYS = 7;
const DAY_MS = 86_400_000;

/** `the file go.txt is gone`, `2026-12-01T02:30:00.000Z` */
export function untilText(until: Postponed): string {
  return until.kind === 'file' ? `the file ${until.path} is gone` : until.at.toISOString();
}

/**
 * Before anything is looked at: there is a moment to wait for.
 * @throws LockstepError BAD_ARGUMENT for a file that is not there, and a time that is over or far away
 */
export function refusePostponed(until: Postponed, now = new Date()): void {
  if (until.kind === 'file') {
    if (stateOf(until.path) === 'there') return;
    throw badArgument(
      `--postpone-until ${until.path}: there is no such file, so it cannot be waited for to go`,
      'Make it (touch), and run the same command again; or leave --postpone-until out, to begin now.',
    );
  }
  const inMs = until.at.getTime() - now.getTime();
  if (inMs <= 0)
    throw badArgument(
      `--postpone-until ${untilText(until)} was ${duration(-inMs / 1000)} ago`,
      'Give a time that is to come; or leave --postpone-until out, to begin now.',
    );
  if (inMs > MAX_DAYS * DAY_MS)
    throw badArgument(
      `--postpone-until ${untilText(until)} is more than ${MAX_DAYS} days away`,
      'Check the date: a run that waits so long is started later.',
    );
}

/**
 * Resolves when its moment has come and all is well.
 * @throws LockstepError what the check says at the moment, if that does not pass in time; the signal's reason
 */
export async function untilItsTime(options: PostponeOptions): Promise<void> {
  const { until, onEvent, onNote, signal } = options;
  const { checkEveryMs = CHECK_EVERY_MS, giveUpMs = GIVE_UP_MS } = options;
  const text = untilText(until);
  const checking = new Readiness(options, text);
  onNote(`ready, waiting until ${text}; stopped here nothing was changed`);
  let checkedAt = performance.now();
  onEvent({ kind: 'postponed', until: text, notReady: null });
  const moment = new Moment(until, giveUpMs, onNote);
  while (!moment.hasCome()) {
    await pause(POLL_MS, signal);
    signal.throwIfAborted();
    if (performance.now() - checkedAt < checkEveryMs) continue;
    await checking.check();
    checkedAt = performance.now();
  }
  onNote(`its time has come (${text}): all is looked at once more`);
  await checking.now();
  onEvent({ kind: 'postponed', until: null, notReady: null });
}

/** What the check has said last; it is told when that has changed. */
class Readiness {
  #failed: LockstepError | undefined;

  constructor(
    private readonly o: PostponeOptions,
    private readonly text: string,
  ) {}

  async check(): Promise<void> {
    const { check, onEvent, onNote, signal } = this.o;
    try {
      await check();
      signal.throwIfAborted();
      if (this.#failed) onNote(`ready again, waiting until ${this.text}`);
      this.#failed = undefined;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof LockstepError)) throw error;
      const { code, message, hint } = error;
      if (this.#failed?.code !== code)
        onNote(`not ready: ${message} [${code}]${hint === undefined ? '' : `. ${hint}`}`, true);
      this.#failed = error;
    }
    onEvent({ kind: 'postponed', until: this.text, notReady: this.#failed ?? null });
  }

  /** @throws what it fails with */
  async now(): Promise<void> {
    const { giveUpMs = GIVE_UP_MS, signal } = this.o;
    const began = performance.now();
    for (;;) {
      await this.check();
      const failed = this.#failed;
      if (!failed) return;
      const over = performance.now() - began > giveUpMs;
      if (over || !passes(failed)) throw givenUp(failed, this.text);
      await pause(Math.min(1000, giveUpMs / 4), signal);
      signal.throwIfAborted();
    }
  }
}

function givenUp(error: LockstepError, text: string): LockstepError {
  const hint = error.hint === undefined ? '' : `${error.hint} `;
  return error.as({
    message: `its time has come (${text}), and it does not begin: ${error.message}`,
    hint: `${hint}Nothing was frozen, and it will not begin by itself.`,
  });
}

class Moment {
  #toldOdd = false;
  #lookedAtMs = Date.now();

  constructor(
    private readonly until: Postponed,
    private readonly giveUpMs: number,
    private readonly onNote: PostponeOptions['onNote'],
  ) {}

  /**
   * @throws LockstepError NO_GO where it was so long ago that nobody waits for it any more: this process, or
   *   its machine, has stood still
   */
  hasCome(): boolean {
    const { until } = this;
    const lastMs = this.#lookedAtMs;
    const nowMs = (this.#lookedAtMs = Date.now());
    const come = until.kind === 'time' ? nowMs >= until.at.getTime() : this.#isGone();
    const lateMs = nowMs - (until.kind === 'time' ? until.at.getTime() : lastMs);
    if (come && lateMs > this.giveUpMs)
      throw new LockstepError(
        'NO_GO',
        `its time (${untilText(until)}) came up to ${duration(lateMs / 1000)} ago, while this process stood still`,
        { hint: 'Nothing was frozen. Run the same command again when it is time.' },
      );
    return come;
  }

  #isGone(): boolean {
    if (this.until.kind === 'time') return false;
    const state = stateOf(this.until.path);
    if (state === 'unknown' && !this.#toldOdd) {
      this.#toldOdd = true;
      this.onNote(
        `${this.until.path} cannot be looked at, nor its folder: that is no word to begin, and is waited for`,
        true,
      );
    }
    return state === 'gone';
  }
}

/** `unknown`: it cannot be looked at, or its folder is gone with it. */
function stateOf(path: string): 'there' | 'gone' | 'unknown' {
  try {
    return statSync(path).isFile() ? 'there' : 'unknown';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return 'unknown';
    return isFolder(dirname(path)) ? 'gone' : 'unknown';
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
