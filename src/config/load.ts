/** Options with their config file: what was typed, the environment and a path to what they mean. */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { badArgument, isSystemError, LockstepError } from '../errors.js';
import { bytes } from '../text.js';
import type { ConfigFile } from './configfile.js';
import { variableOf, type OptionName } from './options.js';
import { parseOptions, type Given, type Typed } from './parse.js';

/** Hundreds of times what a migration has to say. */
const MAX_BYTES = 256 * 1024;

/** The options that a command takes. */
export interface Taken<R extends OptionName = OptionName, O extends OptionName = OptionName> {
  required: readonly R[];
  optional: readonly O[];
  /** That a config file does not give it: there they are another command's, which runs beside this one. */
  notFromFile?: readonly OptionName[];
}

/** @throws LockstepError BAD_ARGUMENT, BAD_CONFIG */
export async function loadOptions<R extends OptionName, O extends OptionName>(
  typed: Typed,
  environment: NodeJS.ProcessEnv,
  { required, optional, notFromFile }: Taken<R, O>,
): Promise<Given<R, O>> {
  const isGiven = (name: OptionName) =>
    typed[name] !== undefined || environment[variableOf(name)] !== undefined;
  const fromFile = [...required, ...optional].filter(
    (name) => !isGiven(name) && !notFromFile?.includes(name),
  );
  const file = await loadConfig(typed, environment, fromFile);
  const ours = file && without(file, notFromFile);
  return parseOptions(typed, environment, required, optional, ours);
}

/**
 * The file that is named by a flag or its variable, as the migration that is named so sees it; undefined
 * where there is no file.
 * @param taken options that it may give
 * @throws LockstepError BAD_ARGUMENT, BAD_CONFIG
 */
export async function loadConfig(
  typed: Typed,
  environment: NodeJS.ProcessEnv,
  taken: readonly OptionName[],
): Promise<ConfigFile | undefined> {
  const { config, migration } = parseOptions(typed, environment, [], ['config', 'migration']);
  if (config !== undefined) return readMigration(config, environment, { migration, taken });
  if (migration === undefined) return undefined;
  throw badArgument(
    `--migration ${migration}: there is no config file to look for it in`,
    'Add -f FILE, or leave --migration (or LOCKSTEP_MIGRATION) out.',
  );
}

/**
 * As {@link readConfig}, for one migration.
 * @throws LockstepError BAD_ARGUMENT, BAD_CONFIG
 */
export async function readMigration(
  path: string,
  environment: NodeJS.ProcessEnv,
  { migration, taken }: { migration?: string | undefined; taken: readonly OptionName[] },
): Promise<ConfigFile> {
  const file = await readConfig(path, environment);
  // Only here, as YAML takes a while to load.
  const { oneMigration } = await import('./migrations.js');
  return oneMigration(file, migration, taken);
}

/** What of a file a command takes. */
function without(file: ConfigFile, names: readonly OptionName[] = []): ConfigFile {
  return {
    ...file,
    values: new Map([...file.values].filter(([name]) => !names.includes(name))),
  };
}

/**
 * All of a file, with every migration that it has.
 * @throws LockstepError BAD_CONFIG
 */
export async function readConfig(
  path: string,
  environment: NodeJS.ProcessEnv,
): Promise<ConfigFile> {
  // Only here, as YAML takes a while to load.
  const { badConfig, parseConfig } = await import('./configfile.js');
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw badConfig(`${path} is no file`);
    if (stat.size > MAX_BYTES)
      throw badConfig(
        `${path} has ${bytes(stat.size)}; a config file has at most ${bytes(MAX_BYTES)}`,
      );
    const content = readFileSync(path);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(content);
    const sha256 = createHash('sha256').update(content).digest('hex');
    return { path, sha256, ...parseConfig(text, path, environment) };
  } catch (cause) {
    if (cause instanceof LockstepError) throw cause;
    if (isSystemError(cause)) throw badConfig(`cannot read ${path}: ${cause.message}`, cause);
    if (isBadText(cause)) throw badConfig(`${path} is no text in UTF-8`, cause);
    throw cause;
  }
}

/** A TypeError of any other kind is a bug. */
function isBadText(error: unknown): boolean {
  return (
    error instanceof TypeError &&
    'code' in error &&
    error.code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
  );
}
