/**
 * Time that stands still until it is moved on.
 *
 * Every clock and timer of the process is replaced while a night is played, those that `src` imports
 * by name included, so that two plays of one plan see the same milliseconds. Jitter is taken away, too.
 */
import { install, type Clock } from '@sinonjs/fake-timers';
import { syncBuiltinESMExports } from 'node:module';

const setImmediateReally = setImmediate;
const random = Math.random.bind(Math);
/** Any will do, as long as it is the same each time. */
const BEGIN = Date.UTC(2026, 0, 1);

export class Time {
  readonly #clock: Clock;

  constructor() {
    this.#clock = install({
      now: BEGIN,
      toFake: [
        ...(['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] as const),
        ...(['Date', 'performance'] as const),
      ],
      loopLimit: Infinity,
    });
    Math.random = () => 0.5;
    syncBuiltinESMExports();
  }

  /** Everybody gets real time back. */
  end(): void {
    this.#clock.uninstall();
    Math.random = random;
    syncBuiltinESMExports();
  }

  /** Whether there is a timer at all. */
  get waits(): boolean {
    return this.#clock.countTimers() > 0;
  }

  /** To the next timer. */
  advance(): void {
    this.#clock.next();
  }

  /** In ms since the night began. */
  get now(): number {
    return this.#clock.now - BEGIN;
  }
}

/** Until nothing goes on by itself: in the model all that is asynchronous is promises. */
export async function settled(): Promise<void> {
  await new Promise<void>((resolve) => setImmediateReally(resolve));
}
