/**
 * The target as a mirror writes to it: each transaction moves the cursor, and is guarded by it.
 *
 * The algorithm. Every write says "the cursor was last written at revision m of the target", which
 * etcd checks in the same transaction, and rewrites the cursor. So of all writes that were ever sent
 * on the strength of m at most one takes effect, whoever sent it, however often and late.
 *   answer lost   the cursor is read. Was it moved, and by us, then by that write, since there is
 *                 never more than one on its way: it is done. Was it not, the same write is sent
 *                 again, with the same guard: of the two only one can take effect.
 *   guard failed  the cursor is read likewise: either it was ours (sent before, landed late), or
 *                 somebody else's name stands there. Then that one writes, and we stop.
 *   starting      whoever starts claims the cursor: a write without data that puts its own name in.
 *                 After that all writes of a dead process are void, and a live one will notice.
 *
 * The invariant: the data in the target's prefix is what the cursor beside it says.
 */
import { randomUUID } from 'node:crypto';
import { Backoff, pause } from '../async/again.js';
import { hasCode, passes, type LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { LeaseKeeper } from '../leases/keeper.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import type { Record } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { modIs, nest, put } from '../target/txn.js';
import type { EtcdClient } from '../wire/client.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';
import { isTooManyBytes } from '../wire/grpcerrors.js';
import { refused } from './refused.js';

/** How one kind of cursor is written, and what is said of one that is not ours. */
export interface CursorFormat<S> {
  /** @param writer random id of the process */
  encode: (state: S, writer: string) => Buffer;
  /** @throws LockstepError for what is no such cursor */
  parse: (value: Buffer) => Found<S>;
  /** Somebody else writes it. */
  other: (writer: string) => LockstepError;
  /** It is not what was left there. @param how `gone`, or `older than it was` */
  lost: (how: string, head: Revision) => LockstepError;
}

/** A cursor as it stands there. */
interface Found<S> {
  state: S;
  writer: string;
}

/** What has to hold for a write besides the cursor. */
export interface Conditions {
  /**
   * Asked before each try.
   * @param refused whether the try before was answered, and without effect
   */
  compare: (records: readonly Record[], refused: boolean) => Promise<pb.Compare.$Properties[]>;
  /** The write has taken effect, at this revision. */
  wrote: (records: readonly Record[], at: Revision) => void;
}

interface WriterOptions<S> {
  target: EtcdClient;
  /** Name of the cursor. */
  key: Buffer;
  format: CursorFormat<S>;
  maxTxnOps: number;
  leases: Pick<LeaseKeeper, 'ensure' | 'forget'>;
  conditions?: Conditions;
  /** Called when a write failed in a way that passes; it is tried again. */
  onRetry: (error: LockstepError) => void;
  onWritten: (cursorMod: Revision) => void;
}

/** A dead process leaves one write behind; a claim that fails more often meets somebody alive. */
const CLAIMS = 5;
const CLAIM_PAUSE_MS = 20;

export class Writer<S> {
  readonly id = randomUUID();
  readonly written = { transactions: 0, puts: 0, deletions: 0, bytes: 0 };
  #mod: Revision = 0;
  #state: S | undefined;

  constructor(private readonly options: WriterOptions<S>) {}

  /** The target's revision at which the cursor was written last. */
  get cursorMod(): Revision {
    return this.#mod;
  }

  /** What the cursor says, as far as it is confirmed; undefined before it was claimed. */
  get claimed(): S | undefined {
    return this.#state;
  }

  /** The same where it has been claimed. */
  get state(): S {
    if (!this.#state) throw new Error('the cursor has not been claimed');
    return this.#state;
  }

  /** The cursor as it is; undefined where there is none. */
  async read(): Promise<{ cursor: Found<S> | undefined; mod: Revision; head: Revision }> {
    const { key, target, format } = this.options;
    const { header, rows } = await target.few({ key });
    if (!rows[0]) return { cursor: undefined, mod: 0, head: header.revision };
    const { value, modRevision } = parseKeyValue(rows[0]);
    return { cursor: format.parse(value), mod: modRevision, head: header.revision };
  }

  /**
   * Puts our name into the cursor. Nothing is tried again but a claim that met a late write.
   * @param first what the cursor says where there was none
   * @param until who knows that somebody alive is about to end goes on for so long
   * @returns the cursor's revision before that; 0 where there was none
   * @throws LockstepError TARGET_TAKEN_OVER where somebody else keeps writing it
   */
  async claim(first: S, until = AbortSignal.abort()): Promise<Revision> {
    const { format } = this.options;
    for (let tries = 0; tries < CLAIMS || !until.aborted; tries++) {
      if (tries >= CLAIMS) await pause(CLAIM_PAUSE_MS, until);
      const { cursor, mod } = await this.read();
      const state = cursor?.state ?? first;
      this.#mod = mod;
      if (!(await this.#send([], [], format.encode(state, this.id)))) continue;
      this.#state = state;
      failpoint('mirror.copy.claimed');
      return mod;
    }
    throw format.other((await this.read()).cursor?.writer ?? 'unknown');
  }

  /**
   * Writes records and the new cursor, once, however often it takes.
   * @param end of everything: after that the outcome may stay unknown
   * @returns false where it was given up because of that; nothing may be written any more then
   * @throws BatchRefused where smaller batches may do
   * @throws LockstepError TARGET_TAKEN_OVER, REQUEST_TOO_LARGE, TARGET_HEAD_OFF, …
   */
  async commit(records: readonly Record[], state: S, end: AbortSignal): Promise<boolean> {
    const { leases, conditions, format, onRetry } = this.options;
    const value = format.encode(state, this.id);
    let [doubt, refusal] = [false, false];
    const backoff = new Backoff(end);
    while (true) {
      try {
        if (doubt && (await this.#landed())) break;
        await leases.ensure({ revision: 0, records: records as Record[] });
        const more = (await conditions?.compare(records, refusal)) ?? [];
        if (await this.#send(records, more, value)) break;
        doubt = refusal = true;
      } catch (error) {
        if (isTooManyBytes(error)) throw refused(records, error);
        if (!passes(error)) throw error;
        doubt = true;
        if (hasCode(error, 'NO_LEASE')) leases.forget();
        onRetry(error);
        await backoff.rest();
        if (end.aborted) return false;
      }
    }
    this.#state = state;
    this.#count(records);
    conditions?.wrote(records, this.#mod);
    return true;
  }

  /**
   * Looks whether the cursor is still ours; for when nothing has to be written for long.
   * @throws LockstepError TARGET_TAKEN_OVER, TARGET_HEAD_OFF
   */
  async check(): Promise<void> {
    const before = this.#mod;
    const { cursor, mod, head } = await this.read();
    if (cursor?.writer !== this.id || mod < before) throw this.#notOurs(cursor, head);
  }

  /** Whether the write whose answer we do not know has taken effect. */
  async #landed(): Promise<boolean> {
    const { cursor, mod, head } = await this.read();
    if (mod === this.#mod) return false;
    if (cursor?.writer !== this.id || mod < this.#mod) throw this.#notOurs(cursor, head);
    this.#mod = mod;
    return true;
  }

  async #send(
    records: readonly Record[],
    more: readonly pb.Compare.$Properties[],
    value: Buffer,
  ): Promise<boolean> {
    const { key, target, maxTxnOps, onWritten } = this.options;
    const compare = [modIs(key, this.#mod), ...more];
    const success = [...nest(records, compare.length, 1, maxTxnOps), put(key, value)];
    failpoint('mirror.copy.send');
    const { succeeded, revision } = await target.txn({ compare, success });
    failpoint('mirror.copy.answer');
    if (!succeeded) return false;
    this.#mod = revision;
    onWritten(revision);
    return true;
  }

  #count(records: readonly Record[]): void {
    this.written.transactions++;
    for (const { tombstone, bytes } of records) {
      if (tombstone) this.written.deletions++;
      else this.written.puts++;
      this.written.bytes += bytes.length;
    }
  }

  #notOurs(cursor: Found<S> | undefined, head: Revision): LockstepError {
    const { format } = this.options;
    if (cursor && cursor.writer !== this.id) return format.other(cursor.writer);
    return format.lost(cursor ? 'older than it was' : 'gone', head);
  }
}
