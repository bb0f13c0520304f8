/** Writes the next phase into the cutover's state on the target. */
import { backoffMs, pause } from '../backoff.js';
import { CUTOVER_KEY, encodeCutover, parseCutover, type Phase } from '../cutoverstate.js';
import { LockstepError } from '../errors.js';
import { modIs, put } from '../lockstep/txn.js';
import type { EtcdClient } from '../wire/client.js';

/**
 * Guarded by what was read, and tried until it stands there.
 * @throws LockstepError TARGET_NOT_OURS where there is no state
 */
export async function setPhase(
  target: EtcdClient,
  phase: Phase,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    try {
      const { rows } = await target.few({ key: CUTOVER_KEY });
      if (!rows[0]) throw gone();
      const { state, modRevision } = parseCutover(rows[0]);
      if (state.phase === phase) return;
      await target.txn({
        compare: [modIs(CUTOVER_KEY, modRevision)],
        success: [put(CUTOVER_KEY, encodeCutover({ ...state, phase }))],
      });
    } catch (error) {
      if (!(error instanceof LockstepError && error.disposition === 'retry')) throw error;
      await pause(backoffMs(attempt), signal);
    }
  }
}

/** The state on the target is not there any more. */
export function gone(): LockstepError {
  return new LockstepError('TARGET_NOT_OURS', "the cutover's state on the target is gone", {
    disposition: 'fatal',
    hint: 'The target was restored or retired meanwhile. Check --dest-endpoints.',
  });
}
