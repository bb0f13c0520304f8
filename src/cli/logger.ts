/** The log on stderr: what happens, each line with its date and its level. */
import type { Writable } from 'node:stream';
import { pino, stdTimeFunctions, type Logger, type LoggerOptions } from 'pino';
import pretty from 'pino-pretty';

export type { Logger };

/** As pino counts them. */
const LEVELS: Partial<Record<number, Level>> = { 30: 'info', 40: 'warn', 50: 'error' };

type Level = 'info' | 'warn' | 'error';

/** Hears of each line that is logged. */
type OnLine = (level: Level, text: string) => void;

/**
 * @param level the least that is logged: `info`, `warn` or `error`
 * @param json one object a line, for machines
 */
export function logger(level: string, json: boolean, out: Writable, onLine?: OnLine): Logger {
  const options: LoggerOptions = {
    ...{ base: null, level, timestamp: stdTimeFunctions.isoTime },
    formatters: { level: (label: string) => ({ level: label }) },
    hooks: {
      logMethod(args, method, of) {
        const name = LEVELS[of];
        if (name) onLine?.(name, String(args[0]));
        method.apply(this, args);
      },
    },
  };
  if (json) return pino(options, out);
  const text = pretty({
    ...{ destination: out, sync: true, colorize: false },
    translateTime: "SYS:yyyy-mm-dd'T'HH:MM:ssp",
  });
  return pino(options, text);
}
