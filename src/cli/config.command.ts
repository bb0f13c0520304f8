/** etcd-lockstep config */
import { Command } from 'commander';
import {
  checkConfig,
  type CheckedCommand,
  type CheckedOption,
  type ConfigCheck,
} from '../config/check.js';
import { readConfig, type Taken } from '../config/load.js';
import type { ConfigFile } from '../config/configfile.js';
import { oneMigration } from '../config/migrations.js';
import type { OptionName } from '../config/options.js';
import { badArgument } from '../errors.js';
import { table } from '../text.js';
import { COMMON, register, takenBy } from './command.js';
import { addCommands } from './commands.js';
import { configGetCommand } from './configget.command.js';

/** No command that needs anything has all of it. */
const EXIT_NOTHING_RUNS = 1;

export function configCommand(program: Command): void {
  const config = register(program, {
    name: 'config',
    description:
      'Check a config file: what each command would use, from where, and what it lacks. Asks nobody, changes nothing.',
    argument: ['action', 'check'],
    required: ['config'],
    optional: ['migration'],
    example: 'etcd-lockstep config check -f pods.yaml',
    run: async ({ config: path, migration }, { print }, action) => {
      if (action !== 'check')
        throw badArgument(`config ${action}: no such action`, 'It is check, or get.');
      const file = await readConfig(path, process.env);
      const commands = await everyCommand();
      const every = [...file.migrations.keys()];
      const names = migration !== undefined || every.length === 0 ? [migration] : every;
      // What is wrong with one of them is told before anything is said of the others.
      const checked: { one: ConfigFile; check: ConfigCheck }[] = [];
      for (const name of names) {
        const one = oneMigration(file, name, []);
        checked.push({ one, check: await checkConfig(one, process.env, commands) });
      }
      let allReady = true;
      for (const { one, check } of checked) {
        const ready = canAnyRun(commands, check);
        allReady &&= ready;
        const of = { path, sha256: file.sha256, migration: one.migration ?? null };
        const gap = one === checked[0]?.one ? '' : '\n';
        print({ config: { ...of, ready, ...check } }, () => gap + checkText(of, ready, check));
      }
      return allReady ? 0 : EXIT_NOTHING_RUNS;
    },
  });
  configGetCommand(config);
}

/** Of those that need anything: the others always can. */
function canAnyRun(
  commands: readonly (Taken & { command: string })[],
  check: ConfigCheck,
): boolean {
  const demanding = commands.filter(({ required }) => required.length > 0);
  return demanding.some(({ command }) =>
    check.commands.some((one) => one.command === command && one.ready),
  );
}

/** Those that take more than what says how a command talks. */
async function everyCommand(): Promise<(Taken & { command: string })[]> {
  const program = new Command();
  await addCommands(program, undefined);
  return program.commands.flatMap((command) => {
    const taken = takenBy(command);
    const own = [...(taken?.required ?? []), ...(taken?.optional ?? [])].filter(
      (name) => !(COMMON as readonly OptionName[]).includes(name),
    );
    return taken && own.length > 0 ? [{ ...taken, command: command.name() }] : [];
  });
}

/** For people; docs/reference.md shows it. */
export function checkText(
  { path, migration }: { path: string; migration: string | null },
  ready: boolean,
  { options, commands, unreadable }: ConfigCheck,
): string {
  const rows = options.map((one) => [
    one.flag,
    one.value,
    origin(path, one),
    one.commands.length === commands.length ? 'all' : one.commands.join(' '),
  ]);
  return [
    `${ready ? 'RIGHT' : 'RIGHT, BUT TOO LITTLE FOR ANY COMMAND'}: ${path}${migration === null ? '' : `, migration ${migration}`}`,
    table([['', 'value', 'from', 'used by'], ...rows]),
    '',
    ...commands.map(readyLine),
    ...(unreadable.length > 0 ? ['', 'Not readable here, by this user:'] : []),
    ...unreadable.map((one) => `  ${one}`),
  ].join('\n');
}

function origin(path: string, { line, place, variable }: CheckedOption): string {
  if (line !== null) return `${path}:${line} ${place ?? ''}`;
  return variable ?? 'default';
}

function readyLine({ command, missing }: CheckedCommand): string {
  const lacks = missing.map(({ flag, place }) => (place === null ? flag : `${place} (${flag})`));
  return `  ${command.padEnd(9)} ${lacks.length === 0 ? 'has what it needs' : `lacks ${lacks.join(', ')}`}`;
}
