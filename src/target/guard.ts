/** The writes that apply makes, and the conditions under which each takes effect. */
import { OWN_PREFIX } from '../mvcc/prefix.js';
import type { Record } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';

/** Filler slots: as many fillers may be on their way at once. */
export const SLOTS = 64;

/**
 * Written by the first write after each stock, which begins a term by that: whatever was sent in an older one
 * is void.
 */
export const TERM_KEY = Buffer.from(`${OWN_PREFIX}term`);

export const SLOT_PREFIX = `${OWN_PREFIX}slot/`;

export function slotKey(slot: number): Buffer {
  return Buffer.from(`${SLOT_PREFIX}${String(slot).padStart(2, '0')}`);
}

/** What must hold on the target for a write to take effect. */
export interface Guard {
  termMod: Revision;
  cursorMod: Revision;
  /** What the cursor says, byte for byte; undefined where its mod_revision was read, not foretold. */
  cursor: Buffer | undefined;
  /** The slots that must be untouched, with the mod_revision that they had. */
  slots: { slot: number; mod: Revision }[];
  /** The slots whose filler must have landed: at a revision above `above` and below `below`. */
  landed: { slot: number; above: Revision; below: Revision }[];
}

export type Effect =
  | { kind: 'filler'; slot: number }
  /** One whole revision, or none and only the cursor anew; with `newTerm`, the term, too. */
  | { kind: 'cursor'; records: readonly Record[]; cursor: Buffer; newTerm: boolean };
