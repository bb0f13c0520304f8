/**
 * Late writes: whatever is written under the prefixes on an etcd after it was taken leave of.
 *
 * They are nowhere but there. Somebody was forgotten (an apiserver, a job with an etcdctl), or a
 * request that was let in before the freeze took this long.
 *
 * That none has come is proven only up to where the watch is. So whoever relies on it reads the head
 * first and waits until the watch has passed it ({@link LateWrites.passed}): a watch that is slow, silent
 * or cut off proves nothing.
 */
import { lastValueFrom } from 'rxjs';
import { pause, untilAnswered } from '../async/again.js';
import type { Attempts } from '../async/patience.js';
import { describeKey } from '../audit/report.js';
import { hasCode, LockstepError } from '../errors.js';
import { keyOf, modRevisionOf } from '../mvcc/keyvalue.js';
import { probeKey, type PrefixSet } from '../mvcc/prefix.js';
import type { WholeRevision } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { proven } from '../position.js';
import { watchLimits, type WatchLimits } from '../source/limits.js';
import { readPrefixes } from '../source/prefixes.js';
import { revisions$ } from '../source/revisions.js';
import type { WatchBatch } from '../source/watch.js';
import type { EtcdClient } from '../wire/client.js';

export interface LateWrite {
  key: string;
  /** Where the key is no UTF-8. */
  keyBase64?: string;
  revision: Revision;
  deleted: boolean;
}

/** So many are kept by name; more are only counted. */
const MAX_NAMED = 100;
const POLL_MS = 10;
/** A watch is a little behind; for longer it is worth a word. */
const SOON_MS = 1000;

interface LateWritesOptions {
  /** A connection of its own: the watch must not stand in line. */
  client: EtcdClient;
  /** The cluster that `after` is a revision of; no other one's watch proves anything. */
  clusterId: string;
  prefixes: PrefixSet;
  /** The last revision at which nothing was late. */
  after: Revision;
  /** Called for each. */
  onWrite: (write: LateWrite, key: Buffer) => void;
  /**
   * Whether a revision is of our own making. Where that is asked, what the etcd has compacted cannot be
   * looked up, for rows do not say who wrote them: {@link LateWrites.run} ends with HISTORY_GAP.
   */
  isOwn?: (revision: WholeRevision) => Promise<boolean>;
  /** Told when the watch does not come to where it has to. */
  tell: Attempts;
  /** See WatchOptions. */
  onNote: (note: string) => void;
}

export class LateWrites {
  /** The first of them. */
  readonly named: LateWrite[] = [];
  count = 0;
  #position: Revision;

  constructor(private readonly o: LateWritesOptions) {
    this.#position = o.after;
  }

  /** All that were made up to this revision are known. */
  get position(): Revision {
    return this.#position;
  }

  /** What has come so far was dealt with. */
  forget(): void {
    this.named.length = 0;
    this.count = 0;
  }

  /**
   * Waits until all that were made up to this moment are known. It has no limit of its own: whoever gives
   * up waiting must not act as if there were none.
   * @returns the head that was passed
   */
  async passed(signal: AbortSignal): Promise<Revision> {
    const { client, prefixes, tell } = this.o;
    const key = probeKey(prefixes);
    const ask = () => client.head(key);
    const { revision } = await untilAnswered(signal, ask, tell);
    const since = performance.now();
    while (this.#position < revision) {
      if (performance.now() - since > SOON_MS) tell.failed(this.#behind(revision));
      await pause(POLL_MS, signal);
      signal.throwIfAborted();
    }
    tell.answered();
    return revision;
  }

  #behind(head: Revision): LockstepError {
    const { side } = this.o.client;
    return new LockstepError(
      'UNAVAILABLE',
      `the ${side}'s watch has come to revision ${this.#position}, and its head is ${head}: whether something was written late is not known yet`,
      {
        side,
        revision: this.#position,
        hint: `Nothing goes on before it is. Is the network to the ${side} slow, or is a proxy in between?`,
      },
    );
  }

  /**
   * Watches until `signal` aborts. What the etcd has compacted meanwhile is looked up instead, and
   * one that is away is waited for: nobody may miss a late write, nor stop a cutover, because of that.
   * @throws LockstepError HISTORY_GAP where what is our own has to be told from what is late
   */
  async run(signal: AbortSignal): Promise<void> {
    const { client, clusterId, prefixes, isOwn, onNote, tell: told } = this.o;
    let limits: WatchLimits | undefined;
    const begin = async () => {
      limits ??= watchLimits((await client.status()).version);
      return { after: proven(this.#position), limits };
    };
    const bridge = isOwn ? undefined : async () => this.#lookUpOrAgain(signal);
    await lastValueFrom(
      revisions$(
        client,
        { prefixes, clusterId, begin, bridge, signal, onNote, told },
        async (batch) => this.#take(batch),
      ),
      { defaultValue: undefined },
    );
  }

  /** @throws LockstepError LATE_WRITE if there was any, while no apiserver has moved */
  refuseAny(): void {
    const [first] = this.named;
    if (!first) return;
    throw new LockstepError(
      'LATE_WRITE',
      `${this.count} keys were written on the source after the target was taken over, first ${first.key} at revision ${first.revision}`,
      {
        revision: first.revision,
        hint: 'No apiserver has moved, so the source has everything: go back with `etcd-lockstep rollback`, find the writer, and seed a new target.',
      },
    );
  }

  async #take({ revisions, position }: WatchBatch): Promise<void> {
    for (const whole of revisions) {
      if (await this.o.isOwn?.(whole)) continue;
      for (const { key, main, tombstone } of whole.records) this.#found(key, main, tombstone);
    }
    this.#position = position;
  }

  /** Compacted once more while it was looked up: the watch says so, and it is done again. */
  async #lookUpOrAgain(signal: AbortSignal): Promise<void> {
    try {
      await this.#lookUp(signal);
    } catch (error) {
      if (!hasCode(error, 'COMPACTED')) throw error;
    }
  }

  /**
   * Deletions cannot be seen this way; the counts of an audit of values would show them. Where it
   * breaks off and begins anew, some are told twice.
   */
  async #lookUp(signal: AbortSignal): Promise<void> {
    const { client, prefixes } = this.o;
    const { revision } = await client.head(probeKey(prefixes));
    for await (const { rows } of readPrefixes(client, prefixes, { revision })) {
      if (signal.aborted) return;
      for (const row of rows) {
        const modRevision = modRevisionOf(row);
        if (modRevision > this.#position) this.#found(keyOf(row), modRevision, false);
      }
    }
    this.#position = revision;
  }

  #found(key: Buffer, revision: Revision, deleted: boolean): void {
    const write = { ...describeKey(key), revision, deleted };
    this.count++;
    if (this.named.length < MAX_NAMED) this.named.push(write);
    this.o.onWrite(write, key);
  }
}
