/**
 * A view as another process tells it: looked at before it is believed. What a newer version adds is let
 * through; codes, states and names of steps may be ones that are not known here.
 */
import { z } from 'zod';
import type { ErrorCode } from '../errors.js';
import { STATES, type View, type Viewed } from './view.js';

const time = z.string().refine((text) => !Number.isNaN(Date.parse(text)), 'is no time');
const amount = z.number();
const code = z.custom<ErrorCode>((value) => typeof value === 'string');
const side = z.enum(['source', 'target', 'apiserver', 'this machine']).nullable();
const revision = z.number().int();

const audit = z.object({
  at: time,
  result: z.enum(['equal', 'different', 'failed']),
  revision: revision.nullable(),
  ...{ keys: amount, differences: amount, seconds: amount },
  file: z.string().nullable(),
  message: z.string().nullable(),
});

const step = z.object({
  ...{ name: z.string(), does: z.string() },
  state: z.enum(['to do', 'now', 'done', 'failed']),
  seconds: amount.nullable(),
});

const apiserver = z.object({
  apiserver: z.string(),
  from: z.enum(['source', 'target', 'unclear', 'neither', 'does not answer']),
  why: z.string().exactOptional(),
  moved: z.boolean(),
});

const night = z.object({
  steps: z.array(step),
  waitsFor: z.string().nullable(),
  ifAborted: z.string().nullable(),
  frozenAt: time.nullable(),
  thawedAt: time.nullable(),
  fence: z.object({ source: revision, target: revision, ahead: amount, margin: amount }).nullable(),
  apiservers: z.array(apiserver),
  exact: revision.nullable(),
  alarms: z.array(z.string()),
});

const whole = z.object({
  command: z.enum(Object.keys(STATES) as Viewed[]),
  ...{ version: z.string(), startedAt: time, at: time },
  ...{ state: z.string(), sentence: z.string(), ready: z.boolean() },
  mood: z.enum(['well', 'working', 'trouble']),
  prefixes: z.array(z.string()),
  clusters: z.object({ source: z.string().nullable(), target: z.string().nullable() }),
  heads: z.object({ source: revision.nullable(), target: revision.nullable() }),
  lag: z.object({ revisions: amount, seconds: amount }).nullable(),
  wrote: z
    .object({
      ...{ revisions: amount, fillers: amount, bytes: amount },
      ...{ puts: amount.nullable(), deletions: amount.nullable() },
    })
    .nullable(),
  way: z
    .object({
      ...{ by: z.enum(['transactions', 'proposals']), where: z.string().nullable() },
      why: z.object({ code, message: z.string(), hint: z.string().nullable() }).nullable(),
    })
    .nullable(),
  // Older ones have none.
  throttle: z
    .object({
      ...{ maxRate: amount.nullable(), nowRate: amount.nullable() },
      ...{ because: z.string().nullable(), holds: z.boolean() },
    })
    .nullable()
    .default(null),
  // An older version's has none.
  active: z.boolean().nullable().default(null),
  progress: z.object({ share: amount.nullable(), text: z.string() }).nullable(),
  // Likewise.
  wayBack: z
    .object({
      ...{ exact: revision.nullable(), position: revision.nullable(), margin: amount.nullable() },
      lateWrites: z.object({ count: amount, replaced: amount, open: amount }),
      lateSeenSeconds: amount.nullable(),
    })
    .nullable()
    .default(null),
  journal: z.object({ revision, bytes: amount, freeBytes: amount.nullable() }).nullable(),
  compaction: z
    .object({
      ...{ revision, movedAt: time.nullable() },
      ...{ keepsSeconds: amount.nullable(), leftSeconds: amount.nullable() },
    })
    .nullable(),
  leases: z.object({ kept: amount, missed: amount, endsInSeconds: amount.nullable() }).nullable(),
  retries: z.array(z.object({ code, side, count: amount })),
  trouble: z
    .object({ code, message: z.string(), hint: z.string().nullable(), since: time })
    .nullable(),
  events: z.array(
    z.object({ at: time, level: z.enum(['info', 'warn', 'error']), text: z.string() }),
  ),
  audits: z.array(audit),
  auditing: z.object({ since: time, share: amount.nullable(), differences: amount }).nullable(),
  night: night.nullable(),
  next: z.object({ text: z.string(), command: z.string().nullable() }),
}) satisfies z.ZodType<View>;

/** @returns undefined for what is no view */
export function parseView(text: string): View | undefined {
  try {
    return whole.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
