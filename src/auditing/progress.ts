/** How far an audit has come: all that it needs to go on in another process, and all that it has found. */
import { z } from 'zod';
import { Tally } from '../mvcc/tally.js';

const count = z.number().int().nonnegative();
const revision = z.number().int().positive();
/** A key; bytes that are no text would be lost in JSON. */
const key = z.base64();

const tally = z
  .object({ keys: count, checksum: z.string().regex(/^[0-9a-f]{16}$/) })
  .transform(({ keys, checksum }) => new Tally(keys, BigInt(`0x${checksum}`)));

const difference = z.object({
  key: z.string(),
  keyBase64: z.string().optional(),
  kind: z.enum(['missing on target', 'extra on target', 'different']),
  fields: z.array(z.enum(['value', 'mod_revision', 'create_revision', 'version', 'lease'])),
  /** What it was found at. */
  revision,
  /** Both sides were looked at once more, here. */
  again: revision,
  /** And were the same by then. */
  over: z.boolean(),
});

export const progressSchema = z.object({
  since: z.iso.datetime(),
  /** In which it was worked at. */
  seconds: z.number().nonnegative(),
  /** Index of the prefix, and the key there that comes next; null: its first one. */
  prefix: count,
  next: key.nullable(),
  /** What was read at which revision: each from its key on, to the next one's. */
  ranges: z.array(z.object({ from: key, revision })),
  /** What the target's cursor said at the first revision; null: it speaks of other prefixes. */
  cursor: z.object({ keys: count, checksum: z.string() }).nullable(),
  source: tally,
  target: tally,
  bytes: count,
  /** Prefixes that no key begins with, on either side. */
  empty: z.array(z.string()),
  /** How many keys are not the same; those that were so for a while are not among them. */
  differences: count,
  /** How many were so for a while. */
  over: count,
  /** The first of both. */
  found: z.array(difference),
  /** Somebody was told of the differences. */
  alarmed: z.boolean(),
});

export type Progress = z.output<typeof progressSchema>;
/** A key that was not the same on both sides, and how it was when it was looked at once more. */
export type Found = z.output<typeof difference>;

export function atTheBeginning(): Progress {
  return {
    since: new Date().toISOString(),
    ...{ seconds: 0, prefix: 0, next: null, ranges: [], cursor: null, bytes: 0, empty: [] },
    ...{ source: new Tally(), target: new Tally() },
    ...{ differences: 0, over: 0, found: [], alarmed: false },
  };
}

/** The inverse of what the schema makes of JSON. */
export function toJson(progress: Progress): z.input<typeof progressSchema> {
  const plain = ({ keys, hex }: Tally) => ({ keys, checksum: hex });
  return { ...progress, source: plain(progress.source), target: plain(progress.target) };
}
