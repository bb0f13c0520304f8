/**
 * Waits until every apiserver knows of a freeze, or of its end.
 *
 * Each learns of the objects by a watch of its own, about a second after they were written. Until
 * then it is glanced at, by one cheap request every 150 ms and not one after the other: with
 * somebody's slow webhook or from far away an answer takes seconds. The first answer that has turned
 * ends that; then all paths at once, over connections that are open. So it takes what the apiserver
 * needs, and one round of answers.
 *
 * A freeze counts as seen where at least one path was refused in our words, and none was accepted.
 * After its end others may still refuse; only ours must not.
 */
import { pause } from '../async/again.js';
import { runTogether } from '../async/together.js';
import { LockstepError, passes } from '../errors.js';
import type { FreezeCheck } from './ask.js';
import { GLANCES_AT_ONCE, type WriteProbe } from './writeprobe.js';

const ASK_AGAIN_MS = 100;
const GLANCE_EVERY_MS = 150;
const TELL_EVERY_MS = 10_000;
/** An apiserver that is cut off from its etcd, or has policies turned off, would never know. */
const KNOWN_WITHIN_MS = 60_000;
/** It may just be restarting. */
const SILENT_MS = 10_000;

export interface WaitOptions {
  /** Ends the wait at once; its reason is thrown. */
  signal?: AbortSignal;
  /** Told of an apiserver that is waited for, with what it still does; again every 10 s. */
  onWait?: (apiserver: string, text: string) => void;
  /** In ms; a minute where it is not given. */
  within?: number;
  /** What to do about one apiserver that stands in the way: what the command in question has for it. */
  leaveOut: (apiserver: string) => string;
}

type ExpectedAnswer = FreezeCheck['expected'];

/**
 * @returns for each apiserver when its first refused write was seen, by our clock
 * @throws LockstepError KUBE_UNAVAILABLE for one that does not answer for 10 s, or still accepts a
 *   write when the time is over; KUBE where it cannot be told whether it refuses
 */
export async function untilRefused(
  probes: readonly WriteProbe[],
  options: WaitOptions,
): Promise<Map<string, Date>> {
  return untilAll(probes, 'refused', options);
}

/** As {@link untilRefused}, the other way round. */
export async function untilAccepted(
  probes: readonly WriteProbe[],
  options: WaitOptions,
): Promise<Map<string, Date>> {
  return untilAll(probes, 'accepted', options);
}

async function untilAll(
  probes: readonly WriteProbe[],
  expected: ExpectedAnswer,
  options: WaitOptions,
): Promise<Map<string, Date>> {
  const seen = new Map<string, Date>();
  const outer = options.signal ?? new AbortController().signal;
  const waits = probes.map((probe) => async (signal: AbortSignal) => {
    seen.set(probe.api.url, await new Wait(probe, expected, options).over(signal));
  });
  if (expected === 'refused') await runTogether(outer, waits);
  // One that is dead must not keep us from seeing the others let writes in.
  else rethrow(await Promise.allSettled(waits.map((wait) => wait(outer))));
  outer.throwIfAborted();
  return seen;
}

