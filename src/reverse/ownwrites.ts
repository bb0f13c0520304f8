/**
 * Own writes told from late ones, and none put over one that nobody has seen.
 *
 *   seen   the watch on the source has come so far: every write up to there is known, ours or late
 *   own    what we have written above that: key, and the revision that we left it at
 *
 * Invariant: a key is written only if it is on the source as we left it, where we have written it above
 * `seen`, and not newer than `seen` else. etcd checks that in the transaction. So whatever is replaced was
 * known before, and was told if it was late. A write that is refused waits until the watch has passed the
 * head of the source, and is tried again on the strength of that.
 *
 * What is ours shows in the cursor: at the revision of one of our writes it was put, too. That is asked of
 * the source only for what is not remembered: writes of a run before, and late ones.
 *
 * Dropped: to watch the cursor beside the data. One watch covers both only with all that lies between them,
 * which is most of Kubernetes; and two watches do not come in step.
 */
import { pause } from '../async/again.js';
import { Wakeup } from '../async/wakeup.js';
import type { Conditions } from '../mirror/writer.js';
import { prefixRange, type PrefixSet } from '../mvcc/prefix.js';
import type { Record, WholeRevision } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import type { LateWrites } from '../proof/latewrites.js';
import { historyGap } from '../source/ended.js';
import { isOfReverse } from '../target/reversecursor.js';
import { allOlder, modBelow, modIs } from '../target/txn.js';
import type { EtcdClient } from '../wire/client.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';

/** Keys in one transaction that are guarded one by one; above that all keys together are. */
const MAX_EACH = 50;
/** So many writes ahead of the watch, no more. */
const MAX_AHEAD = 1000;
/** The answer to a write may come a little later than the watch has it. */
const ANSWER_MS = 100;
/** So many keys are remembered of the watches before. Behind that our own may be taken for late, never a late one for ours. */
const MAX_BEFORE = 10_000;

interface Own {
  at: Revision;
  /** 0: we have deleted it. */
  mod: Revision;
}

interface OwnWritesOptions {
  source: EtcdClient;
  /** The cursor. */
  key: Buffer;
  prefixes: PrefixSet;
  /** What we have written, by its key, lies on the source; at this revision. The watch may be further already. */
  onWrote: (key: Buffer, at: Revision) => void;
}

export class OwnWrites implements Conditions {
  #written = new Map<string, Own>();
  /** Likewise, when each of the watches before this one ended. */
  readonly #before = new Map<string, Own>();
  #revisions: Revision[] = [];
  #pending = false;
  readonly #answered = new Wakeup();
  #watch: Pick<LateWrites, 'position' | 'passed'> | undefined;
  #signal = AbortSignal.abort();

  constructor(private readonly o: OwnWritesOptions) {}

  /** @param watch that brings all writes on the source from now on */
  begin(watch: Pick<LateWrites, 'position' | 'passed'>, signal: AbortSignal): void {
    this.#watch = watch;
    this.#signal = signal;
    this.#remember();
    this.#revisions = [];
    this.#pending = false;
  }

  async compare(records: readonly Record[], refused: boolean): Promise<pb.Compare.$Properties[]> {
    const watch = this.#watch;
    if (!watch || records.length === 0) return [];
    // It has its answer. What the watch brings meanwhile must not wait for another one.
    if (refused) this.#pending = false;
    const many = records.length > MAX_EACH;
    if (refused || many || this.#revisions.length >= MAX_AHEAD) await watch.passed(this.#signal);
    this.#forgetUpTo(watch.position);
    this.#pending = true;
    const next = watch.position + 1;
    if (many) return this.o.prefixes.list.map((prefix) => allOlder(prefixRange(prefix), next));
    return records.map(({ key }) => {
      const own = this.#written.get(key.toString('latin1'));
      return own ? modIs(key, own.mod) : modBelow(key, next);
    });
  }

  wrote(records: readonly Record[], at: Revision): void {
    for (const { key, tombstone } of records) {
      const name = key.toString('latin1');
      // The order is that of revisions.
      this.#written.delete(name);
      this.#written.set(name, { at, mod: tombstone ? 0 : at });
      this.o.onWrote(key, at);
    }
    if (records.length > 0) this.#revisions.push(at);
    this.#pending = false;
    this.#answered.wake();
  }

  /** Whether we have written this key above this revision. */
  wroteAbove(key: Buffer, revision: Revision): boolean {
    return (this.#written.get(key.toString('latin1'))?.at ?? 0) > revision;
  }

  /** Whether we, or a run before, have left this key at this revision of the source. Not known any more is no. */
  async wasOurs(key: Buffer, mod: Revision): Promise<boolean> {
    const name = key.toString('latin1');
    if ([this.#written, this.#before].some((left) => left.get(name)?.mod === mod)) return true;
    return (await isOfReverse(this.o.source, this.o.key, mod)) ?? false;
  }

  /**
   * Whether a revision of the source is a write of ours, or of a run before.
   * @throws LockstepError HISTORY_GAP where that cannot be told any more
   */
  async isOwn({ revision }: WholeRevision): Promise<boolean> {
    const seen = this.#answered.generation;
    if (this.#revisions.includes(revision)) return true;
    if (this.#pending) {
      await Promise.race([this.#answered.after(seen, this.#signal), pause(ANSWER_MS)]);
      if (this.#revisions.includes(revision)) return true;
    }
    const own = await isOfReverse(this.o.source, this.o.key, revision);
    if (own === undefined) throw historyGap(revision, 'source');
    return own;
  }

  /** Where several watches have ended before both sides were compared, what any of them had not seen counts. */
  #remember(): void {
    for (const [name, own] of this.#written) {
      this.#before.delete(name);
      this.#before.set(name, own);
    }
    this.#written = new Map();
    for (const name of this.#before.keys()) {
      if (this.#before.size <= MAX_BEFORE) break;
      this.#before.delete(name);
    }
  }

  #forgetUpTo(position: Revision): void {
    const first = this.#revisions.findIndex((revision) => revision > position);
    this.#revisions.splice(0, first < 0 ? this.#revisions.length : first);
    for (const [name, { at }] of this.#written) {
      if (at > position) break;
      this.#written.delete(name);
    }
  }
}
