/**
 * One config file for several migrations of one source: `migrations:` has a name for each, and below that
 * the keys that a file has, as far as they are this one's.
 *
 *     values = what all share, and over it what is the migration's own
 *
 * A command is for one of them. Where none is named it may still do with what all share; who takes a
 * value that some migration has would take a wrong one, and is refused.
 */
import { badArgument } from '../errors.js';
import { badConfig, type ConfigFile } from './configfile.js';
import type { OptionName } from './options.js';
import { nearestOf } from './places.js';

/** Of two migrations that run beside each other these cannot be one. */
const OWN = ['journal', 'out'] as const satisfies OptionName[];

/**
 * @param name undefined: the only one there is, or what all share
 * @param taken options that the file may give; of a migration no others are looked for
 * @throws LockstepError BAD_ARGUMENT where it is not there, or none is named and one has to be;
 *   BAD_CONFIG for what is wrong in what it has
 */
export function oneMigration(
  file: ConfigFile,
  name: string | undefined,
  taken: readonly OptionName[],
): ConfigFile {
  const names = [...file.migrations.keys()];
  refuseShared(file);
  const [first, ...more] = names;
  const chosen = name ?? (more.length === 0 ? first : undefined);
  if (chosen === undefined) {
    const ownSomewhere = (option: OptionName) =>
      [...file.migrations.values()].some((own) => own.has(option));
    if (taken.some(ownSomewhere)) throw severalMigrations(file.path, names);
    return file;
  }
  const own = file.migrations.get(chosen);
  if (!own) throw noSuchMigration(file.path, chosen, names);
  const faults = [...own.values()].flatMap(({ fault }) => fault ?? []);
  if (faults.length > 0) throw badConfig(faults.join('\n  '));
  return { ...file, values: new Map([...file.values, ...own]), migration: chosen };
}

/** Each writes there as if it were alone. */
function refuseShared({ path, values, migrations }: ConfigFile): void {
  for (const option of OWN) {
    const seen = new Map<string, string>();
    for (const [name, own] of migrations) {
      const value = own.get(option) ?? values.get(option);
      const [given] = value?.given ?? [];
      if (given === undefined || !value) continue;
      const other = seen.get(given);
      if (other !== undefined)
        throw badConfig(
          `${path}:${value.line}: ${value.place}: migrations ${other} and ${name} have the same; each needs its own`,
        );
      seen.set(given, name);
    }
  }
}

function severalMigrations(path: string, names: readonly string[]): Error {
  return badArgument(
    `--migration missing: ${path} has several migrations: ${names.join(', ')}`,
    `Name one: --migration ${names[0] ?? ''}`,
  );
}

function noSuchMigration(path: string, name: string, names: readonly string[]): Error {
  if (names.length === 0)
    return badArgument(
      `--migration ${name}: ${path} has no migrations: all of it is one`,
      'Leave --migration (or LOCKSTEP_MIGRATION) out, or give another file.',
    );
  const meant = nearestOf(name, names);
  return badArgument(
    `--migration ${name}: ${path} has none that is called so${meant === undefined ? '' : `; the nearest is ${meant}`}`,
    `It is one of ${names.join(', ')}.`,
  );
}
