#!/usr/bin/env node
/** etcd-lockstep: one thin file for each command; this one puts them together. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addCommands } from './commands.js';
import { endCode } from './command.js';
import { guardProcess, stopping } from './stopping.js';

const EXIT_USAGE = 2;
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
  .version(version())
  .showHelpAfterError('Try: --help says more.')
  .configureOutput({
    writeOut: (text) => {
      stopping.stdout.write(text);
    },
    writeErr: (text) => {
      stopping.stderr.write(text);
    },
    outputError: (text, write) => {
      write(text.replace(/^error: /, 'Error: ').replace('\n(', ' ('));
    },
  })
  .configureHelp({ sortOptions: false });

try {
  await addCommands(program, process.argv[2]);
  program.commands.forEach((command) => command.exitOverride());
  program.exitOverride();
  await program.parseAsync();
} catch (error) {
  // commander has printed its own message; help and version are no errors.
  const code = (error as { exitCode?: number }).exitCode;
  if (code === undefined) stopping.bug(error);
  process.exitCode = endCode(code === 0 ? 0 : EXIT_USAGE, false);
}
// A connection to a network that swallows everything cannot be taken back (wire/sockets.ts). All is
// written and closed by now, and where nothing is left to wait for, this does not wait either.
setTimeout(() => process.exit(), ENDS_WITHIN_MS).unref();

function version(): string {
  // Two levels up from src/cli when run from sources, three from dist/src/cli.
  for (const up of ['../../', '../../../']) {
    try {
      const text = readFileSync(new URL(`${up}package.json`, import.meta.url), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}
