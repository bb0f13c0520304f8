/**
 * One watch, as whole revisions and proven positions.
 *
 *     gRPC messages ─► join fragments ─► drop what was seen ─► {revisions, position}
 *
 * Invariant: when a batch with position P is yielded, every record of our prefixes with a revision
 * up to P was yielded in it or before it.
 *
 * What proves P: an event at revision P in a message whose fragment flag is off; a progress answer, on
 * servers where that is a proof (limits.ts), and that give any (progressproof.ts). What does not: the
 * header of a `created` or an event message, which carries the store's present head.
 *
 * One watcher covers all prefixes (their hull), since several watchers on one stream advance
 * independently and a revision that touches two prefixes would have to be put together again.
 */
import type { OnNote } from '../async/patience.js';
import { hasCode, LockstepError } from '../errors.js';
import { encodeKeyValue, parseKeyValue } from '../mvcc/keyvalue.js';
import { hull, probeKey, WHOLE_STORE, type KeyRange, type PrefixSet } from '../mvcc/prefix.js';
import type { WholeRevision } from '../mvcc/record.js';
import { safeRevision, type Revision } from '../mvcc/revision.js';
import { proven, type Position } from '../position.js';
import { readHeader, type EtcdClient, type WatchStream } from '../wire/client.js';
import { etcdserverpb as pb } from '../wire/gen/etcd.js';
import { isStaleToken } from '../wire/grpcerrors.js';
import type { Side } from '../wire/side.js';
import { compactRevision } from './compactrevision.js';
import { cancelled, headWentBack, historyGap, inconsistent, otherCluster } from './ended.js';
import { watchLimits, type WatchLimits } from './limits.js';
import { answersProgress, noProgressNote } from './progressproof.js';

export interface WatchBatch {
  revisions: WholeRevision[];
  position: Position;
}

export interface WatchOptions {
  prefixes: PrefixSet;
  /** All records up to here are known already. */
  after: Position;
  limits: WatchLimits;
  /** The cluster that `after` is a position in; another one is an error. */
  clusterId: string;
  /**
   * The store may lack revisions, so that one which is left out proves no loss: a target that was
   * restored from a base has no rows of foreign revisions up to its seed's head.
   */
  sparse?: boolean;
  /** Ends the watch quietly. */
  signal: AbortSignal;
  /** Told that the whole key space is watched from now on, and why. */
  onNote?: OnNote;
  /** From its abort on it is asked ten times as often how far the store is: somebody waits for that. */
  urgent?: AbortSignal;
}

/** How often a progress answer is asked for. */
const PROGRESS_INTERVAL_MS = 100;
const URGENT_INTERVAL_MS = 10;
/** Asked again after so long: etcd drops the question while the watch has not caught up. */
const PROGRESS_ANSWER_MS = 1000;
/** One that has answered none for so long may never do. */
const UNHEARD_MS = 3000;
/** A watch that says nothing for so long while the head moves on is dead, whatever TCP thinks. */
const SILENCE_MS = 15_000;

/**
 * Ends only by an error, or when the caller stops reading.
 * @throws LockstepError HISTORY_GAP when the source has compacted past `after`; its `revision` is
 *   the compact revision. SOURCE_CHANGED for another cluster or a head below `after`; of a target,
 *   TARGET_NOT_OURS and TARGET_HEAD_OFF. SOURCE_INCONSISTENT or TARGET_INCONSISTENT when the watch
 *   left out revisions. UNAVAILABLE when the stream broke.
 */
export async function* watchRevisions(
  client: EtcdClient,
  options: WatchOptions,
): AsyncGenerator<WatchBatch> {
  try {
    yield* watchOnce(client, options);
  } catch (error) {
    if (!options.signal.aborted || !(error instanceof LockstepError)) throw error;
  }
}

/** A change of roles just before the watch makes its token stale; two refusals in a row are meant. */
async function* watchOnce(client: EtcdClient, given: WatchOptions): AsyncGenerator<WatchBatch> {
  const options = { ...given };
  let begun = false;
  for (let first = true; ; first = false) {
    // Before the watch, because this asks for a new token where there is need; a watch with a stale
    // one is merely refused.
    await checkHead(client, options);
    if (losesEvents(options.limits)) await refuseLostEvent(client, options);
    if (options.signal.aborted) return;
    try {
      for await (const batch of readStream(client, await client.watch(), options)) {
        begun = true;
        options.after = batch.position;
        yield batch;
      }
    } catch (error) {
      if (error instanceof NoProgress) {
        // Also for whoever has the same limits and makes the watch anew.
        options.limits.progressIsProof = false;
        options.onNote?.(noProgressNote(client.side));
        continue;
      }
      const refused = hasCode(error, 'PERMISSION') || isStaleToken(error);
      if (begun || !first || !refused) throw error;
    }
  }
}

