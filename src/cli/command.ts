/** What all commands share: options from the table, signals, results, errors and exit codes. */
import { Option, type Command } from 'commander';
import type { OnNote } from '../async/patience.js';
import { SOURCE_ACCESS, TARGET_ACCESS } from '../config/access.js';
import type { OptionSpec } from '../config/kinds.js';
import { flagOf, OPTIONS, variableOf, type OptionName } from '../config/options.js';
import { loadConfig, loadOptions, type Taken } from '../config/load.js';
import { find, type Given, type Typed } from '../config/parse.js';
import {
  dispositionOf,
  LockstepError,
  passes,
  type Disposition,
  type ErrorCode,
} from '../errors.js';
import type { EndedBy } from '../hooks/events.js';
import type { Hooks } from '../hooks/hooks.js';
import { EventLog } from '../listen/eventlog.js';
import { logger, type Logger } from './logger.js';
import { ProgressLine } from './progressline.js';
import { EXIT_INTERRUPTED, EXIT_OUTPUT, stopping } from './stopping.js';

/** Exit codes; docs/reference.md has the table. */
export const EXIT_DIFFERENT = 1;
export const EXIT_USAGE = 2;
const EXIT: Record<Disposition, number> = {
  ...{ usage: EXIT_USAGE, retry: 3, reseed: 4, fatal: 5 },
  output: EXIT_OUTPUT,
};

/** What a command ends with that fails with this code. */
export function exitCodeOf(code: ErrorCode): number {
  return EXIT[dispositionOf(code)];
}

export interface Context {
  /** Aborts when the command has to stop: see stopping.ts. */
  signal: AbortSignal;
  json: boolean;
  /** What was logged last. */
  events: EventLog;
  /** How often work that goes on writes an object with `-w json`. */
  statusSeconds: number;
  /** How often it writes a line for people where there is no terminal. */
  lineSeconds: number;
  /** Nothing but SIGINT and SIGTERM aborts `signal` any more, whatever happens to the output. */
  mustGoOn: () => void;
  log: Logger;
  setLogLevel: (level: Talk['logLevel']) => void;
  /** Stops as a signal does; `why` is logged. */
  stop: (why: string) => void;
  /** From now on SIGHUP does this in place of stopping the command. */
  onHangup: (act: () => Promise<void>) => void;
  /** Logs what a user should know. */
  note: OnNote;
  progress: ProgressLine;
  /** The result, to stdout: the object with `-w json`, else the text. */
  print: (object: object, text: () => string) => void;
  /** Who is told of what happens; undefined: nobody. */
  hooks?: Hooks | undefined;
}

/** The context of a command that may take its options anew while it runs. */
export interface Rereading<T> extends Context {
  /**
   * Reads the config file again; what was typed, and variables, win as before. Undefined where there is none.
   * @throws LockstepError BAD_CONFIG, BAD_ARGUMENT
   */
  reread: (() => Promise<T>) | undefined;
}

interface CommandSpec<R extends OptionName, O extends OptionName> extends Taken<R, O> {
  name: string;
  description: string;
  /** Name and help of the one argument, if there is one. */
  argument?: [string, string];
  /** What an option means here, where that is not what the table says. */
  help?: Partial<Record<R | O, string>>;
  /** What `--help` ends with. */
  example: string;
  /** @returns the exit code; undefined for 0 */
  run: (
    options: Given<R, O>,
    context: Rereading<Given<R, O>>,
    argument: string,
  ) => Promise<number | undefined>;
}

/** How often work that goes on tells how it is: as text where there is no terminal, and as objects. */
const TEXT_STATUS_SECONDS = 5;
const JSON_STATUS_SECONDS = 1;

const WAYS_TO_TYPE = `Lists take commas, or the flag again; switches take =false; times are 500ms, 30s, 5m or
2h, and seconds where there is no unit. ETCDCTL_… variables are not read.`;

/** What every command takes: its config file, and how it talks. */
export const COMMON = [
  'config',
  'migration',
  'writeOut',
  'logLevel',
  'logFormat',
  'statusInterval',
] as const satisfies OptionName[];
/** What a command takes that can be looked at while it runs (listening.ts). */
export const LISTENER = ['listen', 'readyLag'] as const satisfies OptionName[];
/** What a config file says of it is the follower's, which goes on beside a night. */
export const FOLLOWERS = ['listen'] as const satisfies OptionName[];

/** What a command takes that tells of events (hooks/). */
export const HOOKS = ['onEvent', 'webhook'] as const satisfies OptionName[];

