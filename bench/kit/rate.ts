/** How fast a target's head moves, while somebody else writes to it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Store } from './etcds.js';

const SAMPLE_MS = 20;
const BEGINS_WITHIN_MS = 60_000;

/**
 * Revisions a second, from the first one that arrives above the present head until `end` is there,
 * or until the time is up.
 */
export async function headRate(
  store: Store,
  end: number,
  mostSeconds: number,
  check: () => void,
): Promise<number> {
  const before = await store.head();
  const asked = performance.now();
  let first = { head: before, at: asked };
  while (first.head === before) {
    check();
    if (performance.now() - asked > BEGINS_WITHIN_MS) throw new Error('nothing arrives');
    await sleep(1);
    first = { head: await store.head(), at: performance.now() };
  }
  let last = first;
  while (last.head < end && last.at - first.at < mostSeconds * 1000) {
    check();
    await sleep(SAMPLE_MS);
    last = { head: await store.head(), at: performance.now() };
  }
  return ((last.head - first.head) * 1000) / (last.at - first.at);
}
