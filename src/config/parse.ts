/** From what was typed and what is in the environment to what the options mean. */
import { badArgument } from '../errors.js';
import type { OptionSpec } from './kinds.js';
import { flagOf, OPTIONS, variableOf, type OptionName, type Options } from './options.js';

/** All that each flag was given, in its order. */
export type Typed = Partial<Record<OptionName, readonly string[]>>;

type WithDefault = {
  [K in OptionName]: (typeof OPTIONS)[K] extends { default: string } ? K : never;
}[OptionName];

/** What a command gets: what it needs, what has a default, and the rest where it was given. */
export type Given<R extends OptionName, O extends OptionName = never> = Pick<
  Options,
  R | Extract<O, WithDefault>
> &
  Partial<Pick<Options, Exclude<O, WithDefault>>>;

/**
 * A flag wins over its variable. Of what is no list the last one counts, as with etcdctl.
 * @throws LockstepError BAD_ARGUMENT that names the flag, or the variable
 */
export function parseOptions<R extends OptionName, O extends OptionName>(
  typed: Typed,
  environment: NodeJS.ProcessEnv,
  required: readonly R[],
  optional: readonly O[],
): Given<R, O> {
  const parsed: Record<string, unknown> = {};
  const missing: string[] = [];
  for (const name of [...required, ...optional]) {
    const found = typed[name] ?? fromEnvironment(name, environment) ?? fromTable(name);
    if (found) parsed[name] = parse(name, found, typed[name] ? flagOf(name) : variableOf(name));
    else if ((required as readonly OptionName[]).includes(name)) missing.push(flagOf(name));
  }
  if (missing.length > 0)
    throw badArgument(
      `${missing.join(' and ')} missing`,
      `Add ${missing.map((flag) => `${flag} …`).join(' ')}${notEtcdctls(environment)}`,
    );
  return parsed as Given<R, O>;
}

function fromEnvironment(
  name: OptionName,
  environment: NodeJS.ProcessEnv,
): readonly string[] | undefined {
  const value = environment[variableOf(name)];
  return value === undefined ? undefined : [value];
}

function fromTable(name: OptionName): readonly string[] | undefined {
  const { default: value }: OptionSpec<unknown> = OPTIONS[name];
  return value === undefined ? undefined : [value];
}

function parse(name: OptionName, given: readonly string[], called: string): unknown {
  const { kind, schema, secret }: OptionSpec<unknown> = OPTIONS[name];
  const value = kind === 'list' ? given : given.at(-1);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  // One thing is said once, of however many parts of a list.
  const why = [...new Set(result.error.issues.map((issue) => issue.message))].join('; ');
  const shown = secret ? '(not shown)' : withoutPasswords(JSON.stringify(given.join(',')));
  throw badArgument(`${called} ${shown}: ${why}`, 'See --help for what it takes.');
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
