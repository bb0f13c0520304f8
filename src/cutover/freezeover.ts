/**
 * Freezing with a claim to the night: over whatever stands, for the claim has ended the run that made it.
 *
 * That run may still be alive, and write its freeze once more before it notices. So where it was faster
 * the claim is looked at, and the freeze is taken anew.
 *
 * And this run may be the one that has lost the night. What it finds is looked at before the claim is, so a
 * freeze that the next run has made is never taken over. Where none was, it may have made one when all was
 * over: it lets go of that again, which the next run, if it is still at it, has taken over or makes anew.
 */
import { pause } from '../async/again.js';
import type { OnNote } from '../async/patience.js';
import { hasCode, LockstepError } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import { Freeze } from '../kube/freeze.js';
import { freezeAll } from '../kube/freezing.js';
import type { FreezeOwner } from '../kube/owner.js';
import { resourcesIn, type Claim } from '../target/claim.js';
import { ownerText, type Owner } from '../target/nightowner.js';

interface FreezeOverOptions {
  claim: Claim;
  self: Owner;
  /** Each of them has to be seen to refuse. */
  apis: readonly ApiServer[];
  onFrozen: (at: Date) => void;
  onNote: OnNote;
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
      await claim.check();
      const freezing = { apiservers: apis, resources: resourcesIn(claim), onNote, signal };
      const { freeze, at } = await freezeAll(freezing, freezeOwnerOf(self), over);
      onFrozen(at);
      await claim.check();
      await freeze.hold(apis);
      return { freeze, stood: over !== undefined };
    } catch (error) {
      if (!hasCode(error, 'FREEZE_TAKEN', 'FREEZE_LOST')) throw await letGo(error, options);
      await claim.check();
      if (tries === TRIES) throw error;
      await pause(TRY_AGAIN_MS, signal);
      signal.throwIfAborted();
    }
  }
}

/** @returns the error, when a freeze of a run that has lost the night is gone */
async function letGo(error: unknown, { self, apis, onNote }: FreezeOverOptions): Promise<unknown> {
  if (!hasCode(error, 'OTHER_RUN')) return error;
  try {
    await (await Freeze.findOwn(apis, freezeOwnerOf(self)))?.remove(apis);
  } catch (failure) {
    if (!(failure instanceof LockstepError)) throw failure;
    // Another one's by now, which is as well; or nobody knows.
    onNote(
      `writes may be frozen by this run (${failure.message}): \`etcd-lockstep freeze probe\` says`,
      true,
    );
  }
  return error;
}

/**
 * For a run that has lost the night: whether writes are frozen as it ends, and by whom. The run that has the
 * night sees to that, if it is not dead.
 */
export async function tellOwnFreeze({
  self,
  apis,
  onNote,
}: Pick<FreezeOverOptions, 'self' | 'apis' | 'onNote'>): Promise<void> {
  try {
    const standing = await Freeze.find(apis);
    if (!standing) return;
    const own = standing.owner?.run === self.run;
    const who = own ? 'this run' : (standing.owner?.text ?? 'somebody, by hand');
    onNote(
      `writes are frozen, by ${who}: the run that has the night goes on with that, or, if it is dead, the same command started again`,
      true,
    );
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    onNote(`writes may be frozen by this run (${error.message})`, true);
  }
}

/** A run as the owner of a freeze. */
export function freezeOwnerOf(self: Owner): FreezeOwner {
  return { run: self.run, text: ownerText(self) };
}
