/** The source: a random history, of which apply's feed gets to know more and more. */
import { Wakeup } from '../../src/async/wakeup.js';
import type { Feed, TargetStanding, Stretch } from '../../src/lockstep/apply.js';
import type { Record, WholeRevision } from '../../src/mvcc/record.js';
import type { Revision } from '../../src/mvcc/revision.js';
import { digest } from '../../src/mvcc/tally.js';
import { proven, type Position } from '../../src/position.js';
import { leftOut } from '../../src/target/stock.js';
import { Store, type Op } from './store.js';

export const PREFIX = '/pods/';

/** What one source revision does to one key; put-delete leaves two rows. */
export interface Change {
  key: number;
  kind: 'put' | 'delete' | 'put-delete';
}

/** Some revisions that touch none of our keys, then one that does. */
export interface Entry {
  gap: number;
  changes: readonly Change[];
}

export class Source implements Feed {
  readonly head: Revision;
  readonly records = new Map<Revision, Record[]>();
  readonly #revealed = new Wakeup();
  #proven: Position;

  /** The feed begins where the base ends: at revision `seeded`, or at the head if that is less. */
  constructor(history: readonly Entry[], tail: number, seeded: Revision) {
    const store = new Store();
    for (const { gap, changes } of history) {
      skip(store, gap);
      store.write(changes.flatMap((change) => toOps(change, store.head)));
    }
    skip(store, tail);
    for (const row of store.rows) {
      if (!row.key.toString().startsWith(PREFIX)) continue;
      this.records.set(row.main, [...(this.records.get(row.main) ?? []), row]);
    }
    this.head = store.head;
    this.#proven = proven(Math.min(seeded, store.head));
  }

  get proven(): Position {
    return this.#proven;
  }

  get hidden(): number {
    return this.head - this.#proven;
  }

  reveal(revisions: number): void {
    this.#proven = proven(Math.min(this.#proven + revisions, this.head));
    this.#revealed.wake();
  }

  /** Our rows of the revisions from `first` to `last`. */
  between(first: Revision, last: Revision): WholeRevision[] {
    const whole = [...this.records].map(([revision, records]) => ({ revision, records }));
    return whole.filter(({ revision }) => revision >= first && revision <= last);
  }

  async *stretches(
    { position: after, cursor }: TargetStanding,
    signal: AbortSignal,
  ): AsyncGenerator<Stretch> {
    for (let at = after; !signal.aborted;) {
      const seen = this.#revealed.generation;
      const end = this.#proven;
      const [missing] = this.between(cursor.revision + 1, Math.min(after, end));
      if (missing) throw leftOut(missing.revision);
      if (end <= at) {
        await this.#revealed.after(seen, signal);
        continue;
      }
      yield { revisions: this.between(at + 1, end), position: end };
      at = end;
    }
  }

  digestBefore(key: Buffer, revision: Revision): Promise<bigint | undefined> {
    const rows = this.between(1, revision - 1).flatMap(({ records }) => records);
    const old = rows.findLast((row) => row.key.equals(key));
    return Promise.resolve(!old || old.tombstone ? undefined : digest(old.bytes));
  }
}

function skip(store: Store, revisions: number): void {
  for (let i = 0; i < revisions; i++)
    store.write([{ key: Buffer.from('/leases/a'), value: Buffer.from('renewed') }]);
}

function toOps({ key: number, kind }: Change, seed: number): Op[] {
  const key = Buffer.from(`${PREFIX}${number}`);
  const put = { key, value: Buffer.from(`${kind} after ${seed}`) };
  return kind === 'put' ? [put] : kind === 'delete' ? [{ key }] : [put, { key }];
}
