/** What the scenarios look at in the reports of `-w json`. */
import { z } from 'zod';
import type { Ended } from '../cli/run.js';
import { reportOf } from './move.js';

const revision = z.number().int().positive();
const count = z.number().int().nonnegative();
const heads = z.object({ source: revision, target: revision });
const steps = z.array(z.object({ step: z.string(), seconds: z.number() }));
const named = z.array(z.object({ key: z.string(), revision, deleted: z.boolean() }));

const cutover = z.object({
  exact: revision,
  keys: count,
  checksum: z.string(),
  prefixes: z.array(z.string()),
  apiservers: z.array(z.string()),
  heads: heads.nullable(),
  frozenSeconds: z.number(),
  ownSeconds: z.number(),
  steps,
  lateWrites: z.object({ count, named }),
  alarms: z.array(z.string()),
});

const rollback = z.object({
  brought: z.object({
    keys: count,
    put: count,
    deleted: count,
    unchanged: count,
    replaced: z.object({ count, keys: z.array(z.string()) }),
  }),
  heads,
  frozenSeconds: z.number().nullable(),
  steps,
  lateWrites: named,
  alarms: z.array(z.string()),
});

const retire = z.object({
  removed: z.boolean(),
  keys: count,
  checksum: z.string(),
  revisions: z.object({ first: revision, last: revision }).nullable(),
  cutOver: z.object({ keys: count, checksum: z.string() }),
  left: count,
});

export type CutoverReport = z.infer<typeof cutover>;

export function cutoverReport(ended: Ended): CutoverReport {
  return z.object({ cutover }).parse(reportOf(ended)).cutover;
}

export function rollbackReport(ended: Ended): z.infer<typeof rollback> {
  return z.object({ rollback }).parse(reportOf(ended)).rollback;
}

export function retireReport(ended: Ended): z.infer<typeof retire> {
  return z.object({ retire }).parse(reportOf(ended)).retire;
}

/** In seconds, for whoever reads along. */
export function freezeText({ frozenSeconds, ownSeconds, steps }: CutoverReport): string {
  const each = steps.map(({ step, seconds }) => `${step} ${seconds.toFixed(2)}`).join(', ');
  return `frozen for ${frozenSeconds.toFixed(2)} s, of which ours ${ownSeconds.toFixed(2)} s (${each})`;
}
