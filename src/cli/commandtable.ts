/** All commands with their flags, as data: what completions and the manual page are made of. */
import { Command } from 'commander';
import type { OptionSpec } from '../config/kinds.js';
import { flagOf, OPTIONS, placeOf, type OptionName } from '../config/options.js';
import { MIGRATIONS } from '../config/places.js';
import { addCommands } from './commands.js';

/**
 * What may stand where a value belongs; `any`: nothing that could be offered; `config`: what the config file
 * that stands on the line has at this place (`config get`).
 */
export type Offered =
  | 'any'
  | 'files'
  | 'folders'
  | readonly string[]
  | { config: string }
  | { wordsOrFiles: readonly string[] };

/** What is chosen from the things of a migration. Addresses are not among them: bash cuts words at a colon. */
const FROM_CONFIG: readonly OptionName[] = ['prefix', 'resource'];

export interface ListedOption {
  /** `--until-revision` */
  flag: string;
  /** `w`, of `-w` */
  short: string | undefined;
  /** What stands for its value in help; undefined for a switch. */
  value: string | undefined;
  /** With its default and its variable. */
  help: string;
  offered: Offered;
}

export interface ListedCommand {
  /** `follow`, or `audit verify` */
  name: string;
  help: string;
  argument: { name: string; help: string; offered: Offered } | undefined;
  options: ListedOption[];
}

/** In the order in which they are used; an action of a command behind that one. */
export async function listCommands(): Promise<ListedCommand[]> {
  const program = new Command('etcd-lockstep');
  await addCommands(program, undefined);
  return program.commands.flatMap((command) => [
    listed(command, command.name()),
    ...command.commands.map((action) => listed(action, `${command.name()} ${action.name()}`)),
  ]);
}

function listed(command: Command, name: string): ListedCommand {
  const [argument] = command.registeredArguments;
  return {
    ...{ name, help: command.description() },
    argument: argument && {
      ...{ name: argument.name(), help: argument.description },
      offered: offeredFor(argument.name(), argument.description),
    },
    options: command.options.flatMap(({ long, description }) => {
      const option = (Object.keys(OPTIONS) as OptionName[]).find((one) => flagOf(one) === long);
      return option ? [listedOption(option, description)] : [];
    }),
  };
}

function listedOption(name: OptionName, help: string): ListedOption {
  const { kind, short, value, choices }: OptionSpec<unknown> = OPTIONS[name];
  const names = kind === 'file' ? 'files' : kind === 'folder' ? 'folders' : 'any';
  const config = name === 'migration' ? MIGRATIONS : placeInConfig(name);
  const words = choices && (kind === 'file' ? { wordsOrFiles: choices } : choices);
  const offered = words ?? (config === undefined ? names : { config });
  return { flag: flagOf(name), short, value: kind === 'switch' ? undefined : value, help, offered };
}

function placeInConfig(name: OptionName): string | undefined {
  return FROM_CONFIG.includes(name) ? placeOf(name) : undefined;
}

/** An action, or a shell, is one of those that its help names. */
function offeredFor(name: string, help: string): Offered {
  if (name === 'action' || name === 'shell') return help.split(/, | or /);
  return name === 'file' || name === 'snapshot' ? 'files' : 'any';
}
