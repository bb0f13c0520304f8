/** The command line that a report names: as it was typed, without secrets. */
import type { OptionSpec } from '../config/kinds.js';
import { flagOf, OPTIONS, type OptionName } from '../config/options.js';
import { withoutPasswords, type FromFile } from '../config/parse.js';
import { shownValue } from '../config/shown.js';
import { arrange } from './arrange.js';
import { quoted } from './typed.js';

/**
 * @param command that was typed
 * @param args what stands behind the program's name
 * @param config is named behind it, as a comment of the shell
 */
export function commandLine(command: string, args: readonly string[], config?: FromFile): string {
  const { words } = arrange(args, [command]);
  const behind = config ? [comment(config)] : [];
  return ['etcd-lockstep', ...words.map(shown).map(quoted), ...behind].join(' ');
}

function comment({ path, migration, sha256 }: FromFile): string {
  const which = migration === undefined ? '' : `, migration ${migration}`;
  return `# config ${quoted(path)}${which}, sha256 ${sha256}`;
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
  const { kind }: OptionSpec<unknown> = OPTIONS[name];
  if (kind === 'switch' && value === 'true') return flag;
  return `${flag}=${shownValue(name, value)}`;
}
