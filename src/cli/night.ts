/** What cutover, rollback and retire are opened with: both etcds, and the apiservers. */
import type { SourceOptions, TargetOptions } from '../config/access.js';
import type { Options } from '../config/options.js';
import { badArgument } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import { withKube } from '../kube/config.js';
import { withSides, type Sides } from './sides.js';

type NightCommandOptions = SourceOptions &
  TargetOptions &
  Partial<Pick<Options, 'kubeconfig' | 'apiservers' | 'without'>>;

export interface Night extends Sides {
  /** Without those that are left out. */
  apiservers: readonly ApiServer[];
  without: readonly ApiServer[];
}

/** @throws LockstepError BAD_ARGUMENT where no apiserver would be left */
export async function withNight<T>(
  options: NightCommandOptions,
  use: (night: Night) => Promise<T>,
): Promise<T> {
  const { kubeconfig, without: dead = [] } = options;
  return withSides(options, (sides) =>
    withKube(kubeconfig, options.apiservers, (named) =>
      withKube(kubeconfig, dead, (without) => {
        const apiservers = named.filter(({ url }) => !without.some((one) => one.url === url));
        if (apiservers.length === 0)
          throw badArgument(
            '--without leaves no apiserver',
            'Name the living ones in --apiservers.',
          );
        return use({ ...sides, apiservers, without });
      }),
    ),
  );
}
