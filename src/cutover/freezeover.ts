/**
 * Freezing with a claim to the night: over whatever stands, for the claim has ended the run that made it.
 *
 * That run may still be alive, and write its freeze once more before it notices. So where it was faster
 * the claim is looked at, and the freeze is taken anew.
 */
import { ownerText, type Owner } from '../cutoverowner.js';
import { hasCode } from '../errors.js';
import { pause } from '../backoff.js';
import type { ApiServer } from '../kube/api.js';
import { Freeze } from '../kube/freeze.js';
import type { FreezeOwner } from '../kube/owner.js';
import { resourcesIn, type Claim } from './claim.js';
import { freezeAll } from './freezing.js';

export interface FreezeOverOptions {
  claim: Claim;
  self: Owner;
  /** Each of them has to be seen to refuse. */
  apis: readonly ApiServer[];
  onFrozen: (at: Date) => void;
  onNote: (note: string) => void;
  signal: AbortSignal;
}

const TRIES = 5;
const TRY_AGAIN_MS = 200;

/**
 * @returns the freeze, held, and whether there was one before
 * @throws LockstepError OTHER_RUN, and what apiservers say
 */
export async function freezeOver(
  options: FreezeOverOptions,
): Promise<{ freeze: Freeze; stood: boolean }> {
  const { claim, self, apis, onFrozen, onNote, signal } = options;
  for (let tries = 1; ; tries++) {
    try {
      const over = await Freeze.find(apis);
      const freezing = { apiservers: apis, resources: resourcesIn(claim), onNote, signal };
      const { freeze, at } = await freezeAll(freezing, freezeOwnerOf(self), over);
      onFrozen(at);
      await freeze.hold(apis);
      await claim.check();
      return { freeze, stood: over !== undefined };
    } catch (error) {
      if (!hasCode(error, 'FREEZE_TAKEN', 'FREEZE_LOST')) throw error;
      await claim.check();
      if (tries === TRIES) throw error;
      await pause(TRY_AGAIN_MS, signal);
      signal.throwIfAborted();
    }
  }
}

/** A run as the owner of a freeze. */
export function freezeOwnerOf(self: Owner): FreezeOwner {
  return { run: self.run, text: ownerText(self) };
}
