/**
 * A connection that is accepted and then never served, not even when the network is well again: the
 * host has hung and then died, or what lies between has forgotten it. Only the client can give it up.
 */
import type { FaultProxy } from '../rig/proxy.js';
import { Scene } from './scene.js';
import { report, together } from './together.js';

const BUSY_MS = 50;
/** A call that waits for the connection is given up, and the next one makes another. */
const OVER_WITHIN_MS = 20_000;

function swallowFromNow(proxy: FaultProxy): void {
  proxy.swallow(true);
  proxy.cut();
}

describe('connections that are never served are given up', () => {
  const tests: Record<string, () => Promise<void>> = {};
  for (const which of ['source', 'target'] as const)
    tests[`by the ${which}`] = () =>
      Scene.with({ everyMs: BUSY_MS }, async (scene) => {
        const { follower, [which]: side } = scene;
        const mark = follower.mark();
        swallowFromNow(side.proxy);
        await follower.until('waiting', ({ state }) => state === `waiting for the ${which}`);
        await follower.untilNote(new RegExp(`${which} .*trying again`), mark);
        const over = follower.mark();
        side.proxy.swallow(false);
        const { ms } = await follower.until(
          'going on',
          ({ state, trouble }) => !state.startsWith('waiting') && trouble === null,
          { since: over, withinMs: OVER_WITHIN_MS },
        );
        report(`${which}: over ${ms} ms after the network was well`);
        await scene.exact();
      });
  together(tests);
});
