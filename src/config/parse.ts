/** From what was typed and what is in the environment to what the options mean. */
import { badArgument, LockstepError } from '../errors.js';
import type { ConfigFile } from './configfile.js';
import type { OptionSpec } from './kinds.js';
import { flagOf, OPTIONS, placeOf, variableOf, type OptionName, type Options } from './options.js';

/** All that each flag was given, in its order. */
export type Typed = Partial<Record<OptionName, readonly string[]>>;

type WithDefault = {
  [K in OptionName]: (typeof OPTIONS)[K] extends { default: string } ? K : never;
}[OptionName];

/** The config file of a command, and which options it gives: where no flag and no variable does. */
export interface FromFile {
  /** As it was named. */
  path: string;
  /** Of its bytes, hexadecimal. */
  sha256: string;
  /** Of several in it, the one that this is about. */
  migration?: string;
  names: ReadonlySet<OptionName>;
}

/** What a command gets: what it needs, what has a default, and the rest where it was given. */
export type Given<R extends OptionName, O extends OptionName = never> = Pick<
  Options,
  R | Extract<O, WithDefault>
> &
  Partial<Pick<Options, Exclude<O, WithDefault>>> & { readonly fromFile?: FromFile };

/** What an option is called where it is to blame: its key, where the config file gives it, else its flag. */
export function calledIn({ fromFile }: { fromFile?: FromFile }, name: OptionName): string {
  const place = fromFile?.names.has(name) ? placeOf(name) : undefined;
  return place ?? flagOf(name);
}

/** What an option was given, and where. */
export interface Found {
  from: 'flag' | 'variable' | 'file' | 'default';
  given: readonly string[];
  /** The same as it may be shown, but for what is a secret by its name. */
  shown: readonly string[];
  /** What is to blame: `--endpoints`, `LOCKSTEP_ENDPOINTS`, `pods.yaml:3: source.endpoints`. */
  called: string;
}

/**
 * A flag wins over its variable, that over the config file. Of what is no list the last one counts, as
 * with etcdctl.
 * @throws LockstepError BAD_ARGUMENT that names the flag, or the variable; BAD_CONFIG that names the line
 */
export function parseOptions<R extends OptionName, O extends OptionName>(
  typed: Typed,
  environment: NodeJS.ProcessEnv,
  required: readonly R[],
  optional: readonly O[],
  file?: ConfigFile,
): Given<R, O> {
  const parsed: Record<string, unknown> = {};
  const missing: OptionName[] = [];
  for (const name of [...required, ...optional]) {
    const found = find(name, typed, environment, file);
    if (found) parsed[name] = parse(name, found);
    else if ((required as readonly OptionName[]).includes(name)) missing.push(name);
  }
  if (missing.length > 0) throw missingOptions(missing, environment, file);
  if (file) parsed['fromFile'] = fromFile(file, typed, environment);
  return parsed as Given<R, O>;
}

function fromFile(file: ConfigFile, typed: Typed, environment: NodeJS.ProcessEnv): FromFile {
  const { path, sha256, migration, values } = file;
  const wins = (name: OptionName) => find(name, typed, environment, file)?.from === 'file';
  const names = new Set([...values.keys()].filter(wins));
  return { path, sha256, ...(migration === undefined ? {} : { migration }), names };
}

/** @returns undefined for what is given nowhere and has no default */
export function find(
  name: OptionName,
  typed: Typed,
  environment: NodeJS.ProcessEnv,
  file: ConfigFile | undefined,
): Found | undefined {
  const flag = typed[name];
  if (flag) return { from: 'flag', given: flag, shown: flag, called: flagOf(name) };
  const variable = environment[variableOf(name)];
  if (variable !== undefined)
    return { from: 'variable', ...once(variable), called: variableOf(name) };
  const value = file?.values.get(name);
  if (file && value) {
    const { given, shown, line, place } = value;
    const called = `${file.path}:${line}: ${place}`;
    return { from: 'file', given, shown, called };
  }
  const { default: fallback }: OptionSpec<unknown> = OPTIONS[name];
  return fallback === undefined
    ? undefined
    : { from: 'default', ...once(fallback), called: flagOf(name) };
}

function once(text: string): Pick<Found, 'given' | 'shown'> {
  return { given: [text], shown: [text] };
}

/**
 * What an option means that was given so.
 * @throws LockstepError BAD_ARGUMENT, BAD_CONFIG
 */
export function parse(name: OptionName, { from, given, shown, called }: Found): unknown {
  const { kind, schema, secret }: OptionSpec<unknown> = OPTIONS[name];
  const value = kind === 'list' ? given : given.at(-1);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  // One thing is said once, of however many parts of a list.
  const why = [...new Set(result.error.issues.map((issue) => issue.message))].join('; ');
  const text = secret ? '(not shown)' : withoutPasswords(JSON.stringify(shown.join(',')));
  throw new LockstepError(
    from === 'file' ? 'BAD_CONFIG' : 'BAD_ARGUMENT',
    `${called} ${text}: ${why}`,
    { hint: 'See --help for what it takes.' },
  );
}

function missingOptions(
  missing: readonly OptionName[],
  environment: NodeJS.ProcessEnv,
  file: ConfigFile | undefined,
): LockstepError {
  const flags = missing.map(flagOf);
  const keys = missing.map(placeOf).filter((place) => place !== undefined);
  const orThere = file && keys.length > 0 ? `, or to ${file.path}: ${keys.join(', ')}` : '';
  return badArgument(
    `${flags.join(' and ')} missing`,
    `Add ${flags.map((flag) => `${flag} …`).join(' ')}${orThere}${notEtcdctls(environment)}`,
  );
}

/** Somebody may have put a password into a URL, or into an address without a scheme. */
export function withoutPasswords(text: string): string {
  return text.replaceAll(/(\/\/|[",])[^/@",]*@/g, '$1…@');
}

/** Those who are used to etcdctl may count on its variables, which do not say which side they mean. */
function notEtcdctls(environment: NodeJS.ProcessEnv): string {
  const named = Object.keys(environment).some((name) => name.startsWith('ETCDCTL_'));
  return named ? ' (the variables of etcdctl are not read: ours begin with LOCKSTEP_)' : '';
}
