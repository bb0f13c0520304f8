/** What all commands share: options from the table, signals, results, errors and exit codes. */
import { Option, type Command } from 'commander';
import { pino, type Logger } from 'pino';
import pretty from 'pino-pretty';
import { SOURCE_ACCESS, TARGET_ACCESS } from '../config/access.js';
import { OPTIONS, parseOptions, type OptionName, type Options } from '../config/options.js';
import { LockstepError, passes, type Disposition } from '../errors.js';
import { ProgressLine } from '../status/progress.js';
import type { Output } from './output.js';
import { EXIT_INTERRUPTED, stopping } from './stopping.js';

/** Exit codes; docs/reference.md has the table. */
export const EXIT_DIFFERENT = 1;
const EXIT: Record<Disposition, number> = { usage: 2, retry: 3, reseed: 4, fatal: 5 };

export interface Context {
  /** Aborts when the command has to stop: see stopping.ts. */
  signal: AbortSignal;
  json: boolean;
  /** Nothing but SIGINT and SIGTERM aborts `signal` any more, whatever happens to the output. */
  mustGoOn: () => void;
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
  const { signal, stdout, stderr } = stopping;
  const progress = new ProgressLine(!json, stderr);
  const log = logger(json, progress, stderr);
  const release = stopping.heed((why) => {
    log.info(why);
  });
  const context: Context = {
    signal,
    json,
    mustGoOn: () => {
      stopping.mustGoOn();
    },
    log,
    progress,
    print: (object, text) => {
      progress.clear();
      stdout.write(`${json ? JSON.stringify(object) : text()}\n`);
    },
  };
  try {
    return endCode((await run(context)) ?? 0, json);
  } catch (error) {
    progress.end();
    return endCode(report(error, json), json);
  } finally {
    release();
  }
}

/**
 * The exit code of the process; tells what output was lost, if that can still be told.
 * @param own the code that the command came to
 */
export function endCode(own: number, json: boolean): number {
  if (stopping.lost) tell(stopping.lost, json);
  return stopping.exitCode(own);
}

function logger(json: boolean, progress: ProgressLine, stderr: Output): Logger {
  if (json) return pino({ base: null }, stderr);
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

/**
 * Once it was to stop, what another try may mend is nobody's trouble any more, and may be our own doing:
 * who waits for an answer is not let wait. What no other try mends is as wrong as before.
 */
function report(error: unknown, json: boolean): number {
  const stopped = stopping.signal.aborted;
  if (error instanceof LockstepError && !(stopped && passes(error))) {
    tell(error, json);
    return EXIT[error.disposition];
  }
  if (stopped) {
    stopping.stderr.write(
      'Stopped. Run the same command again: it goes on where it was, or begins anew.\n',
    );
    return EXIT_INTERRUPTED;
  }
  stopping.bug(error);
  return EXIT_INTERRUPTED;
}

/** `Error:` says what was wrong, `Try:` what to do. */
function tell({ code, message, hint, revision, disposition }: LockstepError, json: boolean): void {
  const text = json
    ? JSON.stringify({ error: { code, message, hint, revision, disposition } })
    : `Error: ${message} [${code}]${hint === undefined ? '' : `\nTry: ${hint}`}`;
  stopping.stderr.write(`${text}\n`);
}
