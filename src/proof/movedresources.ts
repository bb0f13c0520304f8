/**
 * What is moved is what is frozen: each prefix is the folder of one resource, and no prefix is without.
 *
 * The resources follow from the prefixes that were seeded. Whoever names them on the command line only
 * says what he believes, and is told where that is not so: a prefix without its resource would be moved
 * unfrozen, and be removed from under Kubernetes by retire.
 */
import { badArgument } from '../errors.js';
import { resourceName, type Resource } from '../kube/resource.js';
import { resourceIn } from '../kube/resourcefolders.js';

/** One resource and where etcd has it. */
export interface Moved {
  resource: Resource;
  prefix: string;
}

/**
 * @param given as on the command line; undefined: whatever follows from the prefixes
 * @throws LockstepError BAD_ARGUMENT for a prefix that is no resource's folder, and for resources that
 *   are not those of the prefixes
 */
export function movedBy(
  prefixes: readonly string[],
  given: readonly Resource[] | undefined,
): Moved[] {
  const moved = prefixes.map((prefix): Moved => {
    const resource = resourceIn(prefix);
    if (resource) return { resource, prefix };
    throw badArgument(
      `${prefix} is not the whole folder of a resource that apiservers can have in an etcd of its own`,
      'Seed whole folders, each with its slash: /registry/pods/. `etcd-lockstep plan` lists them. Nothing was changed.',
    );
  });
  const own = moved.map(({ resource }) => resourceName(resource)).sort();
  const named = given?.map(resourceName).sort() ?? own;
  if (named.join() === own.join()) return moved;
  throw badArgument(
    `--resource ${named.join(',')}: the target holds ${prefixes.join(', ')}, which is ${own.join(', ')}`,
    'Each prefix has to be frozen and moved with its resource. Leave --resource out, or seed a target of just what it names. Nothing was changed.',
  );
}
