/** Letting writes in again: only what this run itself has frozen, and until it is seen. */
import type { ApiServer } from '../kube/api.js';
import { Freeze } from '../kube/freeze.js';
import { untilAccepted } from '../kube/known.js';

/**
 * Removes the freeze of this run, and waits until every apiserver that answers accepts writes. One that
 * is not there, or another's, is left as it is.
 * @param known as it was written; undefined: looked for
 * @throws LockstepError KUBE_UNAVAILABLE where an apiserver still refuses after a minute, FREEZE_LOST
 *   where another one took it over meanwhile
 */
export async function thawOwn(
  apis: readonly ApiServer[],
  run: string,
  signal?: AbortSignal,
): Promise<void> {
  const freeze = await Freeze.find(apis);
  if (freeze?.owner?.run !== run) return;
  await thaw(apis, freeze, signal);
}

/** The same for one that is known to be this run's to remove. */
export async function thaw(
  apis: readonly ApiServer[],
  freeze: Freeze,
  signal?: AbortSignal,
): Promise<void> {
  const { resources } = freeze;
  await freeze.remove(apis);
  await untilAccepted(apis, resources, signal ? { signal } : {});
}
