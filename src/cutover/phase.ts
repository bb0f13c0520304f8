/** Writes the next phase into the cutover's state on the target. */
import {
  CUTOVER_KEY,
  encodeCutover,
  parseCutover,
  type CutoverState,
  type Phase,
} from '../cutoverstate.js';
import { LockstepError } from '../errors.js';
import { modIs, put } from '../lockstep/txn.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import { untilAnswered } from '../tasks.js';
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
  while (!(await untilAnswered(signal, () => step(target, phase))));
}

/** @returns whether it stands there already; another may have been faster than our write */
async function step(target: EtcdClient, phase: Phase): Promise<boolean> {
  const { rows } = await target.few({ key: CUTOVER_KEY });
  if (!rows[0]) throw gone();
  const { state, modRevision } = parseCutover(rows[0]);
  if (state.phase === phase) return true;
  await target.txn({
    compare: [modIs(CUTOVER_KEY, modRevision)],
    success: [put(CUTOVER_KEY, encodeCutover({ ...state, phase }))],
  });
  return false;
}

/**
 * Who goes on must go on with the same source: a fence above another one's head is none, and retire
 * would remove keys from a store that has nothing to do with it.
 * @throws LockstepError TARGET_OTHER_SOURCE
 */
export async function refuseOtherSource(source: EtcdClient, state: CutoverState): Promise<void> {
  const { clusterId } = await source.head(probeKey(PrefixSet.of(state.prefixes)));
  if (clusterId === state.source) return;
  throw new LockstepError(
    'TARGET_OTHER_SOURCE',
    `the target was cut over from cluster ${state.source}, not from ${clusterId}`,
    { disposition: 'fatal', hint: 'Check --endpoints and --dest-endpoints.' },
  );
}

/** The state on the target is not there any more. */
export function gone(): LockstepError {
  return new LockstepError('TARGET_NOT_OURS', "the cutover's state on the target is gone", {
    disposition: 'fatal',
    hint: 'The target was restored or retired meanwhile. Check --dest-endpoints.',
  });
}