type Talk = Given<never, (typeof COMMON)[number]>;
/** Of a rehearsal they are told that it is one. */
type HookFlags = Given<never, (typeof HOOKS)[number]> & { rehearse?: boolean };

const taken = new WeakMap<Command, Taken>();

/** The options of a command that was registered. */
export function takenBy(command: Command): Taken | undefined {
  return taken.get(command);
}

/**
 * @param program or a command that this one is an action of: `audit verify`
 * @returns the command that was added
 */
export function register<R extends OptionName, O extends OptionName>(
  program: Command,
  spec: CommandSpec<R, O>,
): Command {
  const { required, help = {}, argument } = spec;
  const own: readonly OptionName[] = [...required, ...spec.optional];
  const common = COMMON.filter((name) => !own.includes(name));
  const optional = [...spec.optional, ...common];
  const command = program.command(spec.name).description(spec.description);
  if (argument) command.argument(`<${argument[0]}>`, argument[1]);
  const helpOf: Partial<Record<OptionName, string>> = help;
  const isRequired = isIn(required);
  for (const name of [...required, ...optional])
    command.addOption(toOption(name, helpOf[name] ?? OPTIONS[name].help, isRequired(name)));
  command.addHelpText('after', `\n${WAYS_TO_TYPE}\n\nExample:\n  ${spec.example}`);
  command.action(async (first: unknown) => {
    // A flag that both take is given to the outer one.
    const typed = command.optsWithGlobals<Typed>();
    const load = () => loadOptions(typed, process.env, { ...spec, optional });
    process.exitCode = await guarded(spec.name, typed, load, (options, context) =>
      spec.run(
        options,
        { ...context, reread: options.fromFile && load },
        argument ? String(first) : '',
      ),
    );
  });
  taken.set(command, { ...spec, optional });
  return command;
}

function toOption(name: OptionName, help: string, isRequired: boolean): Option {
  const { kind, value, short, default: fallback }: OptionSpec<unknown> = OPTIONS[name];
  const flags = `${short ? `-${short}, ` : ''}${flagOf(name)}`;
  const facts = [
    ...(isRequired ? ['required'] : []),
    ...(fallback === undefined ? [] : [`default: ${fallback}`]),
    `env: ${variableOf(name)}`,
  ];
  // A switch always has a value by now (arrange.ts); what is typed again is added to what was.
  const option = new Option(
    `${flags} ${kind === 'switch' ? '[bool]' : `<${value ?? ''}>`}`,
    `${help} (${facts.join('; ')})`,
  ).argParser((given: string, before: readonly string[] | undefined) => [...(before ?? []), given]);
  // --no-dest-prefix is a switch of its own, not what turns off --dest-prefix.
  option.negate = false;
  if (isIn(SOURCE_ACCESS)(name)) option.helpGroup('Access to the source:');
  if (isIn(TARGET_ACCESS)(name)) option.helpGroup('Access to the target:');
  if (isIn(LISTENER)(name)) option.helpGroup('Listener:');
  if (isIn(HOOKS)(name)) option.helpGroup('Events:');
  if (name === 'config' || name === 'migration') option.helpGroup('Config file:');
  else if (isIn(COMMON)(name)) option.helpGroup('Output:');
  return option;
}

function isIn(names: readonly OptionName[]): (name: OptionName) => boolean {
  return (name) => names.includes(name);
}

const TALK = ['logFormat', 'writeOut'] as const satisfies OptionName[];

/** How errors are written where the options are wrong. */
export async function errorsAsJson(typed: Typed): Promise<boolean> {
  // What is wrong with it is told by who needs it.
  const file = await loadConfig(typed, process.env, TALK).catch(() => undefined);
  const given = (name: OptionName) => find(name, typed, process.env, file)?.given.at(-1);
  return (given('logFormat') ?? given('writeOut')) === 'json';
}

async function guarded<T extends Talk & HookFlags>(
  name: string,
  typed: Typed,
  load: () => Promise<T>,
  run: (options: T, context: Context) => Promise<number | undefined>,
): Promise<number> {
  let json: boolean | undefined;
  let context: Context | undefined;
  let release: () => void = () => undefined;
  let code: number;
  let ended: EndedBy = null;
  try {
    const options = await load();
    json = (options.logFormat ?? options.writeOut) === 'json';
    context = await contextOf(name, options);
    const { log } = context;
    release = stopping.heed((why) => {
      log.info(why);
    });
    code = endCode((await run(options, context)) ?? 0, json);
  } catch (error) {
    context?.progress.end();
    // Where the options are wrong nothing is known of them but this.
    json ??= await errorsAsJson(typed);
    code = endCode(report(error, json), json);
    ended = endedBy(error, code);
  }
  context?.progress.end();
  await context?.hooks?.end(code, ended);
  release();
  return code;
}

