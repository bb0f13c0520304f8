import { setTimeout as sleep } from 'node:timers/promises';

/** Much more than anything takes on a machine that is busy: only what never comes waits so long. */
const WITHIN_MS = 120_000;

/** Waits for a condition; throws with `what` when it does not come true. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs = WITHIN_MS,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`);
    await sleep(50);
  }
}
