/**
 * What is proven again each time before something is done that no guard reaches: an apiserver is moved,
 * writes are let in.
 *
 *   this run still has the night        the owner key at our epoch
 *   writes are still refused            the freeze's objects, unchanged since we wrote them
 *   nothing was written late            the watch has passed the head of the etcd that was left
 *   what was left out is still dead     it did not answer when it was asked last
 *
 * While an apiserver is being moved, by a hook or by hand, that takes minutes, and the drain may take some,
 * too: the first two are looked at all the time then, so that nobody goes on for a run that has lost them.
 */
import { pause, untilAnswered } from '../async/again.js';
import type { Attempts } from '../async/patience.js';
import { LockstepError, type ErrorCode } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import type { Freeze } from '../kube/freeze.js';
import type { Claim } from '../target/claim.js';
import type { DeadOnes } from './dead.js';
import type { LateWrites } from './latewrites.js';

export interface Proofs {
  claim: Claim;
  freeze: Freeze;
  /** Apiservers through which the freeze is looked at; any that lives will do. */
  apis: readonly ApiServer[];
  late: LateWrites;
  /** undefined: they were looked at just now. */
  dead: DeadOnes | undefined;
  tell: Attempts;
}

const PROVE_EVERY_MS = 1000;
const LOST: readonly ErrorCode[] = ['OTHER_RUN', 'FREEZE_LOST'];

/** @throws LockstepError OTHER_RUN, FREEZE_LOST, STILL_USED; waits for what does not answer */
export async function proveAgain(proofs: Proofs, signal: AbortSignal): Promise<void> {
  const { claim, freeze, apis, late, dead, tell } = proofs;
  await late.passed(signal);
  await untilAnswered(signal, () => freeze.prove(apis), tell);
  await dead?.refuseSeen(signal);
  await untilAnswered(signal, () => claim.check(), tell);
}

type Kept = Pick<Proofs, 'freeze' | 'apis' | 'tell'> & Partial<Pick<Proofs, 'claim'>>;

/**
 * Until `signal` aborts. Nothing ends it but the loss itself: an apiserver that has just started refuses
 * this and that, rights above all.
 * @param kept without a claim before the takeover: nobody has the night then
 * @throws LockstepError OTHER_RUN, FREEZE_LOST
 */
export async function keepProving(kept: Kept, signal: AbortSignal): Promise<void> {
  const { claim, freeze, apis, tell } = kept;
  const isOver = () => signal.aborted;
  while (!isOver()) {
    try {
      // First: whoever has the night now may have let writes in already, and that is what to say.
      await claim?.check();
      await freeze.prove(apis);
      tell.answered();
    } catch (error) {
      if (!(error instanceof LockstepError) || LOST.includes(error.code)) throw error;
      if (!isOver()) tell.failed(error);
    }
    await pause(PROVE_EVERY_MS, signal);
  }
}
