/** The command line that a report names: as it was typed, without secrets. */
import type { OptionSpec } from '../config/kinds.js';
import { flagOf, OPTIONS, type OptionName } from '../config/options.js';
import { withoutPasswords } from '../config/parse.js';
import { arrange } from './arrange.js';
import { quoted } from './typed.js';

/**
 * @param command that was typed
 * @param args what stands behind the program's name
 */
export function commandLine(command: string, args: readonly string[]): string {
  const { words } = arrange(args, [command]);
  return ['etcd-lockstep', ...words.map(shown).map(quoted)].join(' ');
}

/** Names of the variables that options may have been taken from. */
export function variablesSet(environment: NodeJS.ProcessEnv): string[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith('LOCKSTEP_'))
    .sort();
}

/** @param word a flag with its value behind a `=`, or what is no flag */
function shown(word: string): string {
  const [, flag = '', value = ''] = /^(--[\w-]+)=([^]*)$/.exec(word) ?? [];
  const name = (Object.keys(OPTIONS) as OptionName[]).find((one) => flagOf(one) === flag);
  if (!name) return withoutPasswords(word);
  const { kind, secret }: OptionSpec<unknown> = OPTIONS[name];
  if (kind === 'switch' && value === 'true') return flag;
  return secret ? `${flag}=${masked(name, value)}` : withoutPasswords(word);
}

/** Of `name:password` the name is told. */
function masked(name: OptionName, value: string): string {
  if (name !== 'user' && name !== 'destUser') return '…';
  const colon = value.indexOf(':');
  return colon < 0 ? value : `${value.slice(0, colon)}:…`;
}
