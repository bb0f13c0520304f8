/** The two etcds of a command that has both: opened, told apart, and closed at its end. */
import {
  sourceConnection,
  targetConnection,
  type SourceOptions,
  type TargetOptions,
} from '../config/access.js';
import { sameEtcd } from '../sameetcd.js';
import { EtcdClient } from '../wire/client.js';
import type { Connection } from '../wire/connection.js';

export interface Sides {
  source: EtcdClient;
  /** The source on a connection of its own: a watch with much to say holds up what goes beside it. */
  sourceWatch: EtcdClient;
  target: EtcdClient;
  targetEndpoints: readonly string[];
}

/**
 * @param mayBeSame whether one etcd may be both, under different keys
 * @throws LockstepError SAME_ETCD for one that may not, BAD_ARGUMENT for options that do not go together
 */
export async function withSides<T>(
  options: SourceOptions & TargetOptions,
  use: (sides: Sides) => Promise<T>,
  mayBeSame = false,
): Promise<T> {
  const from = await sourceConnection(options);
  const to = await targetConnection(options);
  if (!mayBeSame) refuseSame(from, to);
  const source = new EtcdClient(from, 'source');
  const sourceWatch = source.another();
  const target = new EtcdClient(to, 'target');
  try {
    return await use({ source, sourceWatch, target, targetEndpoints: to.endpoints });
  } finally {
    for (const client of [source, sourceWatch, target]) client.close();
  }
}

/** The same name is the same etcd; other names may be as well, which only the servers can tell. */
export function refuseSame(source: Connection, target: Connection): void {
  const both = source.endpoints.find((endpoint) => target.endpoints.includes(endpoint));
  if (both !== undefined) throw sameEtcd(both);
}
