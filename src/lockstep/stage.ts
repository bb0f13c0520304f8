/** What is on its way to the target behind one cursor: transactions.ts says why, and in which order. */
import type { WholeRevision } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { foreignWrite } from '../target/stock.js';

/** One revision, whose records may be none, and the cursor that it leaves behind. */
export interface Data extends WholeRevision {
  cursor: Buffer;
}

export function bytesOf({ records }: WholeRevision): number {
  return records.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

/** Data of a stage, and what has become of it. */
export interface Sending extends Data {
  /** Of the last time. */
  sentAt: number;
  state: 'waiting' | 'on its way' | 'landed';
}

/** The interval behind a cursor: revisions without records, and the data that ends it. */
export interface Stage {
  /** The cursor that all of it is guarded by. */
  readonly after: Revision;
  /** What that cursor says. */
  readonly cursor: Buffer;
  /** Of the interval, as far as it is known. */
  end: Revision;
  unsent: number;
  /** Slots whose filler was refused. It is sent again in no other slot: the first may come twice. */
  readonly refused: number[];
  /** Slots whose filler has no answer yet. */
  readonly outstanding: Set<number>;
  landed: number;
  /** Where the last filler has landed, as far as is known. */
  highest: Revision;
  /** When the last filler was sent. */
  sentAt: number;
  data: Sending | undefined;
}

/** When no filler is on its way, those that have landed are all that there is behind the cursor. */
export function refuseMiscount({ after, landed, highest, outstanding, refused }: Stage): void {
  const expected = after + landed;
  if (outstanding.size + refused.length === 0 && highest !== expected)
    throw foreignWrite(expected, highest);
}

export function stageAfter(after: Revision, cursor: Buffer): Stage {
  return {
    after,
    cursor,
    end: after,
    unsent: 0,
    refused: [],
    outstanding: new Set(),
    landed: 0,
    highest: after,
    sentAt: 0,
    data: undefined,
  };
}
