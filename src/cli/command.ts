/** What all commands share: options from the table, signals, results, errors and exit codes. */
import { Option, type Command } from 'commander';
import { pino, type Logger } from 'pino';
import pretty from 'pino-pretty';
import { SOURCE_ACCESS, TARGET_ACCESS } from '../config/access.js';
import { OPTIONS, parseOptions, type OptionName, type Options } from '../config/options.js';
import { LockstepError, type Disposition } from '../errors.js';
import { ProgressLine } from '../status/progress.js';
import { stopping } from './stopping.js';

/** Exit codes; docs/reference.md has the table. */
export const EXIT_DIFFERENT = 1;
const EXIT: Record<Disposition, number> = { usage: 2, retry: 3, reseed: 4, fatal: 5 };
const EXIT_BUG = 70;
/** Ended by a signal before it was done. */
export const EXIT_INTERRUPTED = 130;

export interface Context {
  /** Aborts when the command has to stop: see stopping.ts. */
  signal: AbortSignal;
  json: boolean;
  log: Logger;
  progress: ProgressLine;
  /** The result, to stdout: the object with `-w json`, else the text. */
  print: (object: object, text: () => string) => void;
}

export interface CommandSpec<R extends OptionName, O extends OptionName> {
  name: string;
  description: string;
  /** Name and help of the one argument, if there is one. */
  argument?: [string, string];
  required: readonly R[];
  optional: readonly O[];
  /** What `--help` ends with. */
  example: string;
  /** @returns the exit code; undefined for 0 */
  run: (
    options: Pick<Options, R> & Partial<Pick<Options, O>>,
    context: Context,
    argument: string,
  ) => Promise<number | undefined>;
}

export function register<R extends OptionName, O extends OptionName>(
  program: Command,
  spec: CommandSpec<R, O>,
): void {
  const command = program.command(spec.name).description(spec.description);
  if (spec.argument) command.argument(`<${spec.argument[0]}>`, spec.argument[1]);
  for (const name of [...spec.required, ...spec.optional, 'writeOut'] as const)
    command.addOption(toOption(name, (spec.required as readonly OptionName[]).includes(name)));
  command.addHelpText('after', `\nExample:\n  ${spec.example}`);
  command.action(async (first: unknown) => {
    const argument = spec.argument ? String(first) : '';
    const json = command.opts()['writeOut'] === 'json';
    process.exitCode = await guarded(json, async (context) => {
      const { writeOut: _, ...options } = parseOptions(rawOptions(command), spec.required, [
        ...spec.optional,
        'writeOut',
      ]);
      return spec.run(options as Parameters<typeof spec.run>[0], context, argument);
    });
  });
}

/** commander takes any value of a switch's variable for true; so variables are read as they stand. */
function rawOptions(command: Command): Record<string, unknown> {
  const raw: Record<string, unknown> = { ...command.opts() };
  for (const name of Object.keys(raw) as OptionName[])
    if (command.getOptionValueSource(name) === 'env') raw[name] = process.env[OPTIONS[name].env];
  return raw;
}

function toOption(name: OptionName, required: boolean): Option {
  const { flag, env, help, default: fallback } = OPTIONS[name];
  const needed = required && fallback === undefined;
  const option = new Option(flag, needed ? `${help} (required)` : help).env(env);
  // --no-dest-prefix is a switch of its own, not what turns off --dest-prefix.
  option.negate = false;
  if (isOneOf(SOURCE_ACCESS, name)) option.helpGroup('Access to the source:');
  if (isOneOf(TARGET_ACCESS, name)) option.helpGroup('Access to the target:');
  return fallback === undefined ? option : option.default(fallback);
}

function isOneOf(names: readonly OptionName[], name: OptionName): boolean {
  return names.includes(name);
}

async function guarded(
  json: boolean,
  run: (context: Context) => Promise<number | undefined>,
): Promise<number> {
  const progress = new ProgressLine(!json);
  const { signal, onError, release } = stopping(
    (name) => {
      log.info(`${name}: stopping after what is under way (Ctrl-C once more: at once)`);
    },
    () => process.exit(EXIT_INTERRUPTED),
  );
  const log = logger(json, progress, onError);
  try {
    const print: Context['print'] = (object, text) => {
      progress.clear();
      process.stdout.write(`${json ? JSON.stringify(object) : text()}\n`);
    };
    return (await run({ signal, json, log, progress, print })) ?? 0;
  } catch (error) {
    progress.end();
    return report(error, json, signal.aborted);
  } finally {
    release();
  }
}

function logger(json: boolean, progress: ProgressLine, onError: (error: Error) => void): Logger {
  if (json) {
    const stderr = pino.destination({ dest: 2, sync: true });
    stderr.on('error', onError);
    return pino({ base: null }, stderr);
  }
  return pino(
    { base: null },
    pretty({
      destination: progress.stream(),
      sync: true,
      translateTime: 'SYS:HH:MM:ss',
      colorize: false,
    }),
  );
}

/** `Error:` says what was wrong, `Try:` what to do. */
function report(error: unknown, json: boolean, interrupted: boolean): number {
  if (interrupted && !(error instanceof LockstepError)) {
    process.stderr.write(
      'Stopped. Run the same command again: it goes on where it was, or begins anew.\n',
    );
    return EXIT_INTERRUPTED;
  }
  if (!(error instanceof LockstepError)) {
    process.stderr.write(
      `Error: ${error instanceof Error ? (error.stack ?? '') : String(error)}\n`,
    );
    process.stderr.write(
      'Try: this is a bug in etcd-lockstep; please report it with the lines above.\n',
    );
    return EXIT_BUG;
  }
  const { code, message, hint, revision, disposition } = error;
  if (json) {
    process.stderr.write(
      `${JSON.stringify({ error: { code, message, hint, revision, disposition } })}\n`,
    );
  } else {
    process.stderr.write(`Error: ${message} [${code}]\n`);
    if (hint !== undefined) process.stderr.write(`Try: ${hint}\n`);
  }
  return EXIT[disposition];
}
