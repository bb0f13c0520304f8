/** The writes that apply makes, and the conditions under which each takes effect. */
import { OWN_PREFIX } from '../mvcc/prefix.js';
import type { Record } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import type { Link } from './chain.js';

/** Filler slots: as many fillers may be on their way at once. */
export const SLOTS = 64;

export const SLOT_PREFIX = `${OWN_PREFIX}slot/`;

export function slotKey(slot: number): Buffer {
  return Buffer.from(`${SLOT_PREFIX}${String(slot).padStart(2, '0')}`);
}

/** What must hold on the target for a transaction to take effect. */
export interface Guard {
  /** Of the chain (chain.ts): the term is still the one that it was read in, or has begun. */
  chainMod: Revision;
  cursorMod: Revision;
  /** What the cursor says, byte for byte; undefined where its mod_revision was read, not foretold. */
  cursor: Buffer | undefined;
  /** The slots that must be untouched, with the mod_revision that they had. */
  slots: { slot: number; mod: Revision }[];
  /** The slots whose filler must have landed: at a revision above `above` and below `below`. */
  landed: { slot: number; above: Revision; below: Revision }[];
}

/** What a transaction does. */
export type Effect =
  | { kind: 'filler'; slot: number }
  /** One whole revision, or none and only the cursor anew; with a link, it begins a term. */
  | { kind: 'cursor'; records: readonly Record[]; cursor: Buffer; link?: Link | undefined };

/** One write of a proposal: it takes effect right behind the link before its own, or never. */
export interface Chained {
  /** That it leaves behind. */
  link: Link;
  /** The whole revision with its cursor; undefined: a filler. */
  data: { records: readonly Record[]; cursor: Buffer } | undefined;
}
