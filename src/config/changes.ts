/** What is different in options that are read again while a command runs, and what can be done about it. */
import { OPTIONS, type OptionName, type Options } from './options.js';

/** These may be changed while it runs. */
export const LIVE = [
  'maxRate',
  'auditEvery',
  'auditRate',
  'logLevel',
] as const satisfies OptionName[];

/** What such options are now; undefined: not given. */
export type LiveOptions = { [K in (typeof LIVE)[number]]?: Options[K] | undefined };

export interface Changes {
  /** What is to take effect: only what has changed. */
  live: LiveOptions;
  /** What only another start can change, in the order of their names. */
  needRestart: OptionName[];
}

/** Between what a command was given, and what it is given now. */
export function changesOf(before: Partial<Options>, now: Partial<Options>): Changes {
  const names = Object.keys({ ...before, ...now }).filter(
    (name) => name in OPTIONS,
  ) as OptionName[];
  // As text, for what is no plain object says there what it is (a URL).
  const differs = (name: OptionName) => JSON.stringify(before[name]) !== JSON.stringify(now[name]);
  const changed = names.filter(differs).sort();
  const isLive = (name: OptionName) => (LIVE as readonly OptionName[]).includes(name);
  const live = Object.fromEntries(changed.filter(isLive).map((name) => [name, now[name]]));
  return { live, needRestart: changed.filter((name) => !isLive(name)) };
}
