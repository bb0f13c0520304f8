/**
 * How the drain of a night would go, measured while nothing is frozen.
 *
 * The night's own proof, again and again: the source's head, a quiet time, its head once more; then it is
 * waited until the watch has passed it, and until the target was found equal up to it (proof/drain.ts). What
 * differs is that clients write: so how often it was quiet is what a freeze has to bring about, and how long
 * the two waits take is what a night will wait for.
 */
import { pause } from '../async/again.js';
import type { LiveAudit } from '../audit/live.js';
import { LockstepError } from '../errors.js';
import type { EtcdClient } from '../wire/client.js';

interface SampleOptions {
  source: EtcdClient;
  /** A key of the source that the user may read. */
  key: Buffer;
  audit: LiveAudit;
  quietMs: number;
  /** How long it goes on. */
  seconds: number;
  /** A wait that takes longer is a night that does not end. */
  withinSeconds: number;
  onProgress: (secondsLeft: number) => void;
  signal: AbortSignal;
}

/** How long something took, of several times; in seconds. */
export interface Took {
  typical: number;
  worst: number;
}

/** What the source does, and how fast the target is there. */
export interface LiveSample {
  seconds: number;
  /** Of everything on the source, in a second. */
  revisionsPerSecond: number;
  /** Quiet times that were looked at, and those without a write under the prefixes. */
  windows: number;
  quiet: number;
  /** Until the source's watch had passed a head: the drain, but for the quiet time. */
  watch: Took;
  /** Until the target was found equal up to it: the compare. */
  equal: Took;
}

const POLL_MS = 5;

/**
 * Beside the live audit.
 * @throws LockstepError NOT_DRAINED where the target does not come to a head of the source in time; the
 *   signal's reason
 */
export async function sampleLive(options: SampleOptions): Promise<LiveSample> {
  const { source, key, audit, quietMs, onProgress, signal } = options;
  audit.hurry();
  const began = performance.now();
  const isOver = () => (performance.now() - began) / 1000 >= options.seconds;
  const { revision: first } = await source.head(key);
  const [watch, equal]: [number[], number[]] = [[], []];
  let quiet = 0;
  let last = first;
  do {
    onProgress(Math.max(0, options.seconds - (performance.now() - began) / 1000));
    const before = last;
    await pause(quietMs, signal);
    signal.throwIfAborted();
    last = (await source.head(key)).revision;
    watch.push(
      await until(() => audit.sourcePosition >= last, options, 'the watch on it has', last),
    );
    if (audit.lastEvent <= before) quiet++;
    equal.push(
      await until(
        () => audit.equal >= last,
        options,
        'the target, compared as it comes, has',
        last,
      ),
    );
  } while (!isOver());
  const seconds = (performance.now() - began) / 1000;
  return {
    ...{ seconds, revisionsPerSecond: (last - first) / seconds, windows: watch.length, quiet },
    ...{ watch: tookOf(watch), equal: tookOf(equal) },
  };
}

/** @returns the seconds that it took */
async function until(
  holds: () => boolean,
  { withinSeconds, signal }: SampleOptions,
  who: string,
  head: number,
): Promise<number> {
  const began = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const seconds = (performance.now() - began) / 1000;
    if (holds()) return seconds;
    if (seconds > withinSeconds)
      throw new LockstepError(
        'NOT_DRAINED',
        `${who} not come to the source's revision ${head} within ${withinSeconds} s`,
        {
          revision: head,
          hint: 'Is `etcd-lockstep follow` running and in lockstep (`etcd-lockstep status`)? In a night writes would be let in again by then.',
        },
      );
    await pause(POLL_MS, signal);
  }
}

function tookOf(seconds: readonly number[]): Took {
  const sorted = seconds.toSorted((a, b) => a - b);
  return { typical: sorted[Math.floor(sorted.length / 2)] ?? 0, worst: sorted.at(-1) ?? 0 };
}
