/** Command lines that stand in texts, read by the command line itself; nothing is run. */
import { Command, CommanderError, type Option } from 'commander';
import { arrange } from '../../src/cli/arrange.js';
import { addCommands } from '../../src/cli/commands.js';
import { parseConfig } from '../../src/config/configfile.js';
import { flagOf, OPTIONS, type OptionName } from '../../src/config/options.js';
import { parseOptions } from '../../src/config/parse.js';
import { LockstepError } from '../../src/errors.js';

const program = new Command('etcd-lockstep');
await addCommands(program, undefined);
const quiet = { writeOut: () => undefined, writeErr: () => undefined };
for (const command of [program, ...program.commands.flatMap((one) => [one, ...one.commands])])
  command
    .exitOverride()
    .configureOutput(quiet)
    .action(() => undefined);

export const COMMANDS: readonly Command[] = program.commands;

export interface Given {
  /** What is exported where it stands. */
  env?: Record<string, string>;
  /** Config files that lie there: their text, by name. */
  files?: Record<string, string>;
  /** Part of a command line: what is missing may be understood. */
  partly?: boolean;
}

/**
 * @param args without `etcd-lockstep`
 * @returns what the command line would say to it; undefined: it would go on
 */
export function complaint(
  args: readonly string[],
  { env = {}, files = {}, partly = false }: Given = {},
): string | undefined {
  const names = COMMANDS.map((one) => one.name());
  const { words, command: name, typed } = arrange(args, names);
  const outer = COMMANDS.find((one) => one.name() === name);
  const command = outer?.commands.find((one) => args.includes(one.name())) ?? outer;
  if (!command) return `no command is called ${name ?? ''}`;
  try {
    program.parse(words, { from: 'user' });
    const taken = command.options.map(nameOf).filter((one) => one !== undefined);
    const needed = partly ? [] : taken.filter((one) => isRequired(command, one));
    const path = typed.config?.at(-1) ?? '';
    const text = files[path];
    const file =
      text === undefined ? undefined : { path, sha256: '', ...parseConfig(text, path, env) };
    parseOptions(typed, env, needed, taken, file);
  } catch (error) {
    if (partly && error instanceof CommanderError && error.code === 'commander.missingArgument')
      return undefined;
    if (error instanceof CommanderError || error instanceof LockstepError) return error.message;
    throw error;
  }
  const [first] = command.args;
  const argument = command.registeredArguments[0];
  const oneOf = argument?.name() === 'action' ? argument.description.split(/, | or /) : undefined;
  return first !== undefined && oneOf && !oneOf.includes(first) ? `no ${first}` : undefined;
}

function nameOf({ long }: Option): OptionName | undefined {
  return (Object.keys(OPTIONS) as OptionName[]).find((name) => flagOf(name) === long);
}

function isRequired(command: Command, name: OptionName): boolean {
  const option = command.options.find((one) => nameOf(one) === name);
  return option?.description.endsWith('(required)') ?? false;
}
