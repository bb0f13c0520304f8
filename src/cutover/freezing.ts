/** Freezes the resources in every apiserver, and has each of them prove it. */
import { LockstepError } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import { applyFreeze, freezeWay, frozenSince } from '../kube/freeze.js';
import { probe } from '../kube/probe.js';
import type { Resource } from '../kube/resource.js';
import type { StepTeller } from './steps.js';

export interface FreezingOptions {
  resources: readonly Resource[];
  apiservers: readonly ApiServer[];
  oldApiservers: readonly ApiServer[];
  onNote: (note: string) => void;
}

/**
 * May be called where all is frozen already.
 * @returns when writes began to be refused, by our clock, or by Kubernetes' if it was before our time
 * @throws LockstepError KUBE where an apiserver does not do as it should; it stays frozen
 */
export async function freezeAll(
  { resources, apiservers, oldApiservers, onNote }: FreezingOptions,
  teller: StepTeller,
  signal: AbortSignal,
): Promise<Date> {
  const all = [...apiservers, ...oldApiservers];
  const [first] = all;
  const before = first && (await frozenSince(first));
  if (before) onNote(`writes have been frozen since ${before.toISOString()}; going on with that`);
  const at = before ?? new Date();
  teller.frozen(at.getTime());
  await applyFreeze(all, resources, await freezeWay(all), { signal });
  const reports = await Promise.all(all.map((api) => probe(api, resources, 'frozen')));
  for (const { apiserver, checks } of reports)
    for (const { what, expected, got, ok } of checks)
      if (!ok) throw notAsExpected(`${apiserver}: ${what} should be ${expected}, and was: ${got}`);
  return at;
}

function notAsExpected(message: string): LockstepError {
  return new LockstepError('KUBE', message, {
    disposition: 'fatal',
    hint: '`etcd-lockstep freeze probe` shows all of it; see that this passes, and run the same command again.',
  });
}
