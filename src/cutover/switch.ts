/**
 * Moving the apiservers, one after the other, and looking whether each has moved.
 *
 * What moves an apiserver only its operator knows: a manifest, a unit file, a load balancer. So it is
 * a command that he gives, or he is told what to do and we wait until it shows.
 */
import { pause } from '../async/again.js';
import { LockstepError } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import { resourceName, type Resource } from '../kube/resource.js';
import { servingNow, type Heads, type Serving } from '../proof/servedfrom.js';

export interface SwitchOptions {
  apiservers: readonly ApiServer[];
  /** Left out as dead: may not answer, or has to serve from there, too. */
  without: readonly ApiServer[];
  resources: readonly Resource[];
  heads: () => Promise<Heads>;
  /** Where they have to go. */
  to: 'target' | 'source';
  /** Runs the operator's command for one; undefined: he is told by `onWait` and does it himself. */
  hook?: (api: ApiServer) => Promise<void>;
  /** Told where each serves from, whenever it was asked. */
  onServing: (serving: Serving, there: boolean) => void;
  /** Told what is waited for, again whenever that has changed. */
  onWait: (waiting: readonly Serving[]) => void;
  onMoved: (apiserver: string) => void;
  signal: AbortSignal;
}

const POLL_MS = 250;

/** The value of the apiservers' flag for these resources: `/pods#https://a:2379;https://b:2379`. */
export function overrides(resources: readonly Resource[], endpoints: readonly string[]): string {
  return resources
    .map(({ group, resource }) => `${group}/${resource}#${endpoints.join(';')}`)
    .join(',');
}

/** Ends when each of them serves all resources from there, by its own lists. */
export async function moveAll(options: SwitchOptions): Promise<void> {
  const { apiservers, without, hook } = options;
  if (hook)
    for (const api of apiservers) {
      if ((await where(options, [api])).length === 0) continue;
      await hook(api);
      await untilMoved(options, [api]);
    }
  // All of them once more: one that was moved first may have been put back.
  await untilMoved(hook ? { ...options, onMoved: () => undefined } : options, apiservers);
  await untilGone({ ...options, apiservers: without });
}

/** Ends when none of these serves from the wrong side any more; most will not answer. */
export async function untilGone(
  options: Omit<SwitchOptions, 'hook' | 'onMoved' | 'without'>,
): Promise<void> {
  await untilNone(options, async () => {
    const gone = ({ from }: Serving) => from === 'does not answer' || from === options.to;
    return where(options, options.apiservers, gone);
  });
}

async function untilMoved(options: SwitchOptions, apis: readonly ApiServer[]): Promise<void> {
  let before: readonly string[] = apis.map(({ url }) => url);
  await untilNone(options, async () => {
    const waiting = await where(options, apis);
    const names = waiting.map(({ apiserver }) => apiserver);
    for (const url of before) if (!names.includes(url)) options.onMoved(url);
    before = names;
    return waiting;
  });
}

/** Asks until nobody is waited for any more; tells who is, whenever that has changed. */
async function untilNone(
  { onWait, signal }: Pick<SwitchOptions, 'onWait' | 'signal'>,
  ask: () => Promise<Serving[]>,
): Promise<void> {
  let told = '';
  for (let waiting = await ask(); waiting.length > 0; waiting = await ask()) {
    const text = JSON.stringify(waiting);
    if (text !== told) onWait(waiting);
    told = text;
    await pause(POLL_MS, signal);
    signal.throwIfAborted();
  }
}

/**
 * Those that are not there. An apiserver that has just started refuses this and that, and an
 * etcd may be away for a moment; that must not end us, for then nobody would keep the fence. Who has lost
 * the night keeps nothing any more.
 */
async function where(
  {
    resources,
    heads,
    to,
    onServing,
  }: Pick<SwitchOptions, 'resources' | 'heads' | 'to' | 'onServing'>,
  apis: readonly ApiServer[],
  there = ({ from }: Serving) => from === to,
): Promise<Serving[]> {
  const ask = (api: ApiServer): Promise<Serving> =>
    servingNow(api, resources, heads).catch((error: unknown) => {
      if (!(error instanceof LockstepError) || error.code === 'OTHER_RUN') throw error;
      return { apiserver: api.url, from: 'unclear', why: error.message };
    });
  const all = await Promise.all(apis.map(ask));
  for (const one of all) onServing(one, there(one));
  return all.filter((one) => !there(one));
}

export function resourceList(resources: readonly Resource[]): string {
  return resources.map(resourceName).join(', ');
}
