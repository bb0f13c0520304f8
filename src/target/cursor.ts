/**
 * The cursor: the key on the target that says what the target holds.
 *
 * It is written in the same transaction as the data, so it can be neither ahead of nor behind it,
 * and its own mod_revision is the source revision that it stands for. Its value is JSON, to be read
 * with `etcdctl get etcd-lockstep/cursor` at any time, also when the source is long gone.
 */
import { z } from 'zod';
import { LockstepError } from '../errors.js';
import { OWN_PREFIX } from '../mvcc/prefix.js';
import { Tally } from '../mvcc/tally.js';

export const CURSOR_KEY = Buffer.from(`${OWN_PREFIX}cursor`);
export const CURSOR_FORMAT = 1;

/** What a target says of itself while it is in lockstep. */
export interface Cursor {
  format: typeof CURSOR_FORMAT;
  /** Cluster id of the source, hexadecimal; null in a base cropped from a file, which has none. */
  source: string | null;
  prefixes: string[];
  /** The revision that it was written at; a copy of the key elsewhere gives itself away by it. */
  revision: number;
  /** Live keys under the prefixes. */
  keys: number;
  /** The sum of their digests (mvcc/tally.ts). */
  checksum: string;
  /** Writes to slots and chain up to this cursor, its own included: with their versions they account for the head. */
  ownWrites: number;
  /** Revisions whose history here is not the source's, only its outcome is; null: there are none. */
  gap: { after: number; to: number } | null;
  /** Random id of the process that wrote it; null from seal. */
  follower: string | null;
  /** When, by the writer's clock. For people. */
  at: string;
}

const schema: z.ZodType<Cursor> = z.object({
  format: z.literal(CURSOR_FORMAT),
  source: z.string().nullable(),
  prefixes: z.array(z.string()).min(1),
  revision: z.number().int().positive(),
  keys: z.number().int().nonnegative(),
  checksum: z.string().regex(/^[0-9a-f]{16}$/),
  ownWrites: z.number().int().nonnegative(),
  gap: z.object({ after: z.number().int(), to: z.number().int() }).nullable(),
  follower: z.string().nullable(),
  at: z.string(),
});

export function encodeCursor(cursor: Cursor): Buffer {
  return Buffer.from(JSON.stringify(cursor));
}

/** @throws LockstepError TARGET_NOT_OURS for anything that is no cursor of this format */
export function parseCursor(value: Buffer): Cursor {
  try {
    return schema.parse(JSON.parse(value.toString()));
  } catch (cause) {
    throw new LockstepError(
      'TARGET_NOT_OURS',
      `${CURSOR_KEY.toString()} holds no cursor of format ${CURSOR_FORMAT}`,
      {
        hint: 'Check --dest-endpoints. A target comes from a base that etcd-lockstep has sealed.',
        cause,
      },
    );
  }
}

export function cursorTally(cursor: Pick<Cursor, 'keys' | 'checksum'>): Tally {
  return new Tally(cursor.keys, BigInt(`0x${cursor.checksum}`));
}