async function* readStream(
  client: EtcdClient,
  stream: WatchStream,
  options: WatchOptions,
): AsyncGenerator<WatchBatch> {
  const reader = new WatchReader(options, client.side);
  const pulse = new Pulse(client, options, stream, reader);
  const stop = () => {
    stream.cancel();
  };
  options.signal.addEventListener('abort', stop);
  // One that has fired already fires no event.
  if (options.signal.aborted) stop();
  try {
    start(stream, options);
    for await (const message of stream.messages()) {
      pulse.heard(message);
      if (message.created && !message.canceled) await checkHead(client, options);
      const batch = reader.read(message);
      if (batch) yield batch;
      pulse.listen();
    }
    throw new LockstepError('UNAVAILABLE', `the ${client.side} ended the watch`, {
      side: client.side,
    });
  } catch (error) {
    if (pulse.bug) throw pulse.bug.error;
    throw pulse.noProgress ? new NoProgress() : error;
  } finally {
    options.signal.removeEventListener('abort', stop);
    pulse.stop();
    stream.cancel();
  }
}

/** The endpoint drops questions for progress. */
class NoProgress extends Error {}

/**
 * Asks for progress, and cancels a stream that has gone silent while the source moves on, or whose
 * endpoint answers no such question.
 */
class Pulse {
  /** Why the stream was cancelled, if it was for that. */
  noProgress = false;
  bug: { error: unknown } | undefined;
  #askedMs: number | undefined;
  #listeningSince: number | undefined = Date.now();
  /** When the first question was asked; undefined once one was answered, or it is known why not. */
  #unheardSince: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly client: EtcdClient,
    private readonly options: WatchOptions,
    private readonly stream: WatchStream,
    private readonly reader: { readonly position: Position },
  ) {
    const { limits, urgent } = options;
    if (limits.progressIsProof) this.#unheardSince = Date.now();
    this.#begin();
    urgent?.addEventListener('abort', this.#begin);
  }

  /** From now on, as often as it is worth now. */
  readonly #begin = (): void => {
    clearInterval(this.#timer);
    const isUrgent = this.options.urgent?.aborted === true;
    this.#timer = setInterval(this.#tick, isUrgent ? URGENT_INTERVAL_MS : PROGRESS_INTERVAL_MS);
  };

  readonly #tick = (): void => {
    this.#ask();
    if (isOver(this.#unheardSince, UNHEARD_MS)) {
      this.#unheardSince = undefined;
      this.#look(() => this.#dropsQuestions());
    }
    if (!isOver(this.#listeningSince, SILENCE_MS)) return;
    this.listen();
    this.#look(() => this.#isBehind());
  };

  /** Cancels the stream where it is of no use, or nobody can tell. */
  #look(useless: () => Promise<boolean>): void {
    useless().then(
      (is) => {
        if (is) this.stream.cancel();
      },
      (error: unknown) => {
        if (!(error instanceof LockstepError)) this.bug = { error };
        this.stream.cancel();
      },
    );
  }

  async #isBehind(): Promise<boolean> {
    const { revision } = await this.client.head(probeKey(this.options.prefixes));
    return revision > this.reader.position;
  }

  async #dropsQuestions(): Promise<boolean> {
    if (await answersProgress(this.client, probeKey(this.options.prefixes))) return false;
    this.noProgress = true;
    return true;
  }

  heard(message: pb.WatchResponse): void {
    if (message.events.length === 0) this.#askedMs = undefined;
    if (message.events.length === 0 && !message.created) this.#unheardSince = undefined;
    this.#listeningSince = undefined;
  }

  /** The reader waits for the next message from now on. */
  listen(): void {
    this.#listeningSince = Date.now();
  }

  stop(): void {
    this.options.urgent?.removeEventListener('abort', this.#begin);
    clearInterval(this.#timer);
  }

  /** One question at a time, so that they do not pile up on a slow stream. */
  #ask(): void {
    const now = Date.now();
    if (this.#askedMs !== undefined && now - this.#askedMs < PROGRESS_ANSWER_MS) return;
    this.#askedMs = now;
    this.stream.send({ progressRequest: {} });
  }
}

function isOver(sinceMs: number | undefined, ms: number): boolean {
  return sinceMs !== undefined && Date.now() - sinceMs >= ms;
}

function losesEvents({ version, progressIsProof }: WatchLimits): boolean {
  return !progressIsProof && !watchLimits(version).progressIsProof;
}

function watched({ prefixes, limits }: WatchOptions): KeyRange {
  return limits.progressIsProof ? hull(prefixes) : WHOLE_STORE;
}

function start(stream: WatchStream, options: WatchOptions): void {
  const { key, rangeEnd } = watched(options);
  stream.send({
    createRequest: {
      key,
      rangeEnd,
      startRevision: options.after + 1,
      fragment: true,
      progressNotify: true,
    },
  });
}

/** Old servers may have lost a deletion at their compact revision: a watch may not begin there. */
async function refuseLostEvent(
  client: EtcdClient,
  { after, prefixes }: WatchOptions,
): Promise<void> {
  const compacted = await compactRevision(client, probeKey(prefixes));
  if (compacted > after) throw historyGap(compacted, client.side);
}

/** etcd takes a watch from the future without a word and then skips everything below it. */
async function checkHead(client: EtcdClient, { after, prefixes }: WatchOptions): Promise<void> {
  const { revision } = await client.head(probeKey(prefixes));
  if (revision >= after) return;
  throw headWentBack(revision, after, client.side);
}

/** Joins messages into whole revisions; holds at most one revision and one message. */
class WatchReader {
  #position: Position;
  #open: WholeRevision | undefined;
  /** The revision of the last event of any key; on a whole-store watch it may not jump. */
  #lastSeen: Revision;
  readonly #options: WatchOptions;
  readonly #side: Side;

  constructor(options: WatchOptions, side: Side) {
    this.#options = options;
    this.#side = side;
    this.#position = options.after;
    this.#lastSeen = options.after;
  }

  get position(): Position {
    return this.#position;
  }

  read(message: pb.WatchResponse): WatchBatch | undefined {
    const header = readHeader(message.header);
    this.#checkCluster(header.clusterId);
    if (message.canceled) throw cancelled(message, this.#side, watched(this.#options));
    if (message.created) return undefined;
    if (message.events.length === 0) return this.#progress(header.revision);
    const done: WholeRevision[] = [];
    for (const event of message.events) this.#take(event, done);
    if (!message.fragment) this.#close(done);
    if (this.#lastSeen <= this.#position) return undefined;
    // While a revision is open, only what lies below it is proven.
    this.#position = proven(message.fragment ? this.#lastSeen - 1 : this.#lastSeen);
    return { revisions: done, position: this.#position };
  }

  #progress(revision: Revision): WatchBatch | undefined {
    if (!this.#options.limits.progressIsProof || revision <= this.#position) return undefined;
    if (this.#open)
      throw inconsistent(`a progress answer inside revision ${this.#open.revision}`, this.#side);
    this.#lastSeen = revision;
    this.#position = proven(revision);
    return { revisions: [], position: this.#position };
  }

  #take(event: pb.Event.$Properties, done: WholeRevision[]): void {
    const kv = parseKeyValue(event.kv ?? new Uint8Array());
    const revision = safeRevision(kv.modRevision);
    // Old servers send events twice.
    if (revision <= this.#position) return;
    if (revision < this.#lastSeen)
      throw inconsistent(`revision ${revision} came after ${this.#lastSeen}`, this.#side);
    if (revision > this.#lastSeen) {
      if (this.#leftOut(revision))
        throw inconsistent(`it went from revision ${this.#lastSeen} to ${revision}`, this.#side);
      this.#close(done);
      this.#lastSeen = revision;
    }
    if (!this.#options.prefixes.covers(kv.key)) return;
    this.#open ??= { revision, records: [] };
    const tombstone = event.type === pb.Event.EventType.DELETE;
    this.#open.records.push({
      main: revision,
      sub: this.#open.records.length,
      tombstone,
      key: kv.key,
      bytes: tombstone ? encodeKeyValue({ key: kv.key }) : (event.kv as Buffer),
    });
  }

  /** Where the whole store is watched, every revision shows up. */
  #leftOut(revision: Revision): boolean {
    const { limits, sparse = false } = this.#options;
    return !limits.progressIsProof && !sparse && revision !== this.#lastSeen + 1;
  }

  #close(done: WholeRevision[]): void {
    if (this.#open) done.push(this.#open);
    this.#open = undefined;
  }

  #checkCluster(clusterId: string): void {
    if (clusterId === this.#options.clusterId) return;
    throw otherCluster(clusterId, this.#options.clusterId, this.#side);
  }
}
