/** What an audit finds. The JSON contract in docs/reference.md is made of these types. */
import type { Gap } from '../journal/state.js';
import type { Revision } from '../mvcc/revision.js';
import type { TakenOver } from './sincetakeover.js';

/** Both heads, the source's asked for last. */
export interface Ahead {
  source: Revision;
  target: Revision;
}

/** What of a key is compared. */
export type Field = 'value' | 'mod_revision' | 'create_revision' | 'version' | 'lease';

/** One key, or one event of its history, that is not the same on both sides. */
export interface Difference {
  /** The key as text; bytes that are no UTF-8 are shown as U+FFFD, then `keyBase64` is exact. */
  key: string;
  keyBase64?: string;
  kind: 'missing on target' | 'extra on target' | 'different';
  /** For `different`: what differs. Values are never shown. */
  fields: Field[];
  /** For an event: the revision that it happened at. */
  revision?: Revision;
}

/** One side of an audit. */
export interface SideReport {
  cluster: string;
  version: string;
  keys: number;
  /** Sum of the keys' digests, 16 hexadecimal digits (src/mvcc/tally.ts). */
  checksum: string;
}

/** What was compared, and whether it is the same. */
export interface AuditReport {
  equal: boolean;
  /** Both sides were read at this revision. */
  revision: Revision;
  /** Of the source, when the revision was chosen: what it has above is not compared. */
  sourceHead: Revision;
  prefixes: string[];
  source: SideReport;
  target: SideReport;
  /** What the target's cursor says of itself at that revision; null where there is no cursor. */
  cursor: {
    revision: Revision;
    keys: number;
    checksum: string;
    /** Revisions whose history on the target is not the source's (base/bridge.ts); null: none. */
    gap: Gap | null;
    agrees: boolean;
  } | null;
  differences: number;
  /** Both heads, where the target's is above the source's; null: it is not. */
  ahead: Ahead | null;
  /** Where the target was taken over: when, and what was written since; else null. */
  takenOver: TakenOver | null;
  /** Events above `after`, up to the revision; null if the history was not asked for. */
  history: { after: Revision; events: number; differences: number } | null;
  bytes: number;
  seconds: number;
}

export function describeKey(key: Buffer): Pick<Difference, 'key' | 'keyBase64'> {
  const text = key.toString();
  return Buffer.from(text).equals(key)
    ? { key: text }
    : { key: text, keyBase64: key.toString('base64') };
}
