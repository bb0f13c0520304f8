/** How fast a target's head moves, while somebody else writes to it. */
import { setTimeout as sleep } from 'node:timers/promises';

const SAMPLE_MS = 20;
const BEGINS_WITHIN_MS = 60_000;

export interface HeadRate {
  /** Revisions a second. */
  rate: number;
  /** How long each look at the head took meanwhile: a linearizable read of another client. */
  readMs: number[];
}

/**
 * From the first revision that arrives above the present head until `end` is there, or until the time is up.
 */
export async function headRate(
  store: { head: () => Promise<number> },
  end: number,
  mostSeconds: number,
  check: () => void,
): Promise<HeadRate> {
  const before = await store.head();
  const asked = performance.now();
  let first = { head: before, at: asked };
  while (first.head === before) {
    check();
    if (performance.now() - asked > BEGINS_WITHIN_MS) throw new Error('nothing arrives');
    await sleep(1);
    first = { head: await store.head(), at: performance.now() };
  }
  const readMs: number[] = [];
  let last = first;
  while (last.head < end && last.at - first.at < mostSeconds * 1000) {
    check();
    await sleep(SAMPLE_MS);
    const began = performance.now();
    last = { head: await store.head(), at: performance.now() };
    readMs.push(last.at - began);
  }
  return { rate: ((last.head - first.head) * 1000) / (last.at - first.at), readMs };
}