/** Only here, as most commands have none, and to load them takes a while. */
async function hooksOf(
  command: string,
  { onEvent: commands = [], webhook: urls = [], rehearse: rehearsal = false }: HookFlags,
  { note: onNote, events }: Pick<Context, 'note' | 'events'>,
): Promise<Hooks | undefined> {
  if (commands.length + urls.length === 0) return undefined;
  const { Hooks } = await import('../hooks/hooks.js');
  const hooks = new Hooks({ commands, urls, command, onNote, rehearsal });
  events.hear((level, text) => {
    if (level === 'error') hooks.alarm(text);
  });
  return hooks;
}

/** As hooks are told of it. */
function endedBy(error: unknown, exitCode: number): EndedBy {
  if (exitCode === EXIT_INTERRUPTED) return null;
  if (!(error instanceof LockstepError))
    return { code: null, message: 'a bug in etcd-lockstep: its log says more', hint: null };
  const { code, message, hint = null } = error;
  return { code, message, hint };
}

async function contextOf(name: string, options: Talk & HookFlags): Promise<Context> {
  const { writeOut, logLevel, logFormat, statusInterval } = options;
  const { signal, stdout, stderr } = stopping;
  const json = writeOut === 'json';
  const lineSeconds = statusInterval ?? TEXT_STATUS_SECONDS;
  const progress = new ProgressLine({
    write: (text) => {
      stderr.write(text);
    },
    columns: !json && process.stderr.isTTY ? () => process.stderr.columns : undefined,
    everyMs: json ? undefined : lineSeconds * 1000,
    log: (text) => {
      lines.info(text);
    },
  });
  const events = new EventLog();
  const asJson = (logFormat ?? writeOut) === 'json';
  // How it goes is a view's own, and would drive out what has happened.
  const lines = logger(logLevel, asJson, progress.stream());
  const log = logger(logLevel, asJson, progress.stream(), (level, text) => {
    events.add(level, text);
  });
  const note: OnNote = (text, warn = false) => {
    if (warn) log.warn(text);
    else log.info(text);
  };
  return {
    ...{ signal, json, log, note, progress, events },
    hooks: await hooksOf(name, options, { note, events }),
    setLogLevel: (level) => {
      for (const one of [log, lines]) one.level = level;
    },
    stop: (why) => {
      stopping.stop(why);
    },
    onHangup: (act) => {
      stopping.onHangup(() => void act());
    },
    statusSeconds: statusInterval ?? JSON_STATUS_SECONDS,
    lineSeconds,
    mustGoOn: () => {
      stopping.mustGoOn();
    },
    print: (object, text) => {
      progress.clear();
      stdout.write(`${json ? JSON.stringify(object) : text()}\n`);
    },
  };
}

/**
 * The exit code of the process; tells what output was lost, if that can still be told.
 * @param own the code that the command came to
 */
export function endCode(own: number, json: boolean): number {
  if (stopping.lost) tell(stopping.lost, json);
  return stopping.exitCode(own);
}

/**
 * Once it was to stop, what another try may mend is nobody's trouble any more, and may be our own doing:
 * who waits for an answer is not let wait. What no other try mends is as wrong as before.
 */
function report(error: unknown, json: boolean): number {
  const stopped = stopping.signal.aborted;
  if (error instanceof LockstepError && !(stopped && passes(error))) {
    tell(error, json);
    return exitCodeOf(error.code);
  }
  // A bug stays one, whether or not it was to stop.
  const givenUp = error instanceof Error && error.name === 'AbortError';
  if (stopped && (error instanceof LockstepError || givenUp)) {
    stopping.stderr.write(
      'Stopped. Run the same command again: it goes on where it was, or begins anew.\n',
    );
    return EXIT_INTERRUPTED;
  }
  stopping.bug(error);
  // In place of any code stopping.ts gives a bug's.
  return EXIT_INTERRUPTED;
}

/** `Error:` says what was wrong, `Try:` what to do. */
export function tell(error: LockstepError, json: boolean): void {
  const { code, side, message, hint, revision, disposition } = error;
  const text = json
    ? JSON.stringify({ error: { code, side, message, hint, revision, disposition } })
    : `Error: ${message} [${code}]${hint === undefined ? '' : `\nTry: ${hint}`}`;
  stopping.stderr.write(`${text}\n`);
}
