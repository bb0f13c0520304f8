/**
 * The watch at the end, when writes are let in: for late writes, and for an apiserver that serves from the
 * side that was left. One that was moved may go back with an old manifest; a hook that another run has
 * started, before it lost the night, may move its apiserver when all is over.
 */
import { pause } from '../async/again.js';
import type { OnNote } from '../async/patience.js';
import { LockstepError, hasCode } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import type { Resource } from '../kube/resource.js';
import type { LateWrites } from '../proof/latewrites.js';
import { servingNow, type Heads } from '../proof/servedfrom.js';
import type { Owner } from '../target/nightowner.js';
import type { Alarms } from './alarms.js';
import { tellOwnFreeze } from './freezeover.js';
import type { OnNightEvent } from './nightevents.js';

interface AfterwardsOptions {
  self: Owner;
  apiservers: readonly ApiServer[];
  resources: readonly Resource[];
  heads: () => Promise<Heads>;
  /** The side that was left. */
  left: 'source' | 'target';
  seconds: number;
  late: LateWrites;
  alarms: Alarms;
  onEvent: OnNightEvent;
  onNote: OnNote;
  signal: AbortSignal;
}

const LOOK_AGAIN_MS = 1000;

/**
 * Looks at least once. Ends when the time is over and all late writes until then are known, or when another
 * run has the night.
 */
export async function watchAfterwards(options: AfterwardsOptions): Promise<void> {
  const { self, apiservers: apis, seconds, late, onNote, signal } = options;
  const until = performance.now() + seconds * 1000;
  const told = new Set<string>();
  try {
    do {
      await tellGoneBack(options, told);
      await pause(Math.max(0, Math.min(LOOK_AGAIN_MS, until - performance.now())), signal);
    } while (performance.now() < until && !signal.aborted);
    if (!signal.aborted) await late.passed(signal);
  } catch (error) {
    if (!hasCode(error, 'OTHER_RUN')) throw error;
    onNote(`${error.message}: this run has come to its end before, and watches no longer`);
    await tellOwnFreeze({ self, apis, onNote });
  }
}

/** @param told of these it was told already */
export async function tellGoneBack(
  {
    apiservers,
    resources,
    heads,
    left,
    alarms,
    onEvent,
  }: Pick<AfterwardsOptions, 'apiservers' | 'resources' | 'heads' | 'left' | 'alarms' | 'onEvent'>,
  told = new Set<string>(),
): Promise<void> {
  const ask = async (api: ApiServer) => {
    const serving = await servingNow(api, resources, heads);
    const { from } = serving;
    // What leaves it unclear for a moment is no news of one that has moved.
    if (from === 'source' || from === 'target')
      onEvent({ kind: 'serving', serving, there: from !== left });
    if (from !== left || told.has(api.url)) return;
    told.add(api.url);
    alarms.raise(
      `${api.url} serves from the ${left} again, where nothing counts any more: stop it or move it at once, and look for what was written there`,
    );
  };
  await Promise.all(
    apiservers.map((api) =>
      ask(api).catch((error: unknown) => {
        // Whoever does not answer now is asked again.
        if (!(error instanceof LockstepError) || error.code === 'OTHER_RUN') throw error;
      }),
    ),
  );
}
