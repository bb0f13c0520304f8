/**
 * A claim: this run has the night, until another one claims it.
 *
 *     claim    owner key and state as read  ─►  owner key (its mod_revision is the epoch), a phase
 *     write    owner key at the epoch       ─►  a phase, fillers
 *     look     owner key at the epoch?          before what no guard can reach: hooks, the freeze
 *
 * Invariant: at any moment at most one run's writes can take effect, the last that claimed. A claim is
 * guarded by what was read before, so of two at once one wins, and the other one has to look at what
 * there is now. A write that comes late, from a run that lost the night or died, meets another epoch or
 * another mod_revision of the state, and does nothing.
 *
 * Dropped: a lease as a lock. It runs out while its holder is stopped, and then two go on at once; a
 * number that every write carries needs no clock.
 */
import { untilAnswered } from '../async/again.js';
import type { Attempts } from '../async/patience.js';
import { hasCode, LockstepError } from '../errors.js';
import { parseResource, type Resource } from '../kube/resource.js';
import type { Revision } from '../mvcc/revision.js';
import type { EtcdClient } from '../wire/client.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';
import {
  CUTOVER_KEY,
  encodeCutover,
  type CutoverState,
  type Phase,
  type StoredCutover,
} from './cutoverstate.js';
import {
  encodeOwner,
  otherRun,
  OWNER_KEY,
  parseOwner,
  type Owner,
  type StoredOwner,
} from './nightowner.js';
import { EtcdTarget } from './target.js';
import { modIs, put } from './txn.js';

/** State and owner, as they were looked at. */
export interface Seen {
  stored: StoredCutover;
  owner: StoredOwner | undefined;
}

/** @throws LockstepError TARGET_NOT_OURS where the target was never taken over, or nothing is left of it */
export async function look(target: EtcdClient): Promise<Seen> {
  const { cutover, owner } = await new EtcdTarget(target).read();
  if (!cutover) throw gone();
  return { stored: cutover, owner };
}

export interface ClaimOptions {
  target: EtcdClient;
  /** This run. */
  self: Owner;
  /** Told what stands in the way of a write for long. */
  tell: Attempts;
  signal: AbortSignal;
}

export class Claim {
  /** @param epoch mod_revision of the owner key: what this run's writes are guarded by */
  constructor(
    private readonly o: ClaimOptions,
    private stored: StoredCutover,
    readonly epoch: Revision,
  ) {}

  /**
   * Claims the night, if it is still as it was looked at.
   * @param phase set by the same write
   * @throws LockstepError OTHER_RUN where another run has been there meanwhile
   */
  static async take(options: ClaimOptions, seen: Seen, phase = seen.stored.state.phase) {
    const { target, self, signal } = options;
    const { stored, owner } = seen;
    const ownerMod = owner?.modRevision ?? 0;
    const success = [put(OWNER_KEY, encodeOwner(self))];
    if (phase !== stored.state.phase)
      success.push(put(CUTOVER_KEY, encodeCutover({ ...stored.state, phase })));
    const compare = [modIs(OWNER_KEY, ownerMod), modIs(CUTOVER_KEY, stored.modRevision)];
    const claim = async () => {
      while (true) {
        await target.txn({ compare, success });
        const now = await look(target);
        if (now.owner?.owner.run === self.run)
          return new Claim(options, now.stored, now.owner.modRevision);
        if (now.owner?.modRevision !== owner?.modRevision) throw otherRun(now.owner);
        if (now.stored.modRevision !== stored.modRevision) throw otherRun(now.owner);
        signal.throwIfAborted();
      }
    };
    return untilAnswered(signal, claim, options.tell);
  }

  get state(): CutoverState {
    return this.stored.state;
  }

  /** As it stands on the target by what this run knows. */
  get standing(): StoredCutover {
    return this.stored;
  }

  /** The last revision at which the target was the source's exact copy. */
  get exact(): Revision {
    return this.stored.exact;
  }

  /** What every write of this run on the target is guarded by. */
  get guard(): pb.Compare.$Properties {
    return modIs(OWNER_KEY, this.epoch);
  }

  /**
   * Looks whether this run still has the night.
   * @returns the target's head
   * @throws LockstepError OTHER_RUN, UNAVAILABLE, …
   */
  async check(): Promise<Revision> {
    const { header, rows } = await this.o.target.few({ key: OWNER_KEY });
    const stored = rows[0] && parseOwner(rows[0]);
    if (stored?.modRevision !== this.epoch) throw otherRun(stored);
    return header.revision;
  }

  /**
   * Writes the next phase, and tries until it stands there.
   * @throws LockstepError OTHER_RUN
   */
  async setPhase(phase: Phase): Promise<void> {
    await this.write(phase, []);
  }

  /**
   * The same, with more in the same transaction.
   * @param more operations on other keys of ours
   */
  async write(phase: Phase, more: pb.RequestOp.$Properties[]): Promise<void> {
    const { target, signal, tell } = this.o;
    const step = async () => {
      const compare = [this.guard, modIs(CUTOVER_KEY, this.stored.modRevision)];
      const next = put(CUTOVER_KEY, encodeCutover({ ...this.stored.state, phase }));
      await target.txn({ compare, success: [...more, next] });
      await this.#lookAgain(phase);
    };
    while (this.stored.state.phase !== phase) await untilAnswered(signal, step, tell);
  }

  /** What is there now; the owner may be gone with the last write. */
  async #lookAgain(phase: Phase): Promise<void> {
    const { stored, owner } = await look(this.o.target);
    const done = stored.state.phase === phase && phase === 'retired';
    if (!done && owner?.modRevision !== this.epoch) throw otherRun(owner);
    this.stored = stored;
  }
}

/**
 * Why a run ends: where it has lost the night that is the reason, whatever it met first; its writes are
 * refused by then, and its freeze is another's.
 */
export async function whyEnded(claim: Claim, error: unknown): Promise<unknown> {
  try {
    await claim.check();
  } catch (lost) {
    if (hasCode(lost, 'OTHER_RUN')) return lost;
  }
  return error;
}

/** As the state names them. */
export function resourcesIn({ state }: { state: CutoverState }): Resource[] {
  return state.resources.map(parseResource).filter((resource) => resource !== undefined);
}

function gone(): LockstepError {
  return new LockstepError('TARGET_NOT_OURS', "the cutover's state is not on the target", {
    hint: 'It was never cut over, or was restored meanwhile. Check --dest-endpoints.',
  });
}
