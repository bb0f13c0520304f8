/** Commands that are printed to be typed: quoted for the shell, with what this one was given. */
import { PEERS } from '../config/access.js';
import {
  flagOf,
  optionOf,
  type OptionName,
  type Options,
  type SideOption,
} from '../config/options.js';
import type { FromFile } from '../config/parse.js';
import { quotePrefix } from '../config/prefixlist.js';

/** How to reach a side again, without any secret. */
const SHOWN = ['endpoints', 'cacert', 'cert', 'key', 'user', 'passwordFile'] as const;

/** A word as the shell has to get it. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

export function flag(name: OptionName, value: string): string {
  return `${flagOf(name)} ${quoted(value)}`;
}

/** What a command was given that is to be given to the next one. */
export type Again = Partial<Options> & {
  fromFile?: Pick<FromFile, 'path' | 'migration' | 'names'>;
};

/**
 * The next command: what its config file gives is not said once more.
 * @param parts flags; empty ones do not count
 */
export function commandAgain(name: string, options: Again, ...parts: string[]): string {
  return joined(['etcd-lockstep', name, flagsOf(options, ...parts)]);
}

/** Its flags alone, the file before the others. */
export function flagsOf({ fromFile }: Again, ...parts: string[]): string {
  if (!fromFile) return joined(parts);
  const { path, migration } = fromFile;
  const which = migration === undefined ? '' : flag('migration', migration);
  return joined([`-f ${quoted(path)}`, which, ...parts]);
}

function joined(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}

/** Empty for what the config file gives. */
export function flagAgain({ fromFile }: Again, name: OptionName, value: string): string {
  return fromFile?.names.has(name) ? '' : flag(name, value);
}

/** Endpoints, certificates and user of a side that were given. */
export function sideFlags(side: 'source' | 'target', options: Again): string {
  const given = (name: SideOption) =>
    options[optionOf(side, name)] as Options[SideOption] | undefined;
  const flags = SHOWN.flatMap((name) => {
    const value = given(name);
    if (value === undefined) return [];
    const text = typeof value === 'string' ? value : value.join(',');
    // A password may stand behind the name, where it is given nowhere else.
    const inline = name === 'user' && !given('password') && !given('passwordFile');
    const shown = inline ? (text.split(':')[0] ?? '') : text;
    return [flagAgain(options, optionOf(side, name), shown)];
  });
  return joined(flags);
}

/** The same of the target with its peer ports, for what writes by proposals where that was asked for. */
export function writerFlags(options: Again): string {
  const peers = PEERS.flatMap((name) => {
    const value = options[name];
    if (value === undefined) return [];
    return [flagAgain(options, name, typeof value === 'string' ? value : value.join(','))];
  });
  return joined([sideFlags('target', options), ...peers]);
}

export function prefixFlags(prefixes: readonly string[], options: Again = {}): string {
  if (options.fromFile?.names.has('prefix')) return '';
  return prefixes.map((prefix) => flag('prefix', quotePrefix(prefix))).join(' ');
}

/** What is called after what is moved: members, files. Of several prefixes the first counts. */
export function nameFor([first = '']: readonly string[]): string {
  const folder =
    first
      .split('/')
      .filter((part) => part !== '')
      .at(-1) ?? '';
  const name = folder.replaceAll(/[^\w.-]+/g, '-').replace(/^[-.]+/, '');
  return name === '' ? 'target' : name;
}
