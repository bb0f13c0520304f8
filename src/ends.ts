/** The two etcds that something happens between: opened, told apart, and closed at its end. */
import { sameEtcd } from './source/sameetcd.js';
import { EtcdClient } from './wire/client.js';
import { connectionTo, type Connection } from './wire/connection.js';

/** The two etcds. */
export interface Ends {
  /** One endpoint, or endpoints with what it takes to be let in. */
  source: string | Connection;
  /** The same. */
  target: string | Connection;
}

export class Sides {
  readonly source: EtcdClient;
  readonly target: EtcdClient;
  readonly targetEndpoints: readonly string[];
  readonly #end = new AbortController();

  /**
   * Nothing is dialled yet.
   * @param mayBeSame whether one etcd may be both, under different keys
   * @throws LockstepError SAME_ETCD for one that may not; BAD_ARGUMENT for endpoints or certificate files
   *   that cannot be used
   */
  constructor(ends: Ends, mayBeSame = false) {
    const [source, target] = [connectionTo(ends.source), connectionTo(ends.target)];
    if (!mayBeSame) refuseSame(source, target);
    this.targetEndpoints = target.endpoints;
    this.source = new EtcdClient(source, 'source');
    this.target = new EtcdClient(target, 'target');
  }

  /** Aborts when they are closed, or `signal` does: what has connections of its own ends with it, too. */
  until(signal?: AbortSignal): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#end.signal]) : this.#end.signal;
  }

  /** Runs something with connections of its own, whose answers nobody waits for once `signal` aborts. */
  async own<T>(
    signal: AbortSignal,
    use: (own: Pick<Sides, 'source' | 'target'>) => Promise<T>,
  ): Promise<T> {
    const [source, target] = [this.source, this.target].map((side) =>
      side.another().closeAt(signal),
    ) as [EtcdClient, EtcdClient];
    try {
      return await use({ source, target });
    } finally {
      source.close();
      target.close();
    }
  }

  close(): void {
    this.#end.abort();
    this.source.close();
    this.target.close();
  }
}

/** The same name is the same etcd; other names may be as well, which only the servers can tell. */
export function refuseSame(source: Connection, target: Connection): void {
  const both = source.endpoints.find((endpoint) => target.endpoints.includes(endpoint));
  if (both !== undefined) throw sameEtcd(both);
}
