/** Commands that are printed to be typed: quoted for the shell, with what this one was given. */
import { PEERS } from '../config/access.js';
import {
  flagOf,
  optionOf,
  type OptionName,
  type Options,
  type SideOption,
} from '../config/options.js';
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

/** Endpoints, certificates and user of a side that were given. */
export function sideFlags(side: 'source' | 'target', options: Partial<Options>): string {
  const given = (name: SideOption) =>
    options[optionOf(side, name)] as Options[SideOption] | undefined;
  return SHOWN.flatMap((name) => {
    const value = given(name);
    if (value === undefined) return [];
    const text = typeof value === 'string' ? value : value.join(',');
    // A password may stand behind the name, where it is given nowhere else.
    const inline = name === 'user' && !given('password') && !given('passwordFile');
    return [flag(optionOf(side, name), inline ? (text.split(':')[0] ?? '') : text)];
  }).join(' ');
}

/** The same of the target with its peer ports, for what writes by proposals where that was asked for. */
export function writerFlags(options: Partial<Options>): string {
  const peers = PEERS.flatMap((name) => {
    const value = options[name];
    if (value === undefined) return [];
    return [flag(name, typeof value === 'string' ? value : value.join(','))];
  });
  return [sideFlags('target', options), ...peers].join(' ');
}

export function prefixFlags(prefixes: readonly string[]): string {
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
