/** The log on stderr: what happens, each line with its date and its level. */
import type { Writable } from 'node:stream';
import { pino, stdTimeFunctions, type Logger } from 'pino';
import pretty from 'pino-pretty';

export type { Logger };

/**
 * @param level the least that is logged: `info`, `warn` or `error`
 * @param json one object a line, for machines
 */
export function logger(level: string, json: boolean, out: Writable): Logger {
  const options = {
    ...{ base: null, level, timestamp: stdTimeFunctions.isoTime },
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (json) return pino(options, out);
  const text = pretty({
    ...{ destination: out, sync: true, colorize: false },
    translateTime: "SYS:yyyy-mm-dd'T'HH:MM:ssp",
  });
  return pino(options, text);
}
