/** When the way back may be kept open: what there has to be, and what is refused before anything is written. */
import { pause } from '../async/again.js';
import { LockstepError } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import type { Resource } from '../kube/resource.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import { refuseOtherSource } from '../proof/othersource.js';
import {
  askHeads,
  servingNow,
  servingText,
  type Heads,
  type Serving,
} from '../proof/servedfrom.js';
import { look, resourcesIn } from '../target/claim.js';
import { TargetCutOver, type Phase, type StoredCutover } from '../target/cutoverstate.js';
import type { EtcdClient } from '../wire/client.js';

interface ChecksOptions {
  source: EtcdClient;
  target: EtcdClient;
  /** Undefined: those of the cutover, whatever they are. */
  prefixes: PrefixSet | undefined;
  apiservers: readonly ApiServer[];
}

/** What was found. */
export interface Standing {
  stored: StoredCutover;
  prefixes: PrefixSet;
  heads: Heads;
  /** What somebody should know before he says go. */
  warnings: string[];
}

/** From these on somebody else has both etcds in hand, or nothing is left to go back to. */
const OVER: readonly Phase[] = [
  'rolling back',
  'switched back',
  'rolled back',
  'retiring',
  'retired',
];

export function isOver(phase: Phase): boolean {
  return OVER.includes(phase);
}

const TRIES = 20;
const POLL_MS = 100;

/**
 * @throws LockstepError TARGET_NOT_OURS where there was no cutover, TARGET_CUT_OVER where it is not done, or
 *   over, TARGET_OTHER_SOURCE, TARGET_OTHER_PREFIXES, SAME_ETCD, STILL_USED where an apiserver serves from
 *   the source
 */
export async function refuseStanding(o: ChecksOptions): Promise<Standing> {
  const { source, target } = o;
  const { stored } = await look(target);
  const { state } = stored;
  refusePhase(stored);
  const prefixes = PrefixSet.of(state.prefixes);
  if (o.prefixes && !prefixes.equals(o.prefixes.list))
    throw otherPrefixes(state.prefixes, o.prefixes);
  await refuseOtherSource(source, target, stored);
  const heads = () => askHeads(source, target, probeKey(prefixes));
  const warnings = await refuseServing(o, stored, heads);
  return { stored, prefixes, heads: await heads(), warnings };
}

/** While it is being cut over, the fence keeps the target's head above the source's: each would raise over the other. */
function refusePhase(stored: StoredCutover): void {
  const { phase } = stored.state;
  if (phase === 'done') return;
  if (isOver(phase)) throw new TargetCutOver(stored);
  throw new LockstepError('TARGET_CUT_OVER', `the cutover is not done: it is ${phase}`, {
    hint: 'Run `etcd-lockstep cutover` to its end first. Until then the source has everything, or rollback brings it.',
  });
}

function otherPrefixes(stored: readonly string[], { list }: PrefixSet): LockstepError {
  return new LockstepError(
    'TARGET_OTHER_PREFIXES',
    `${stored.join(', ')} was cut over, not ${list.join(', ')}`,
    { hint: 'Leave out --prefix: all that was cut over is brought back, or nothing.' },
  );
}

/** What lies there would change under their feet. */
async function refuseServing(
  { apiservers }: ChecksOptions,
  { state }: StoredCutover,
  heads: () => Promise<Heads>,
): Promise<string[]> {
  if (apiservers.length === 0)
    return [
      'no apiservers were given: whether one still serves from the source is not known. --kubeconfig names them',
    ];
  const resources = resourcesIn({ state });
  const warnings: string[] = [];
  for (const api of apiservers) {
    let one = await servedFrom(api, resources, heads);
    for (let tries = 1; tries < TRIES && one.from === 'unclear'; tries++) {
      await pause(POLL_MS);
      one = await servedFrom(api, resources, heads);
    }
    if (one.from === 'source') throw stillServed(one.apiserver);
    if (one.from !== 'target') warnings.push(`${one.apiserver}: ${servingText(one)}`);
  }
  return warnings;
}

/** As {@link servingNow}; where a single resource is left on the source, from there. */
export async function servedFrom(
  api: ApiServer,
  resources: readonly Resource[],
  heads: () => Promise<Heads>,
): Promise<Serving> {
  const all = await servingNow(api, resources, heads);
  if (all.from !== 'unclear') return all;
  for (const resource of resources) {
    const one = await servingNow(api, [resource], heads);
    if (one.from === 'source') return one;
  }
  return all;
}

function stillServed(apiserver: string): LockstepError {
  return new LockstepError('STILL_USED', `${apiserver} serves from the source`, {
    hint: 'Nothing was written. Move it to the target, or stop it; it would show what is brought back while clients write elsewhere.',
  });
}
