/** What the journal knows about itself, beside its rows and its position. */
import type { Revision } from '../mvcc/revision.js';

/** How far the base has been read. */
export type BaseProgress =
  | { how: 'snapshot'; done: boolean }
  /** `file`: its name, as it was given. */
  | { how: 'file'; done: boolean; file: string }
  | {
      how: 'range';
      done: boolean;
      /** The revision that pages are read at now. */
      pinned: Revision;
      /** Index of the prefix and the key (base64) that the next page starts with. */
      prefix: number;
      next: string | null;
    };

/** Revisions whose history is not the source's: those above `after`, up to `to` (base/bridge.ts). */
export interface Gap {
  after: Revision;
  to: Revision;
}

/** What the journal knows about itself. */
export interface JournalState {
  format: number;
  clusterId: string;
  prefixes: string[];
  /** Records from here on come from the watch alone; below it from the base. */
  watchFrom: Revision;
  base: BaseProgress;
  /** The last run of the base that counts; 0 before the first (runs.ts). */
  runs: number;
  /** Superseded rows at or below it are gone or on their way out. */
  compactRevision: Revision;
  /** The last gap that was bridged; an older one has been compacted away since. */
  gap: Gap | null;
}

/** The gap, where the bridge over it has not come to its end. */
export function halfBridged(journal: {
  state: Pick<JournalState, 'gap'>;
  mark: { position: Revision };
}): Gap | undefined {
  const { gap } = journal.state;
  return gap && journal.mark.position < gap.to ? gap : undefined;
}