function rethrow(results: readonly PromiseSettledResult<void>[]): void {
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/** For one apiserver. */
class Wait {
  readonly #started = performance.now();
  #answered = performance.now();
  #told = -Infinity;
  #turned: Date | undefined;
  readonly #glances = new Set<Promise<void>>();
  /** What it said last, of whatever it did not do yet. */
  #last = 'does not answer';

  constructor(
    private readonly probe: WriteProbe,
    private readonly expected: ExpectedAnswer,
    private readonly o: WaitOptions,
  ) {}

  async over(outer: AbortSignal): Promise<Date> {
    const over = new AbortController();
    const signal = AbortSignal.any([outer, over.signal]);
    try {
      await this.#again(async () => {
        await this.probe.prepare(signal);
        return true;
      }, signal);
      await this.#glanceUntilTurned(signal);
      await this.#again(async () => {
        const { checks } = await this.probe.all(this.expected, signal);
        return this.#isOver(checks);
      }, signal);
      return this.#turned ?? new Date();
    } finally {
      over.abort();
      await Promise.all(this.#glances);
    }
  }

  /** @param ask false: it has answered, and not yet as it should */
  async #again(ask: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
    while ((await this.#patiently(ask, signal)) !== true) {
      this.#mayGoOn();
      await pause(ASK_AGAIN_MS, signal);
      signal.throwIfAborted();
    }
  }

  /**
   * Or until a glance says nothing: then all paths have to be asked. Those that are still on their way
   * are left alone, because ending a request ends its connection.
   */
  async #glanceUntilTurned(signal: AbortSignal): Promise<void> {
    const turned = new AbortController();
    const failed: unknown[] = [];
    while (true) {
      if (this.#glances.size < GLANCES_AT_ONCE) {
        const glance: Promise<void> = this.#glance(turned, signal)
          .catch((error: unknown) => failed.push(error))
          .then(() => {
            this.#glances.delete(glance);
          });
        this.#glances.add(glance);
      }
      await pause(GLANCE_EVERY_MS, AbortSignal.any([signal, turned.signal]));
      signal.throwIfAborted();
      if (failed.length > 0) throw failed[0];
      if (turned.signal.aborted) return;
      this.#mayGoOn();
    }
  }

  async #glance(turned: AbortController, signal: AbortSignal): Promise<void> {
    const seen = await this.#patiently(async () => this.probe.glance(signal), signal);
    if (!seen || turned.signal.aborted) return;
    if (seen.verdict === this.#opposite) {
      this.#tell(`${seen.what} is still ${seen.verdict}`);
      return;
    }
    if (seen.verdict === this.expected) this.#turned = new Date();
    turned.abort();
  }

  get #opposite(): ExpectedAnswer {
    return this.expected === 'refused' ? 'accepted' : 'refused';
  }

  /** undefined: it did not answer, and may answer yet. */
  async #patiently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    try {
      const answer = await ask();
      this.#answered = performance.now();
      return answer;
    } catch (error) {
      if (signal.aborted || !passes(error)) throw error;
      this.#tell(error.message);
      return undefined;
    }
  }

  #isOver(checks: readonly FreezeCheck[]): boolean {
    const late = checks.filter(({ got }) => got === this.#opposite);
    if (late.length > 0) {
      this.#tell(`${late.map(({ what }) => what).join(', ')} is still ${this.#opposite}`);
      return false;
    }
    if (this.expected === 'accepted') return true;
    const unproven = checks.filter(({ ok }) => !ok);
    if (unproven.length > 0) throw this.#cannotTell(unproven);
    if (!checks.some(({ got }) => got === 'refused')) throw this.#cannotTell(checks);
    this.#turned ??= new Date();
    return true;
  }

  #tell(text: string): void {
    this.#last = text;
    if (performance.now() - this.#told < TELL_EVERY_MS) return;
    this.#told = performance.now();
    this.o.onWait?.(this.probe.api.url, text);
  }

  #mayGoOn(): void {
    const { within = KNOWN_WITHIN_MS } = this.o;
    const now = performance.now();
    const silent = now - this.#answered > SILENT_MS;
    if (!silent && now - this.#started <= within) return;
    const { url } = this.probe.api;
    const way =
      this.expected === 'refused' && !silent
        ? ' Are its admission plugins on, and does it use the same etcd as the others? `etcd-lockstep freeze apply --way webhook` needs no policies.'
        : '';
    throw new LockstepError(
      'KUBE_UNAVAILABLE',
      silent
        ? `${url} does not answer: ${this.#last}`
        : `${url}: ${this.#last} after ${Math.round((now - this.#started) / 1000)} s`,
      {
        hint: `Mend this apiserver and run the same command again; or, if it is dead and stays so until the end, ${this.o.leaveOut(url)}.${way}`,
      },
    );
  }

  #cannotTell(unproven: readonly FreezeCheck[]): LockstepError {
    const answers = unproven.map(
      ({ what, got, why }) => `${what}: ${got}${why === null ? '' : ` (${why})`}`,
    );
    return new LockstepError(
      'KUBE',
      `${this.probe.api.url}: cannot tell whether all writes are refused: ${answers.join('; ')}`,
      {
        hint: 'Somebody else says no before the freeze is asked: use a user with more rights, or see whose webhook it is. `etcd-lockstep freeze probe --open` shows it beforehand.',
      },
    );
  }
}
