/**
 * What a server's watch can be believed in, by its version.
 *
 * Older servers answer a progress request before events that are still queued (until 3.4.25 and
 * 3.5.8), lose events after a compaction (until 3.4.31 and 3.5.13), step back in revisions (until
 * 3.4.32 and 3.5.14) and lose a deletion at the compact revision (until 3.4.34 and 3.5.16). There
 * only an event itself proves a position, so the whole store is watched: every revision then
 * shows up as an event, and one that does not is a loss that we notice.
 */
export interface WatchLimits {
  version: string;
  /**
   * A progress answer proves that all events up to its revision were sent. By the version at first; false
   * from when the endpoint was seen to give none (progressproof.ts).
   */
  progressIsProof: boolean;
}

const FIRST_GOOD: Record<string, number> = { '3.4': 34, '3.5': 16 };

export function watchLimits(version: string): WatchLimits {
  return { version, progressIsProof: reaches(version, FIRST_GOOD) };
}

/** Whether a version has what came with these patch releases; 3.6 and newer have all of it. */
export function reaches(version: string, firstPatches: Record<string, number>): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.-]/).map(Number);
  const first = firstPatches[`${major}.${minor}`];
  const newer = major > 3 || (major === 3 && minor > 5);
  return newer || (first !== undefined && patch >= first);
}

/** Says once what is different with a source whose watch has known faults. */
export function fullWatchNote(version: string): string {
  return `source etcd ${version} has known watch faults; watching its whole key space instead of the prefixes, since there only events prove a position`;
}
