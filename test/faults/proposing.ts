/** What tests of followers by proposals do again and again. */
import type { Scene } from './scene.js';

const WRITERS = 8;

/** Waits until it goes by proposals and something has landed so; the source has to be written meanwhile. */
export async function byProposals({ follower }: Scene, since = follower.mark()): Promise<void> {
  await follower.until(
    'written by proposals',
    ({ way }) => way.by === 'proposals' && way.why === null,
    { since },
  );
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
