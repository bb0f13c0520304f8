/**
 * What the commands would use of a config file, of variables and of defaults. Asks nobody, and needs
 * nothing of what the file names to be there: it may be made for another machine.
 */
import { accessSync, constants } from 'node:fs';
import { LockstepError } from '../errors.js';
import { peersOf, sourceConnection, targetConnection } from './access.js';
import type { ConfigFile } from './configfile.js';
import type { OptionSpec } from './kinds.js';
import type { Taken } from './load.js';
import { flagOf, OPTIONS, placeOf, variableOf, type OptionName, type Options } from './options.js';
import { find, parse, parseOptions, type Found, type FromFile } from './parse.js';
import { shownValue } from './shown.js';

/** An option, and what it is given. */
export interface CheckedOption {
  /** `--audit-every` */
  flag: string;
  /** Its key in the file; null where it has none. */
  place: string | null;
  /** As it may be shown. */
  value: string;
  from: 'variable' | 'file' | 'default';
  /** Of the file; null where it does not come from there. */
  line: number | null;
  /** That it comes from; null where it does not. */
  variable: string | null;
  /** Those that use it so. */
  commands: string[];
}

/** Whether a command has all that it needs. */
export interface CheckedCommand {
  command: string;
  ready: boolean;
  missing: { flag: string; place: string | null }[];
}

export interface ConfigCheck {
  options: CheckedOption[];
  commands: CheckedCommand[];
  /** Files that the file names to be read, and that cannot be, here and by this user. */
  unreadable: string[];
}

interface CommandOptions extends Taken {
  command: string;
}

/** Files that a command makes. */
const MADE: readonly OptionName[] = ['out', 'report', 'writeConfig'];

/** @throws LockstepError BAD_CONFIG, BAD_ARGUMENT that has all that is not right */
export async function checkConfig(
  file: ConfigFile,
  environment: NodeJS.ProcessEnv,
  commands: readonly CommandOptions[],
): Promise<ConfigCheck> {
  const found = new Map<OptionName, Found>();
  const values: Partial<Record<OptionName, unknown>> = {};
  const faults: LockstepError[] = [];
  for (const name of Object.keys(OPTIONS) as OptionName[]) {
    if (name === 'config') continue;
    const one = find(name, {}, environment, file);
    if (!one) continue;
    found.set(name, one);
    try {
      values[name] = parse(name, one);
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      faults.push(error);
    }
  }
  const [first] = faults;
  if (first) throw first.as({ message: faults.map(({ message }) => message).join('\n  ') });
  const unreadable = [...found].flatMap(([name, { given, called }]) => {
    const [path = ''] = given;
    return isRead(name, path) && !canRead(path) ? [`${called} ${path}`] : [];
  });
  const { fromFile } = parseOptions({}, environment, [], [], file);
  await checkTogether({ ...(values as Partial<Options>), ...(fromFile ? { fromFile } : {}) });
  return {
    options: [...found].flatMap(([name, one]) => checkedOption(name, one, file, commands)),
    commands: commands.map((of) => checkedCommand(of, (name) => found.has(name))),
    unreadable,
  };
}

function isRead(name: OptionName, path: string): boolean {
  const { kind, choices = [] }: OptionSpec<unknown> = OPTIONS[name];
  return kind === 'file' && !MADE.includes(name) && !choices.includes(path);
}

function canRead(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** Values that are right alone, and not together. */
async function checkTogether(o: Partial<Options> & { fromFile?: FromFile }): Promise<void> {
  const notAsked = () => Promise.resolve('');
  const readable = (name: 'passwordFile' | 'destPasswordFile') => {
    const path = o[name];
    return path === undefined || canRead(path);
  };
  const { endpoints, destEndpoints } = o;
  if (endpoints && readable('passwordFile')) await sourceConnection({ ...o, endpoints }, notAsked);
  if (destEndpoints && readable('destPasswordFile'))
    await targetConnection({ ...o, destEndpoints }, notAsked);
  peersOf(o);
}

function checkedOption(
  name: OptionName,
  { from, shown }: Found,
  file: ConfigFile,
  commands: readonly CommandOptions[],
): CheckedOption[] {
  const users = commands.filter(
    ({ required, optional, notFromFile = [] }) =>
      [...required, ...optional].includes(name) && !(from === 'file' && notFromFile.includes(name)),
  );
  if (users.length === 0 || from === 'flag') return [];
  const value = from === 'file' ? file.values.get(name) : undefined;
  return [
    {
      flag: flagOf(name),
      place: value?.place ?? placeOf(name) ?? null,
      value: shown.map((one) => shownValue(name, one)).join(','),
      from,
      line: value?.line ?? null,
      variable: from === 'variable' ? variableOf(name) : null,
      commands: users.map(({ command }) => command),
    },
  ];
}

function checkedCommand(
  { command, required }: CommandOptions,
  has: (name: OptionName) => boolean,
): CheckedCommand {
  const missing = required
    .filter((name) => !has(name))
    .map((name) => ({ flag: flagOf(name), place: placeOf(name) ?? null }));
  return { command, ready: missing.length === 0, missing };
}
