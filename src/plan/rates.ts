/**
 * What happens on the source in a while: one watch on everything, of which only counts are kept.
 *
 * Revisions in all come from the head before and after, and need no watch. The watch says which
 * resources they belong to; a few of its last events may still be on their way when time is up.
 */
import { hasCode } from '../errors.js';
import { folderOf } from '../kube/resourcefolders.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import { hull, probeKey, WHOLE_STORE, type PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { cancelled } from '../source/ended.js';
import type { EtcdClient, WatchStream } from '../wire/client.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';

export interface Activity {
  revisions: number;
  events: number;
  bytes: number;
}

export interface Rates {
  seconds: number;
  /** Where the head was at its end, and by how much it had moved on. */
  head: Revision;
  revisions: number;
  /** Of the prefixes to move. */
  moved: Activity;
  /** The most events of one revision of the prefixes. */
  largestRevision: number;
  /** False where the user may read the prefixes only, so that nothing is known of the rest. */
  everything: boolean;
  byFolder: Map<string, Activity>;
}

interface RatesOptions {
  prefixes: PrefixSet;
  root: string;
  seconds: number;
  onProgress: (left: number, events: number) => void;
  signal: AbortSignal;
}

/** Folders that are told apart; what comes after them is only in the sums. */
const MAX_FOLDERS = 2000;
const TICK_MS = 500;

/** @throws LockstepError UNAVAILABLE, PERMISSION; whatever the signal was aborted with */
export async function sampleRates(client: EtcdClient, options: RatesOptions): Promise<Rates> {
  try {
    return await sample(client, options, true);
  } catch (error) {
    if (!hasCode(error, 'PERMISSION')) throw error;
    return sample(client, options, false);
  }
}

async function sample(
  client: EtcdClient,
  options: RatesOptions,
  everything: boolean,
): Promise<Rates> {
  const key = probeKey(options.prefixes);
  const started = performance.now();
  const { revision: before } = await client.head(key);
  const counter = new Counter(options.prefixes, options.root);
  await watchFor(client, await client.watch(), before, counter, everything, options);
  const { revision: after } = await client.head(key);
  return {
    seconds: (performance.now() - started) / 1000,
    head: after,
    revisions: after - before,
    moved: counter.moved.sums(),
    largestRevision: counter.moved.largest,
    everything,
    byFolder: new Map([...counter.byFolder].map(([folder, seen]) => [folder, seen.sums()])),
  };
}

async function watchFor(
  client: EtcdClient,
  stream: WatchStream,
  after: Revision,
  counter: Counter,
  everything: boolean,
  { prefixes, seconds, onProgress, signal }: RatesOptions,
): Promise<void> {
  const range = everything ? WHOLE_STORE : hull(prefixes);
  const until = performance.now() + seconds * 1000;
  const over = new AbortController();
  const cancel = () => {
    over.abort();
    stream.cancel();
  };
  // No AbortSignal.timeout within AbortSignal.any: Node 20 may collect it before its time has come.
  const end = setTimeout(cancel, seconds * 1000);
  signal.addEventListener('abort', cancel);
  if (signal.aborted) cancel();
  const tick = setInterval(() => {
    onProgress(Math.max(0, until - performance.now()) / 1000, counter.events);
  }, TICK_MS);
  try {
    stream.send({ createRequest: { ...range, startRevision: after + 1, fragment: true } });
    for await (const message of stream.messages()) {
      if (message.canceled) throw cancelled(message, client.side, range);
      for (const event of message.events) counter.add(event);
    }
  } catch (error) {
    if (!over.signal.aborted) throw error;
  } finally {
    clearInterval(tick);
    clearTimeout(end);
    signal.removeEventListener('abort', cancel);
    stream.cancel();
  }
  signal.throwIfAborted();
}

class Counter {
  events = 0;
  readonly moved = new SeenEvents();
  readonly byFolder = new Map<string, SeenEvents>();

  constructor(
    private readonly prefixes: PrefixSet,
    private readonly root: string,
  ) {}

  add({ kv }: pb.Event.$Properties): void {
    const bytes = kv ?? new Uint8Array();
    const { key, modRevision } = parseKeyValue(bytes);
    this.events++;
    if (this.prefixes.covers(key)) this.moved.add(modRevision, bytes.length);
    const folder = folderOf(key.toString(), this.root);
    let seen = this.byFolder.get(folder);
    if (!seen) {
      if (this.byFolder.size >= MAX_FOLDERS) return;
      seen = new SeenEvents();
      this.byFolder.set(folder, seen);
    }
    seen.add(modRevision, bytes.length);
  }
}

/** Events come in the order of revisions, so a revision is counted once by looking at the last one. */
class SeenEvents {
  largest = 0;
  #revisions = 0;
  #events = 0;
  #bytes = 0;
  #last: Revision = 0;
  #inLast = 0;

  add(revision: Revision, bytes: number): void {
    this.#events++;
    this.#bytes += bytes;
    if (revision !== this.#last) {
      this.#revisions++;
      this.#last = revision;
      this.#inLast = 0;
    }
    this.largest = Math.max(this.largest, ++this.#inLast);
  }

  sums(): Activity {
    return { revisions: this.#revisions, events: this.#events, bytes: this.#bytes };
  }
}
