/**
 * The command line as users of etcdctl type it, made into what commander expects: the command first,
 * and each value behind a `=`.
 *
 *     -w json audit --history --prefix /a/   ─►   audit --write-out=json --history=true --prefix=/a/
 *
 * Flags may stand before the command, where only the table of options tells which of them take the next
 * word. A switch may have `=false` behind it, but never takes the next word.
 */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { OptionSpec } from '../config/kinds.js';
import { flagOf, OPTIONS, type OptionName } from '../config/options.js';
import type { Typed } from '../config/parse.js';

interface Arranged {
  /** For commander. */
  words: string[];
  /** What stands where a command belongs. */
  command: string | undefined;
  /** What the options were given, for who has to know before commander. */
  typed: Typed;
}

/** The tokens of a line, as node tells them apart. */
type ArgToken = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number];

const NAMES = Object.keys(OPTIONS) as OptionName[];
const SPECS = new Map<string, OptionSpec<unknown>>(
  NAMES.map((name) => [flagOf(name).slice(2), OPTIONS[name]]),
);

/** What node has to know to tell them apart. */
const TAKES: NonNullable<ParseArgsConfig['options']> = {
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'V' },
  ...Object.fromEntries(
    [...SPECS].map(([flag, { kind, short }]) => [
      flag,
      { type: kind === 'switch' ? 'boolean' : 'string', ...(short ? { short } : {}) },
    ]),
  ),
};

/** @param args what stands behind the program's name */
export function arrange(args: readonly string[], commands: readonly string[]): Arranged {
  const { tokens } = parseArgs({
    ...{ args: [...args], options: TAKES, strict: false, allowPositionals: true, tokens: true },
  });
  const positionals = tokens.filter((token) => token.kind === 'positional');
  const first = positionals[0];
  // What follows an unknown flag may be its value.
  const known = positionals.find(({ value }) => commands.includes(value));
  const command = tokens.some((token) => isUnknown(token) && isBefore(token, first))
    ? known
    : first;
  const rest = tokens.filter((token) => token !== command).map(word);
  const typed = typedIn(tokens);
  if (!command) return { command: undefined, words: rest, typed };
  const name = command.value;
  if (name === 'help') return arrange([...rest, '--help'], commands);
  if (name === 'version') return { command: undefined, words: ['--version'], typed };
  // Asked for the help of a command that is not there, commander would give the program's.
  const isThere = commands.includes(name);
  return { command: name, words: isThere ? [name, ...rest] : [name], typed };
}

function typedIn(tokens: readonly ArgToken[]): Typed {
  const typed: Partial<Record<OptionName, string[]>> = {};
  for (const token of tokens) {
    if (token.kind !== 'option' || token.value === undefined) continue;
    const name = NAMES.find((name) => flagOf(name) === `--${token.name}`);
    if (name) (typed[name] ??= []).push(token.value);
  }
  return typed;
}

function isUnknown(token: ArgToken): boolean {
  return token.kind === 'option' && !(token.name in TAKES);
}

function isBefore(token: ArgToken, other: ArgToken | undefined): boolean {
  return other !== undefined && token.index < other.index;
}

function word(token: ArgToken): string {
  if (token.kind === 'positional') return token.value;
  if (token.kind === 'option-terminator') return '--';
  const { name, rawName, value, inlineValue } = token;
  const spec = SPECS.get(name);
  // What stands behind a flag that is misspelt may be a password; it is not for the message.
  if (!spec) return rawName;
  if (spec.kind === 'switch') return `--${name}=${inlineValue ? value : 'true'}`;
  return value === undefined ? `--${name}` : `--${name}=${value}`;
}
