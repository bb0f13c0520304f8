/** What must hold when a run of the model has come to rest. */
import { hasCode, type ErrorCode } from '../../src/errors.js';
import type { World } from './model.js';

/**
 * Each process that ended for a reason must have had one of these. One that was told to stop may
 * also find, with the last thing that it does, that its successor is at work already.
 */
export function checkEnds(world: World, ...codes: ErrorCode[]): void {
  for (const { name, alive, stopping, ended, error, broken } of world.processes) {
    if (broken !== undefined) throw world.explain(`${name} ${broken}`);
    if (stopping && alive && !ended) throw world.explain(`${name} does not stop`);
    const superseded = stopping && hasCode(error, 'TARGET_TAKEN_OVER');
    if (error !== undefined && !superseded && !hasCode(error, ...codes)) throw world.explain(error);
  }
}

/** At least one follower still runs, and it has finished. */
export function checkFinished(world: World): void {
  const { source, target } = world;
  const running = world.processes.filter((process) => process.running);
  if (running.length === 0) throw world.explain('no follower is left');
  if (target.store.head !== source.head)
    throw world.explain(`the target stands at ${target.store.head} of ${source.head}`);
  for (const { name, position } of running)
    if (position !== source.head) throw world.explain(`${name} thinks it stands at ${position}`);
}

/**
 * Somebody else's write, if there was one, is noticed, if only by the next one that looks. One to a slot
 * may have taken the place of a filler: then nobody can tell, and nothing is wrong.
 */
export async function checkNoticed(world: World): Promise<void> {
  // One that had nothing left to write has seen nothing; the next one that looks does.
  if (world.target.spoilt && world.processes.some((process) => process.running)) {
    world.start();
    await world.rest();
  }
  checkEnds(world, 'TARGET_FOREIGN_WRITE', 'TARGET_HEAD_OFF', 'TARGET_NOT_OURS');
  const { spoilt, misled, exact } = world.target;
  if (!spoilt) checkFinished(world);
  else if (!world.processes.at(-1)?.ended && !(misled && exact))
    throw world.explain('nobody has noticed');
}
