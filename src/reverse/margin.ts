/**
 * The margin: the source's head stays above the target's, so that what is brought lands there above the
 * revision that it has on the target.
 *
 * Invariant: a change that has revision r on the target is sent on the strength of the cursor having been
 * put at a revision of the source that is not below r. So it lands above r, or not at all; etcd itself
 * checks it, in the same transaction, whatever became of the heads meanwhile, and whoever sends it late.
 * Where the cursor is older than that it is put anew first, and where the source's head is, fillers come
 * before (target/fillers.ts).
 *
 * Beside that the head is kept up, so that nobody has to wait for fillers when a change comes. Both heads
 * move: the source's with all the rest of the cluster, the target's with our prefixes. So it is hardly ever
 * raised again after the first time.
 *
 * Dropped: to compare the revision in the answer. Then the change is there already.
 */
import { untilAnswered } from '../async/again.js';
import type { Attempts } from '../async/patience.js';
import { LockstepError } from '../errors.js';
import type { Revision } from '../mvcc/revision.js';
import type { Heads } from '../proof/servedfrom.js';
import { raiseHead } from '../target/fillers.js';
import type { EtcdClient } from '../wire/client.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';

interface MarginOptions {
  source: EtcdClient;
  /** The source's head first. */
  heads: () => Promise<Heads>;
  /** Revisions above the target's head. */
  margin: number;
  /** What must hold for each filler: that nobody has ended the reverse. */
  guard: () => pb.Compare.$Properties[];
  tell: Attempts;
}

export class Margin {
  #heads: Heads | undefined;

  constructor(private readonly o: MarginOptions) {}

  /** As they were asked last. */
  get heads(): Heads | undefined {
    return this.#heads;
  }

  /** Raises the source's head to the margin, where less than half of it is left. */
  async keepUp(signal: AbortSignal): Promise<void> {
    const { margin } = this.o;
    const { source, target } = (this.#heads = await this.o.heads());
    if (source < target + margin / 2) await this.#raise(target + margin, signal);
  }

  /** Raises the source's head to a revision of the target at least; nothing that passes ends it. */
  async reach(revision: Revision, signal: AbortSignal): Promise<void> {
    const once = async () => {
      const { source } = (this.#heads = await this.o.heads());
      if (source < revision) await this.#raise(revision + this.o.margin, signal);
    };
    await untilAnswered(signal, once, this.o.tell);
  }

  async #raise(goal: Revision, signal: AbortSignal): Promise<void> {
    const { source, guard, tell } = this.o;
    const { head, held } = await raiseHead(source, goal, guard(), signal, tell);
    if (this.#heads) this.#heads = { ...this.#heads, source: head };
    if (held || signal.aborted) return;
    throw new LockstepError('TARGET_TAKEN_OVER', 'the cursor on the source is gone', {
      side: 'source',
      hint: 'A rollback has ended this, or somebody deleted the key. `etcd-lockstep status` says how far it is.',
    });
  }
}
