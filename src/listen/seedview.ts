/** What `seed` shows: how far it has come. */
import type { SeedCount } from '../base/seed.js';
import { bytes, count } from '../text.js';
import { blankView, type ViewFacts } from './blankview.js';
import type { View } from './view.js';

/** How far a seed has come. */
export interface SeedStanding {
  prefixes: readonly string[];
  /** The snapshot file that the base comes from, where it comes from one, and how much was checked, 0 to 1. */
  file?: string | undefined;
  checked?: number;
  /** Of this run; undefined before anything was read. */
  read: SeedCount | undefined;
  /** Rows in the base so far; undefined before it is sealed. */
  sealed: number | undefined;
}

/** @param follow the command that is to be started next */
export function seedView(facts: ViewFacts, standing: SeedStanding, follow: string): View {
  const { prefixes, read, sealed } = standing;
  const isSealing = sealed !== undefined;
  const text = isSealing ? `${count(sealed)} rows sealed` : readingText(standing);
  return {
    ...blankView('seed', facts),
    state: isSealing ? 'sealing' : 'reading',
    sentence: isSealing
      ? `The base is being written: ${text}.`
      : `${standing.file ?? 'The source'} is being read: ${text}.`,
    ...{ mood: 'working', ready: true, prefixes: [...prefixes] },
    progress: { share: isSealing || !read ? null : shareOf(read), text },
    next: {
      text: 'Wait until it is sealed. Then start following at once, and restore the base: it prints the commands.',
      command: follow,
    },
  };
}

function readingText({ read, checked }: SeedStanding): string {
  if (read?.bridged !== undefined) return `${count(read.bridged)} keys of the source, over the gap`;
  if (read) return `${count(read.keys)} keys, ${bytes(read.bytes)}`;
  return checked === undefined ? 'nothing yet' : `${Math.floor(checked * 100)}% checked`;
}

/** Pages and the watch beside them: it is done when both are. */
function shareOf({ keys, remaining, watched }: SeedCount): number | null {
  if (remaining === undefined) return null;
  return Math.min(watched, keys / Math.max(keys + remaining, 1));
}
