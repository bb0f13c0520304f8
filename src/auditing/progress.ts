/** How far an audit has come: all that it needs to go on in another process, and all that it has found. */
import { z } from 'zod';
import { Tally } from '../mvcc/tally.js';
import { lookedAgain } from '../report/besidefacts.js';

const count = z.number().int().nonnegative();
const revision = z.number().int().positive();
/** A key; bytes that are no text would be lost in JSON. */
const key = z.base64();

const tally = z
  .object({ keys: count, checksum: z.string().regex(/^[0-9a-f]{16}$/) })
  .transform(({ keys, checksum }) => new Tally(keys, BigInt(`0x${checksum}`)));

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
  /** How many keys are not the same; those that were not for a while are not among them. */
  differences: count,
  over: count,
  /** The first of each. */
  stillDifferent: z.array(lookedAgain),
  differentBefore: z.array(lookedAgain),
  /** Somebody was told of the differences. */
  alarmed: z.boolean(),
});

export type Progress = z.output<typeof progressSchema>;

export function atTheBeginning(): Progress {
  return {
    since: new Date().toISOString(),
    ...{ seconds: 0, prefix: 0, next: null, ranges: [], cursor: null, bytes: 0, empty: [] },
    ...{ source: new Tally(), target: new Tally() },
    ...{ differences: 0, over: 0, stillDifferent: [], differentBefore: [], alarmed: false },
  };
}

/** The inverse of what the schema makes of JSON. */
export function toJson(progress: Progress): z.input<typeof progressSchema> {
  const plain = ({ keys, hex }: Tally) => ({ keys, checksum: hex });
  return { ...progress, source: plain(progress.source), target: plain(progress.target) };
}
