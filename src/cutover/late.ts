/**
 * Late writes: whatever is written under the prefixes on an etcd after it was taken leave of.
 *
 * They are nowhere but there. Somebody was forgotten (an apiserver, a job with an etcdctl), or a
 * request that was let in before the freeze took this long.
 */
import { describeKey } from '../audit/report.js';
import { backoffMs, pause } from '../backoff.js';
import { hasCode, LockstepError, passes } from '../errors.js';
import { keyOf, parseKeyValue } from '../mvcc/keyvalue.js';
import { prefixRange, probeKey, type PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { proven } from '../position.js';
import { watchLimits } from '../source/limits.js';
import { readPages } from '../source/pages.js';
import { steadyRevisions } from '../source/steady.js';
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

export class LateWrites {
  /** The first of them. */
  readonly named: LateWrite[] = [];
  count = 0;
  #position: Revision;

  /**
   * @param after the last revision at which the target was the source's copy
   * @param onWrite called for each
   */
  constructor(
    private readonly source: EtcdClient,
    private readonly prefixes: PrefixSet,
    after: Revision,
    private readonly onWrite: (write: LateWrite) => void,
  ) {
    this.#position = after;
  }

  /** All that were made up to this revision of the source are known. */
  get position(): Revision {
    return this.#position;
  }

  /** What has come so far was dealt with. */
  forget(): void {
    this.named.length = 0;
    this.count = 0;
  }

  /**
   * Watches until `signal` aborts. What the source has compacted meanwhile is looked up instead, and
   * one that is away is waited for: nobody may miss a late write, nor stop a cutover, because of that.
   */
  async run(signal: AbortSignal): Promise<void> {
    let compacted = false;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        if (compacted) await this.#lookUp(signal);
        compacted = false;
        await this.#watch(signal);
      } catch (error) {
        if (hasCode(error, 'HISTORY_GAP', 'COMPACTED')) compacted = true;
        else if (!passes(error)) throw error;
        else await pause(backoffMs(attempt), signal);
      }
    }
  }

  /** @throws LockstepError LATE_WRITE if there was any */
  refuseAny(): void {
    const [first] = this.named;
    if (!first) return;
    throw new LockstepError(
      'LATE_WRITE',
      `${this.count} keys were written on the source after the target was taken over, first ${first.key} at revision ${first.revision}`,
      {
        disposition: 'fatal',
        revision: first.revision,
        hint: 'No apiserver has moved, so the source has everything: go back with `etcd-lockstep rollback`, find the writer, and seed a new target.',
      },
    );
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { version, clusterId } = await this.source.status();
    const options = {
      prefixes: this.prefixes,
      after: proven(this.#position),
      limits: watchLimits(version),
      clusterId,
      signal,
    };
    for await (const { revisions, position } of steadyRevisions(this.source, options)) {
      for (const { records } of revisions)
        for (const { key, main, tombstone } of records) this.#found(key, main, tombstone);
      this.#position = position;
    }
  }

  /**
   * Deletions cannot be seen this way; the counts of an audit of values would show them. Where it
   * breaks off and begins anew, some are told twice.
   */
  async #lookUp(signal: AbortSignal): Promise<void> {
    const { revision } = await this.source.head(probeKey(this.prefixes));
    for (const prefix of this.prefixes.list)
      for await (const { rows } of readPages(this.source, prefixRange(prefix), revision)) {
        if (signal.aborted) return;
        for (const row of rows) {
          const { modRevision } = parseKeyValue(row);
          if (modRevision > this.#position) this.#found(keyOf(row), modRevision, false);
        }
      }
    this.#position = revision;
  }

  #found(key: Buffer, revision: Revision, deleted: boolean): void {
    const write = { ...describeKey(key), revision, deleted };
    this.count++;
    if (this.named.length < MAX_NAMED) this.named.push(write);
    this.onWrite(write);
  }
}
