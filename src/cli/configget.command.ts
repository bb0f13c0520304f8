/** etcd-lockstep config get */
import type { Command } from 'commander';
import type { OptionSpec } from '../config/kinds.js';
import { readConfig, readMigration } from '../config/load.js';
import { flagOf, OPTIONS } from '../config/options.js';
import { MIGRATIONS, nearest, PLACES } from '../config/places.js';
import { badArgument } from '../errors.js';
import { EXIT_DIFFERENT, register } from './command.js';

/** For scripts, and for what a shell completes. */
export function configGetCommand(config: Command): void {
  register(config, {
    name: 'get',
    description:
      'Print what a config file gives for one key, a value a line; nothing, and exit code 1, where it has none.',
    argument: ['key', 'a key of the file: kubernetes.resources; or migrations, for their names'],
    required: ['config'],
    optional: ['migration'],
    example: 'etcd-lockstep config get prefixes -f pods.yaml',
    run: async ({ config: path, migration }, { json, print }, key) => {
      const told = (values: readonly string[] | undefined) => {
        if (json || values)
          print({ get: { key, values: values ?? null } }, () => values?.join('\n') ?? '');
        return values ? 0 : EXIT_DIFFERENT;
      };
      if (key === MIGRATIONS) {
        const { migrations } = await readConfig(path, process.env);
        return told(migrations.size > 0 ? [...migrations.keys()] : undefined);
      }
      const name = PLACES.get(key);
      if (!name) throw noSuchKey(key);
      const { secret }: OptionSpec<unknown> = OPTIONS[name];
      if (secret)
        throw badArgument(
          `${key} is a secret, which is never printed`,
          `Give it to the command by the file, as ${flagOf(name)}.`,
        );
      const file = await readMigration(path, process.env, { migration, taken: [name] });
      return told(file.values.get(name)?.given);
    },
  });
}

function noSuchKey(key: string): Error {
  const meant = nearest(key);
  return badArgument(
    `a config file has no key ${key}`,
    `${meant === undefined ? '' : `${meant} is one. `}docs/reference.md has all of them.`,
  );
}
