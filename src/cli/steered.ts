/**
 * A command that can be steered while it runs: by its control socket, and by SIGHUP where it was given a file
 * that can be read again. Both change the same few settings (config/changes.ts), and each change is logged
 * with who has made it.
 */
import { changesOf, type LiveOptions } from '../config/changes.js';
import { flagOf, type Options } from '../config/options.js';
import { socketOf } from '../control/socketpath.js';
import type { Controls, StatusAnswer } from '../control/controls.js';
import { LockstepError } from '../errors.js';
import { reportsOf } from '../auditing/folder.js';
import type { Steering } from '../steering.js';
import type { FollowRequest } from '../migration.js';
import { bytes, count, duration } from '../text.js';
import type { Context } from './command.js';

const SOCKET = 'control socket';
const HANGUP = 'SIGHUP';

type SteeredContext = Pick<Context, 'log' | 'note' | 'setLogLevel' | 'stop' | 'onHangup'>;

interface Given extends LiveOptions {
  journal: string;
}

export class Steered {
  /** What the follower reads. */
  readonly steering: Steering = {};
  /** What is in effect. */
  readonly #now: LiveOptions;

  /**
   * @param given what the command was given
   * @param status undefined before there is one
   */
  constructor(
    private readonly given: Given,
    private readonly context: SteeredContext,
    private readonly status: () => (StatusAnswer & { status: { state: string } }) | undefined,
  ) {
    const { maxRate, auditEvery, auditRate, logLevel } = given;
    this.#now = { maxRate, auditEvery, auditRate, logLevel };
  }

  /** Serves the control socket for as long as the journal is ours. */
  readonly onOwned: NonNullable<FollowRequest['onOwned']> = async () => {
    // Only here, as all that serves takes a while to load.
    const { ControlSocket } = await import('../control/server.js');
    const path = socketOf(this.given.journal);
    const socket = await ControlSocket.open(path, this.#controls(), this.context.note);
    return async () => socket?.close();
  };

  /**
   * From now on SIGHUP reads the options again; without `reread` it stops the command, as a lost terminal
   * does.
   * @param before what the command was given
   * @param reread throws LockstepError for what cannot be read
   */
  heedHangups<T extends Partial<Options>>(before: T, reread: (() => Promise<T>) | undefined): void {
    if (!reread) return;
    let last = before;
    let turn = Promise.resolve();
    const look = async () => {
      const now = await reread();
      const { live, needRestart } = changesOf(last, now);
      last = now;
      this.#apply(live, HANGUP);
      const { log } = this.context;
      for (const name of needRestart)
        log.warn(`${HANGUP}: ${flagOf(name)} has changed, which needs a restart to take effect`);
      if (needRestart.length + Object.keys(live).length === 0)
        log.info(`${HANGUP}: nothing has changed`);
    };
    this.context.onHangup(() => (turn = turn.then(look).catch(this.#unread)));
  }

  readonly #unread = (error: unknown): void => {
    if (!(error instanceof LockstepError)) throw error;
    const { message, hint = '' } = error;
    this.context.log.error(`${HANGUP}: nothing is changed: ${message}. ${hint}`.trim());
  };

  #controls(): Controls {
    const { context, steering } = this;
    return {
      status: () => this.status(),
      throttle: (maxRate) => {
        const before = this.#now.maxRate ?? null;
        this.#apply({ maxRate: maxRate ?? undefined }, SOCKET);
        return { maxRate, before };
      },
      audit: () => {
        steering.auditNow = true;
        const reports = reportsOf(this.given.journal);
        const { state = 'waiting for the source' } = this.status()?.status ?? {};
        context.log.info(`${SOCKET}: an audit as soon as it is in lockstep; reports: ${reports}`);
        return { state, reports };
      },
      logLevel: (level) => {
        const before = this.#now.logLevel ?? level;
        this.#apply({ logLevel: level }, SOCKET);
        return { level, before };
      },
      stop: () => {
        context.stop(`${SOCKET}: stopping after what is under way`);
        return { stopping: true };
      },
    };
  }

  /** @param by who has changed it */
  #apply(changed: LiveOptions, by: string): void {
    const { steering, context } = this;
    const before = { ...this.#now };
    Object.assign(this.#now, changed);
    const { maxRate, auditEvery, auditRate, logLevel } = this.#now;
    const tell = (name: keyof LiveOptions, what: string, how: (options: LiveOptions) => string) => {
      if (name in changed)
        context.log.info(`${by}: ${what} ${how(this.#now)} (before: ${how(before)})`);
    };
    if ('maxRate' in changed) steering.maxRate = maxRate ?? null;
    if ('auditEvery' in changed) steering.auditEverySeconds = auditEvery ?? null;
    if ('auditRate' in changed && auditRate !== undefined) steering.auditBytesPerSecond = auditRate;
    tell('maxRate', 'the target is written', ({ maxRate = null }) => rateText(maxRate));
    tell('auditEvery', 'it audits', ({ auditEvery }) =>
      auditEvery === undefined ? 'when it is asked to' : `every ${duration(auditEvery)}`,
    );
    tell('auditRate', 'an audit reads a second, at most,', ({ auditRate = 0 }) => bytes(auditRate));
    if (logLevel === undefined || !('logLevel' in changed)) return;
    // Told whatever the level was, and is.
    context.setLogLevel('info');
    tell('logLevel', 'the log level is', ({ logLevel = '' }) => logLevel);
    context.setLogLevel(logLevel);
  }
}

/** How fast the target is written. */
export function rateText(rate: number | null): string {
  return rate === null ? 'as fast as it goes' : `with ${count(rate)} revisions a second at most`;
}
