/**
 * Whether an apiserver serves from where it did, while the target follows in lockstep.
 *
 * Both heads are nearly the same then, and a list mostly lies where both are: unclear. But the target is
 * behind the source by some ms after each revision, so a list that is read just then lies in one of the two
 * only (proof/servedfrom.ts). So it is asked until it is clear. A source that writes nothing tells nothing,
 * and that is said: unclear is never taken for unmoved.
 */
import { pause } from '../async/again.js';
import { LockstepError } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import type { Resource } from '../kube/resource.js';
import { servingNow, type Heads, type Serving } from '../proof/servedfrom.js';

export interface SeenOptions {
  resources: readonly Resource[];
  /** Both at the same moment, or the target's lag is over when it is asked. */
  heads: () => Promise<Heads>;
  /** How long one that does not answer is waited for: it may have been restarted. */
  answersWithinMs: number;
  /** How long one that answers is asked until it is clear. */
  clearWithinMs: number;
  signal: AbortSignal;
}

const POLL_MS = 10;

/** @throws the signal's reason */
export async function seeServing(api: ApiServer, options: SeenOptions): Promise<Serving> {
  const { resources, heads, answersWithinMs, clearWithinMs, signal } = options;
  const began = performance.now();
  let answeredAt: number | undefined;
  for (;;) {
    const seen = await ask(api, resources, heads);
    signal.throwIfAborted();
    const now = performance.now();
    if (['source', 'target', 'neither'].includes(seen.from)) return seen;
    if (seen.from === 'does not answer') {
      answeredAt = undefined;
      if (now - began > answersWithinMs) return seen;
    } else {
      answeredAt ??= now;
      if (now - answeredAt > clearWithinMs) return seen;
      // One that comes and goes.
      if (now - began > answersWithinMs + clearWithinMs) return seen;
    }
    await pause(POLL_MS, signal);
  }
}

/** One that has just been started refuses this and that. */
async function ask(
  api: ApiServer,
  resources: readonly Resource[],
  heads: SeenOptions['heads'],
): Promise<Serving> {
  try {
    return await servingNow(api, resources, heads);
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    return { apiserver: api.url, from: 'unclear', why: error.message };
  }
}
