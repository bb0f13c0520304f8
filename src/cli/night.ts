/** What cutover, rollback and retire are run with: both etcds, and the apiservers. */
import type { SourceOptions, TargetOptions } from '../config/access.js';
import type { Options } from '../config/options.js';
import { badArgument } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import { withKube } from '../kube/config.js';
import type { Migration } from '../migration.js';
import type { Context } from './command.js';
import { withMigration } from './opened.js';

type NightCommandOptions = SourceOptions &
  TargetOptions &
  Partial<Pick<Options, 'kubeconfig' | 'apiservers' | 'without'>>;

export interface Apiservers {
  /** Without those that are left out. */
  apiservers: readonly ApiServer[];
  without: readonly ApiServer[];
}

/** @throws LockstepError BAD_ARGUMENT where no apiserver would be left */
export async function withNight<T>(
  options: NightCommandOptions,
  context: Pick<Context, 'note'>,
  use: (migration: Migration, apiservers: Apiservers) => Promise<T>,
): Promise<T> {
  const { kubeconfig, without: dead = [] } = options;
  return withMigration(options, context, (migration) =>
    withKube(kubeconfig, options.apiservers, (named) =>
      withKube(kubeconfig, dead, (without) => {
        const apiservers = named.filter(({ url }) => !without.some((one) => one.url === url));
        if (apiservers.length === 0)
          throw badArgument(
            '--without leaves no apiserver',
            'Name the living ones in --apiservers.',
          );
        return use(migration, { apiservers, without });
      }),
    ),
  );
}
