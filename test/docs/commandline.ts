/** Command lines that stand in texts, read by the command line itself; nothing is run. */
import { Command, CommanderError } from 'commander';
import { addCommands } from '../../src/cli/commands.js';
import { parseOptions, type OptionName } from '../../src/config/options.js';
import { LockstepError } from '../../src/errors.js';

const program = new Command('etcd-lockstep');
await addCommands(program, undefined);
const quiet = { writeOut: () => undefined, writeErr: () => undefined };
for (const command of [program, ...program.commands])
  command
    .exitOverride()
    .configureOutput(quiet)
    .action(() => undefined);

export const COMMANDS: readonly Command[] = program.commands;

export interface Given {
  /** What is exported where it stands. */
  env?: Record<string, string>;
  /** Part of a command line: what is missing may be understood. */
  partly?: boolean;
}

/**
 * @param args without `etcd-lockstep`
 * @returns what the command line would say to it; undefined: it would go on
 */
export function complaint(
  args: readonly string[],
  { env = {}, partly = false }: Given = {},
): string | undefined {
  const command = COMMANDS.find((one) => one.name() === args[0]);
  if (!command) return `no command is called ${args[0] ?? ''}`;
  try {
    withEnv(env, () => program.parse([...args], { from: 'user' }));
    const missing = partly ? [] : missingIn(command);
    if (missing.length > 0) return `${missing.join(', ')} missing`;
    parseOptions(command.opts(), [], Object.keys(command.opts()) as OptionName[]);
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

function missingIn(command: Command): string[] {
  return command.options
    .filter(({ description }) => description.endsWith('(required)'))
    .filter((option) => command.getOptionValue(option.attributeName()) === undefined)
    .map(({ long }) => long ?? '');
}

function withEnv(env: Record<string, string>, run: () => void): void {
  const before = { ...process.env };
  Object.assign(process.env, env);
  try {
    run();
  } finally {
    process.env = before;
  }
}
