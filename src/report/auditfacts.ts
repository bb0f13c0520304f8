/**
 * What the report of an audit says, as facts: its JSON, from which its page is rendered.
 *
 * The audit's own report stands in it as `-w json` prints it; the rest is who, when, of what, and what was
 * found by the way. docs/report.schema.json is made of these schemas (test/report/document.test.ts).
 */
import { z } from 'zod';
import type { AuditReport } from '../audit/report.js';
import type { ValuesReport } from '../audit/values.js';
import { clusterFacts } from './clusters.js';
import { contents } from './collect.js';
import { foundDifferences } from './found.js';
import { madeBy } from './madeby.js';

const whole = z.number().int().nonnegative();
const seconds = z.number().nonnegative();
const text = z.string();
const revision = z.number().int().positive();
const checksum = z.string().regex(/^[0-9a-f]{16}$/);
const differences = whole;
const keys = whole;
const bytes = whole;

const side = z.strictObject({ cluster: text, version: text, keys, checksum });

const changes = z.strictObject({
  put: keys,
  first: revision.nullable(),
  last: revision.nullable(),
  deleted: keys.nullable(),
});

const takenOver = z.strictObject({
  phase: z.enum([
    ...(['fenced', 'switched', 'done', 'rolling back', 'switched back', 'rolled back'] as const),
    ...(['retiring', 'retired'] as const),
  ]),
  exact: revision,
  at: text,
  source: changes,
  target: changes,
});

/** The schema of an audit's own report. */
export const auditReport = z.strictObject({
  equal: z.boolean(),
  revision,
  sourceHead: revision,
  prefixes: z.array(text),
  source: side,
  target: side,
  cursor: z
    .strictObject({
      ...{ revision, keys, checksum },
      gap: z.strictObject({ after: whole, to: whole }).nullable(),
      agrees: z.boolean(),
    })
    .nullable(),
  differences,
  ahead: z.strictObject({ source: revision, target: revision }).nullable(),
  takenOver: takenOver.nullable(),
  history: z.strictObject({ after: whole, events: whole, differences }).nullable(),
  ...{ bytes, seconds },
}) satisfies z.ZodType<AuditReport>;

const valuesSide = z.strictObject({ cluster: text, version: text, revision, keys });

const valuesReport = z.strictObject({
  equal: z.boolean(),
  compared: z
    .array(z.enum(['value', 'mod_revision', 'create_revision', 'version', 'lease']))
    .readonly(),
  ...{ prefix: text, destPrefix: text },
  ...{ source: valuesSide, target: valuesSide },
  differences,
  wayBack: z.object({ unchanged: z.number(), changed: z.number() }).exactOptional(),
  foreign: keys,
  ...{ bytes, seconds },
}) satisfies z.ZodType<ValuesReport>;

const shared = {
  made: madeBy,
  source: clusterFacts,
  target: clusterFacts,
  contents,
  differences: foundDifferences,
};

/** The schema of {@link AuditFacts}. */
export const auditFacts = z.strictObject({
  format: z.literal('etcd-lockstep/audit-report/1'),
  ...shared,
  audit: auditReport,
});

/** The schema of {@link MirrorFacts}. */
export const mirrorFacts = z.strictObject({
  format: z.literal('etcd-lockstep/mirror-report/1'),
  ...shared,
  audit: valuesReport,
});

/** Of an audit of two etcds in lockstep. */
export type AuditFacts = z.infer<typeof auditFacts>;
/** Of an audit of a mirror. */
export type MirrorFacts = z.infer<typeof mirrorFacts>;
