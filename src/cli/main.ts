#!/usr/bin/env node
/** etcd-lockstep: one thin file for each command; this one puts them together. */
import { Command, CommanderError } from 'commander';
import { ownVersion } from '../ownversion.js';
import { arrange } from './arrange.js';
import { endCode, errorsAsJson, EXIT_USAGE, tell } from './command.js';
import { addCommands, COMMAND_NAMES } from './commands.js';
import { guardProcess, stopping } from './stopping.js';
import { usageError } from './usage.js';

/** Connections that nobody waits for any more keep no command alive for longer. */
const ENDS_WITHIN_MS = 1000;

// Node's warnings to developers would stand between a user's lines: there is one for each TLS server
// that is dialled by its address instead of by a name.
process.noDeprecation = true;

guardProcess();

const program = new Command('etcd-lockstep')
  .description(
    'Moves prefixes of a live etcd into an etcd of their own, at the same revisions.\n\nThe order of work: plan, seed, follow, restore the base, audit, cutover, retire.',
  )
  .version(ownVersion(), '-V, --version', 'print the version')
  .helpCommand('help [command]', 'what a command does, and its flags')
  .configureOutput({
    writeOut: (text) => {
      stopping.stdout.write(text);
    },
    writeErr: (text) => {
      stopping.stderr.write(text);
    },
    // What is wrong is told below, as all errors are.
    outputError: () => undefined,
  })
  .configureHelp({ sortOptions: false, optionTerm: ({ flags }) => flags.replace(' [bool]', '') });

const { words, command, typed } = arrange(process.argv.slice(2), COMMAND_NAMES);
try {
  // All of them are loaded for the program's own help, and none for its version.
  if (command !== undefined || !words.some((word) => word === '--version' || word === '-V'))
    await addCommands(program, command);
  for (const one of [program, ...program.commands.flatMap((one) => [one, ...one.commands])])
    one.exitOverride();
  await program.parseAsync(words, { from: 'user' });
} catch (error) {
  process.exitCode = await endOf(error);
}
// A connection to a network that swallows everything cannot be taken back (wire/sockets.ts). All is
// written and closed by now, and where nothing is left to wait for, this does not wait either.
setTimeout(() => process.exit(), ENDS_WITHIN_MS).unref();

/** Help and version are no errors. */
async function endOf(error: unknown): Promise<number> {
  const json = await errorsAsJson(typed);
  if (!(error instanceof CommanderError)) {
    stopping.bug(error);
    return endCode(EXIT_USAGE, json);
  }
  if (error.exitCode === 0) return endCode(0, json);
  // Without a command commander has printed the help.
  if (error.code !== 'commander.help') tell(usageError(error, command), json);
  return endCode(EXIT_USAGE, json);
}
