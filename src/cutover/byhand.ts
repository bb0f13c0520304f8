/** A freeze by hand, beside any run: made and removed by whoever moves the apiservers himself. */
import { LockstepError } from '../errors.js';
import { askOwner, Freeze, whoHas } from '../kube/freeze.js';
import { freezeAll, thaw, type FreezingOptions } from '../kube/freezing.js';
import type { FreezeWay } from '../kube/manifests.js';
import { freezeOwner } from '../kube/owner.js';

/** What stands in the cluster now. */
export interface MadeFreeze {
  /** By the apiserver's clock; taking one over does not change it. */
  since: Date;
  way: FreezeWay;
}

/**
 * Freezes the resources, and sees every apiserver refuse. One that was made by hand is taken over.
 * @throws LockstepError FREEZE_TAKEN where a run has the freeze; KUBE_UNAVAILABLE where an apiserver
 *   does not answer
 */
export async function freezeByHand(options: FreezingOptions): Promise<MadeFreeze> {
  const over = await Freeze.find(options.apiservers);
  if (over && !over.byHand) throw taken(over, askOwner(over));
  const { freeze } = await freezeAll(options, freezeOwner('freeze apply'), over);
  return freeze;
}

/**
 * Removes the freeze, and sees every apiserver accept.
 * @param force removes a run's, too: what its holding back was for is lost
 * @throws LockstepError FREEZE_TAKEN where a run has it; KUBE_UNAVAILABLE where an apiserver cannot be
 *   seen to accept
 */
export async function thawByHand(options: FreezingOptions, force = false): Promise<void> {
  const found = await Freeze.find(options.apiservers);
  if (found && !found.byHand && !force)
    throw taken(found, `${askOwner(found)} ${whatForceDoes(found)}`);
  await thaw(found, options);
}

function whatForceDoes({ held }: Freeze): string {
  return held
    ? '`--force` removes it all the same: then some apiservers may write to the source and others to the target, and one of the two is lost.'
    : '`--force` removes it all the same: then that run fails, or finds that writes were let in.';
}

function taken(found: Freeze, hint: string): LockstepError {
  return new LockstepError('FREEZE_TAKEN', `a run has the freeze: ${whoHas(found)}`, {
    hint,
  });
}
