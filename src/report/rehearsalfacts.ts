/**
 * What the report of a rehearsal says, as facts: its JSON, from which its page and the runbook are rendered.
 * docs/report.schema.json is made of this schema, too.
 */
import { z } from 'zod';
import type { RunbookEntry } from '../cutover/runbook.js';
import { clusterFacts } from './clusters.js';
import { madeBy } from './madeby.js';

const text = z.string();
const whole = z.number().int().nonnegative();
const revision = z.number().int().positive();
const seconds = z.number().nonnegative();
const took = z.strictObject({ typical: seconds, worst: seconds });

const serving = z.strictObject({
  from: z.enum(['source', 'target', 'unclear', 'neither', 'does not answer']),
  /** What left it unclear. */
  why: text.nullable(),
});

const hookRun = z.strictObject({
  seconds: seconds.nullable(),
  restartSeconds: seconds.nullable(),
  failed: text.nullable(),
});

/** The schema of a rehearsal's own report; `-w json` prints it, too. */
export const rehearsalReport = z.strictObject({
  goesThrough: z.boolean(),
  findings: z.array(
    z.strictObject({
      weight: z.enum(['stops', 'warning']),
      about: text,
      /** As a night would end with; null: it has none for it. */
      code: text.nullable(),
      message: text,
      hint: text.nullable(),
    }),
  ),
  prefixes: z.array(text),
  resources: z.array(text),
  audit: z
    .strictObject({ equal: z.boolean(), revision, differences: whole, seconds, keys: whole })
    .nullable(),
  live: z
    .strictObject({
      ...{ seconds, revisionsPerSecond: z.number().nonnegative(), windows: whole, quiet: whole },
      ...{ watch: took, equal: took },
    })
    .nullable(),
  margin: z.strictObject({ given: whole, needed: whole.nullable() }),
  apiservers: z.array(
    z.strictObject({
      ...{ apiserver: text, old: z.boolean() },
      ...{ before: serving, after: serving.nullable(), hook: hookRun.nullable() },
    }),
  ),
  flip: hookRun.nullable(),
  outlook: z
    .strictObject({
      own: z.strictObject({
        ...{ drain: seconds, compare: seconds, takeover: seconds, fence: seconds, seconds },
      }),
      knownSeconds: seconds,
      rolling: z.strictObject({ seconds: seconds.nullable(), told: whole, of: whole }),
      flipSeconds: seconds.nullable(),
      freeze: z.strictObject({
        way: z.enum(['rolling', 'pre-warmed']),
        rolling: seconds.nullable(),
        prewarmed: seconds.nullable(),
      }),
    })
    .nullable(),
  steps: z.array(z.strictObject({ step: text, seconds })),
});

const runbookEntry = z.strictObject({
  ...{ part: text, title: text, type: z.array(text), see: text, otherwise: text, link: text },
}) satisfies z.ZodType<RunbookEntry>;

/** The schema of {@link RehearsalFacts}. */
export const rehearsalFacts = z.strictObject({
  format: z.literal('etcd-lockstep/rehearsal-report/1'),
  made: madeBy,
  /** Null: it could not be asked when the report was made. */
  source: clusterFacts.nullable(),
  target: clusterFacts.nullable(),
  about: z.strictObject({
    config: text.nullable(),
    ...{ source: z.array(text), target: z.array(text) },
    ...{ apiservers: z.array(text), oldApiservers: z.array(text), overrides: text },
  }),
  rehearsal: rehearsalReport,
  runbook: z.array(runbookEntry),
});

/** What the report of a rehearsal says. */
export type RehearsalFacts = z.infer<typeof rehearsalFacts>;
