/**
 * What is proven again each time before something is done that no guard reaches: an apiserver is moved,
 * writes are let in.
 *
 *   this run still has the night        the owner key at our epoch
 *   writes are still refused            the freeze's objects, unchanged since we wrote them
 *   nothing was written late            the watch has passed the head of the etcd that was left
 *   what was left out is still dead     it did not answer when it was asked last
 */
import type { ApiServer } from '../kube/api.js';
import type { Freeze } from '../kube/freeze.js';
import { untilAnswered } from '../tasks.js';
import type { Attempts } from '../patience.js';
import type { Claim } from './claim.js';
import type { DeadOnes } from './dead.js';
import type { LateWrites } from './late.js';

export interface Proofs {
  claim: Claim;
  freeze: Freeze;
  /** Apiservers through which the freeze is looked at; any that lives will do. */
  apis: readonly ApiServer[];
  late: LateWrites;
  dead: DeadOnes;
  tell: Attempts;
}

/** @throws LockstepError OTHER_RUN, FREEZE_LOST, STILL_USED; waits for what does not answer */
export async function proveAgain(proofs: Proofs, signal: AbortSignal): Promise<void> {
  const { claim, freeze, apis, late, dead, tell } = proofs;
  await late.passed(signal);
  await untilAnswered(signal, () => freeze.prove(apis), tell);
  await dead.refuseSeen(signal);
  await untilAnswered(signal, () => claim.check(), tell);
}
