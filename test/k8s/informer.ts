/**
 * A client that keeps a copy of a resource, as client-go's reflector does; whether such clients
 * miss something is what a move of pods is judged by. In short:
 *
 * - list with resourceVersion 0 (any cache will do), then watch from the list's resourceVersion;
 * - each event, and each bookmark, moves the resourceVersion from which the watch resumes;
 * - a watch that ends or breaks is resumed there: nothing is listed again;
 * - 410 (Gone, "expired") lists again, not older than the last resourceVersion seen; where even
 *   that cannot be had ("too large resource version", expired), the newest there is.
 *
 * A resourceVersion above the head of the etcd that now serves is no error for a watch: events up
 * to it are passed over in silence. That is client-go's and etcd's own behaviour, and kept here.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeError, type KubeClient, type KubeObject, type Status } from './client.js';

/** client-go begins with 800 ms and doubles; tests have less time. */
const BACKOFF_MS = 200;

function nameOf({ metadata: { namespace, name } }: KubeObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** `namespace/name` → uid and resourceVersion: what two copies of a resource are compared by. */
export type Known = ReadonlyMap<string, string>;

export function known(objects: Iterable<KubeObject>): Known {
  const rows = [...objects].map(({ metadata }): [string, string] => [
    nameOf({ metadata }),
    `${metadata.uid}@${metadata.resourceVersion}`,
  ]);
  return new Map(rows);
}

/** What one copy has that the other has not; empty where they are equal. */
export function differences(mine: Known, theirs: Known): string[] {
  const names = new Set([...mine.keys(), ...theirs.keys()]);
  return [...names]
    .filter((name) => mine.get(name) !== theirs.get(name))
    .map(
      (name) => `${name}: ${mine.get(name) ?? 'missing'}, should be ${theirs.get(name) ?? 'gone'}`,
    );
}

function isGone(status: Partial<Status>): boolean {
  return status.code === 410 || status.reason === 'Expired' || status.reason === 'Gone';
}

function isTooLarge(e: KubeError): boolean {
  const causes = e.body.details?.causes ?? [];
  return e.status === 504 && causes.some(({ reason }) => reason === 'ResourceVersionTooLarge');
}

export interface InformerOptions {
  /**
   * The first list asks for the newest there is: etcd's head, where a cache's list has the revision
   * of the last event. `kubectl get`, and what lists by itself before it watches, does so.
   */
  readonly newest?: boolean;
  readonly onChange?: ((object: KubeObject, deleted: boolean) => void) | undefined;
}

export class Informer {
  /** How often it has listed, the first time included: a relist repairs what was missed. */
  lists = 0;
  /** How many watches it has begun. */
  watches = 0;
  readonly #client: KubeClient;
  readonly #path: string;
  readonly #stop = new AbortController();
  readonly #onChange: InformerOptions['onChange'];
  readonly #running: Promise<void>;
  #objects = new Map<string, KubeObject>();
  #resourceVersion = '';
  /** Whether the last resourceVersion could not be had, so that the next list asks for the newest. */
  #unavailable: boolean;

  /** Starts at once. `path` is a collection's, such as `/api/v1/pods`. */
  constructor(
    client: KubeClient,
    path: string,
    { newest = false, onChange }: InformerOptions = {},
  ) {
    this.#client = client;
    this.#path = path;
    this.#unavailable = newest;
    this.#onChange = onChange;
    this.#running = this.#run();
  }

  /** Where its watch resumes; empty before the first list. */
  get resourceVersion(): string {
    return this.#resourceVersion;
  }

  get objects(): ReadonlyMap<string, KubeObject> {
    return this.#objects;
  }

  /** How its copy differs from what the API lists now. */
  async differences(): Promise<string[]> {
    const { items } = await this.#client.list(this.#path);
    return differences(known(this.#objects.values()), known(items));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#list();
        while (await this.#watch());
      } catch {
        await sleep(BACKOFF_MS);
      }
    }
  }

  #wanted(): string {
    if (this.#unavailable) return '';
    return this.#resourceVersion === '' ? '0' : this.#resourceVersion;
  }

  async #list(): Promise<void> {
    const wanted = this.#wanted();
    try {
      const query = wanted === '' ? {} : { resourceVersion: wanted };
      const { metadata, items } = await this.#client.list(this.#path, query);
      this.lists += 1;
      this.#unavailable = false;
      this.#objects = new Map();
      for (const item of items) this.#keep(item, false);
      this.#resourceVersion = metadata.resourceVersion;
    } catch (e) {
      if (e instanceof KubeError && (isGone(e.body) || isTooLarge(e))) this.#unavailable = true;
      throw e;
    }
  }

  /** One watch, until it ends. Says whether to resume; otherwise a list is due. */
  async #watch(): Promise<boolean> {
    const query = { resourceVersion: this.#resourceVersion, allowWatchBookmarks: true };
    this.watches += 1;
    try {
      for await (const { type, object } of this.#client.watch(
        this.#path,
        query,
        this.#stop.signal,
      )) {
        if (type === 'ERROR') return !isGone(object as Status);
        const changed = object as KubeObject;
        if (type !== 'BOOKMARK') this.#keep(changed, type === 'DELETED');
        this.#resourceVersion = changed.metadata.resourceVersion;
      }
    } catch (e) {
      if (e instanceof KubeError && isGone(e.body)) return false;
    }
    await sleep(BACKOFF_MS);
    return !this.#stop.signal.aborted;
  }

  #keep(object: KubeObject, deleted: boolean): void {
    if (deleted) this.#objects.delete(nameOf(object));
    else this.#objects.set(nameOf(object), object);
    this.#onChange?.(object, deleted);
  }
}
