/** What tests of followers by proposals do again and again. */
import type { Scene } from './scene.js';

const WRITERS = 8;

/**
 * Waits until it goes by proposals and much has landed so; the source has to be written meanwhile.
 * @returns which member is asked
 */
export async function byProposals({ follower }: Scene): Promise<string> {
  const since = follower.mark();
  let from: number | undefined;
  const { status } = await follower.until(
    'written by proposals',
    ({ way, position }) => {
      const goes = way.by === 'proposals' && way.why === null;
      from = goes ? (from ?? position ?? 0) : undefined;
      // The first goes alone, by the client API.
      return from !== undefined && (position ?? 0) > from + 1;
    },
    { since },
  );
  return status.way.where ?? '';
}

/** Writes so many revisions at once, a third of them ours. */
export async function burst(scene: Scene, revisions = 240): Promise<void> {
  let left = revisions;
  const writer = async () => {
    while (left-- > 0) {
      const name = left % 3 === 0 ? `pods/burst-${left % 20}` : `events/${left % 20}`;
      await scene.put(`/registry/${name}`, `${left}`);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
}

/** Writes until something is so. */
export async function burstsUntil(scene: Scene, is: () => boolean): Promise<void> {
  while (!is()) await burst(scene, 80);
}
