/**
 * What the report of an audit beside a follower says, as facts. Such an audit reads slower than the
 * source forgets, so it says of each range of keys at which revision it was compared
 * (src/auditing/pass.ts).
 */
import { z } from 'zod';
import { clusterFacts } from './clusters.js';
import { foundDifference, foundDifferences } from './found.js';
import { madeBy } from './madeby.js';

const whole = z.number().int().nonnegative();
const revision = z.number().int().positive();
const sum = z.strictObject({ keys: whole, checksum: z.string().regex(/^[0-9a-f]{16}$/) });

/** The schema of {@link LookedAgain}. */
export const lookedAgain = z.strictObject({
  /** With what each side had when it was looked at last. */
  found: foundDifference,
  /** Where it was found, and where both sides were looked at once more. */
  at: revision,
  again: revision,
});

/** A key that was not the same on both sides, and was looked at twice. */
export type LookedAgain = z.infer<typeof lookedAgain>;

/** The schema of {@link BesideFacts}. */
export const besideFacts = z.strictObject({
  format: z.literal('etcd-lockstep/follow-audit-report/1'),
  made: madeBy,
  source: clusterFacts,
  target: clusterFacts,
  audit: z.strictObject({
    equal: z.boolean(),
    prefixes: z.array(z.string()),
    /** In their order: each from its first key on, to the next one's. */
    ranges: z.array(
      z.strictObject({
        from: z.string(),
        /** Where the key is no UTF-8: its exact bytes; else null. */
        fromBase64: z.base64().nullable(),
        revision,
      }),
    ),
    source: sum,
    target: sum,
    /** Null where it can be held against nothing: all keys were not read at one revision. */
    cursor: z.strictObject({ ...sum.shape, agrees: z.boolean() }).nullable(),
    /** Keys that are not the same. */
    differences: whole,
    /** Keys that were not for a while. */
    over: whole,
    /** Of the source; so many a second at most. */
    bytes: whole,
    bytesPerSecond: z.number().positive(),
    /** In which it was worked at. */
    seconds: z.number().nonnegative(),
  }),
  differences: foundDifferences,
  /** The first that were different for a while. */
  over: z.array(lookedAgain),
});

/** Of an audit beside a follower. */
export type BesideFacts = z.infer<typeof besideFacts>;
