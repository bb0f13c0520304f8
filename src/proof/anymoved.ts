/**
 * Whether an apiserver serves from elsewhere than the source already.
 *
 * It decides whose writes count, so it needs an answer from each: one that is silent, or whose list lies
 * where both heads are, may have moved or not. Taken for moved, a late write that every client sees would
 * be undone; taken for not moved, one that nobody sees would be kept.
 */
import { untilAnswered } from '../async/again.js';
import type { Attempts } from '../async/patience.js';
import { LockstepError } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import { resourceName, type Resource } from '../kube/resource.js';
import { servingNow, servingText, type Heads, type Serving } from './servedfrom.js';

interface AnyMovedOptions {
  apiservers: readonly ApiServer[];
  resources: readonly Resource[];
  heads: () => Promise<Heads>;
  tell: Attempts;
  signal: AbortSignal;
}

/** Waits, without a limit, until one is seen not to serve from the source, or each to do so. */
export async function anyMoved(options: AnyMovedOptions): Promise<boolean> {
  const { apiservers, resources, heads, tell, signal } = options;
  const ask = async (api: ApiServer, resource: Resource) => {
    const one = await untilAnswered(signal, () => servingNow(api, [resource], heads), tell);
    return { one, resource };
  };
  const all = apiservers.flatMap((api) => resources.map((resource) => ({ api, resource })));
  const askAll = async () => {
    const seen = await Promise.all(all.map(({ api, resource }) => ask(api, resource)));
    if (seen.some(({ one: { from } }) => from === 'target' || from === 'neither')) return true;
    const unknown = seen.find(({ one: { from } }) => from !== 'source');
    if (unknown) throw notKnown(unknown.one, unknown.resource);
    return false;
  };
  return untilAnswered(signal, askAll, tell);
}

function notKnown(one: Serving, resource: Resource): LockstepError {
  return new LockstepError(
    'KUBE_UNAVAILABLE',
    `whether ${one.apiserver} has moved is not known (${resourceName(resource)}: ${servingText(one)})`,
    {
      hint: `Nothing goes on before it is. If it is dead and stays so, stop this run and start it again with --without ${one.apiserver}.`,
    },
  );
}
