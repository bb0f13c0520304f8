/** What a running command lets be asked and changed, as server and client of its control socket know it. */
import { z } from 'zod';
import { OPTIONS, type Options } from '../config/options.js';

export type LogLevel = Options['logLevel'];

/** Of the command that runs. */
export interface Controls {
  /** As `-w json` prints it, and as its line has it; undefined before there is one. */
  status: () => StatusAnswer | undefined;
  /** @param maxRate revisions a second; null: as many as go */
  throttle: (maxRate: number | null) => ThrottleAnswer;
  audit: () => AuditAnswer;
  logLevel: (level: LogLevel) => LogLevelAnswer;
  stop: () => StopAnswer;
}

export const statusAnswer = z.object({ line: z.string(), status: z.looseObject({}) });
export const throttleAnswer = z.object({
  maxRate: z.number().nullable(),
  before: z.number().nullable(),
});
export const auditAnswer = z.object({ state: z.string(), reports: z.string() });
export const logLevelAnswer = z.object({ level: z.string(), before: z.string() });
export const stopAnswer = z.object({ stopping: z.literal(true) });

export type StatusAnswer = z.output<typeof statusAnswer>;
export type ThrottleAnswer = z.output<typeof throttleAnswer>;
export type AuditAnswer = z.output<typeof auditAnswer>;
export type LogLevelAnswer = z.output<typeof logLevelAnswer>;
export type StopAnswer = z.output<typeof stopAnswer>;

/** How a refusal is told. */
export const refusal = z.object({
  error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }),
});

const RATE = 'must be a whole number from 1 to 1000000, or null';

/** As the flags take them, so that nothing can be set here that could not be given there. */
export const throttleRequest = z.strictObject({
  maxRate: z
    .number(RATE)
    .refine((rate) => OPTIONS.maxRate.schema.safeParse(String(rate)).success, RATE)
    .nullable(),
});
export const logLevelRequest = z.strictObject({ level: OPTIONS.logLevel.schema });
export const nothing = z.strictObject({});
