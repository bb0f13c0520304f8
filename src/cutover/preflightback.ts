/** What must hold before a rollback. It changes nothing, and is done before go and again behind it. */
import { Freeze } from '../kube/freeze.js';
import type { Resource } from '../kube/resource.js';
import { needFreezeRights } from '../kube/rights.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import { DeadOnes, doesNotAnswer } from '../proof/dead.js';
import { movedBy, type Moved } from '../proof/movedresources.js';
import { refuseOtherObjects } from '../proof/objects.js';
import { refuseOtherSource } from '../proof/othersource.js';
import {
  askHeads,
  servingNow,
  servingText,
  type Heads,
  type Serving,
} from '../proof/servedfrom.js';
import { look, type Seen } from '../target/claim.js';
import { refuseCutOver } from '../target/cutoverstate.js';
import { ownerText } from '../target/nightowner.js';
import type { NightOptions } from './nightoptions.js';
import { endpointWarnings, frozenWarnings, ownedWarnings } from './preflight.js';

export interface CheckedBack {
  seen: Seen;
  heads: Heads;
  resources: Resource[];
  warnings: string[];
}

/**
 * @param tell whether to say which etcd serves each apiserver
 * @throws LockstepError TARGET_NOT_OURS where there was no cutover, TARGET_CUT_OVER where the source is
 *   being emptied, KUBE_UNAVAILABLE where an apiserver does not answer, OTHER_OBJECTS, STILL_USED
 */
export async function preflightBack(o: NightOptions, tell: boolean): Promise<CheckedBack> {
  const { source, target, apiservers, without, resources } = o;
  const seen = await look(target);
  const { state } = seen.stored;
  if (state.phase === 'retiring' || state.phase === 'retired') throw refuseCutOver(seen.stored);
  const moved = movedBy(state.prefixes, resources);
  const kinds = moved.map(({ resource }) => resource);
  await refuseOtherSource(source, target, seen.stored);
  const heads = () => askHeads(source, target, probeKey(PrefixSet.of(state.prefixes)));
  if (state.phase === 'rolled back')
    return { seen, heads: await heads(), resources: kinds, warnings: [] };
  await new DeadOnes(without).refuseAlive();
  const sides = await Promise.all(apiservers.map((api) => servingNow(api, kinds, heads)));
  for (const one of tell ? sides : []) {
    o.onNote(`${one.apiserver}: ${servingText(one)}`);
    o.onEvent({ kind: 'serving', serving: one, there: one.from === 'source' });
  }
  refuseSilent(sides);
  await refuseOther(o, moved, sides);
  await needFreezeRights(apiservers);
  const standing = await Freeze.find(apiservers);
  const owner = seen.owner && ownerText(seen.owner.owner);
  return {
    seen,
    heads: await heads(),
    resources: kinds,
    warnings: [
      ...(await endpointWarnings({ apiservers, without, oldApiservers: [] })),
      ...ownedWarnings(seen, owner),
      ...frozenWarnings(standing),
    ],
  };
}

/** Nobody can freeze it, nor know where it serves from. */
function refuseSilent(sides: readonly Serving[]): void {
  const silent = sides.find(({ from }) => from === 'does not answer');
  if (silent) throw doesNotAnswer(silent.apiserver);
}

async function refuseOther(
  { source, target, apiservers }: NightOptions,
  moved: readonly Moved[],
  sides: readonly Serving[],
): Promise<void> {
  await Promise.all(
    apiservers.map(async (api, i) => {
      const from = sides[i]?.from;
      if (from === 'source') await refuseOtherObjects(source, api, moved);
      if (from === 'target') await refuseOtherObjects(target, api, moved);
    }),
  );
}
