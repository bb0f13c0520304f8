/**
 * The tail of a mirror: source watch ─► backlog ─► target, from the cursor's revision on.
 *
 * Two tasks share the backlog: one reads the watch, from where the backlog ends (source/revisions.ts);
 * the other writes what is there, as much as fits into one transaction, one after another.
 *
 * Where nothing of ours changes nothing is written, and the cursor stays behind while the source moves
 * on and compacts. So it is moved once a minute at most, and at the end: a source is hardly ever
 * compacted so far that this is not enough to resume.
 */
import { lastValueFrom } from 'rxjs';
import type { Attempts, OnNote } from '../async/patience.js';
import { runTogether } from '../async/together.js';
import type { PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { proven } from '../position.js';
import type { WatchLimits } from '../source/limits.js';
import { revisions$ } from '../source/revisions.js';
import type { EtcdClient } from '../wire/client.js';
import { Backlog, type Load, type Mapped } from './backlog.js';
import type { Limits } from './batch.js';

/** How old the cursor of a quiet prefix may become. */
const CURSOR_AGE_MS = 60_000;

/** Where it all goes: each load in one transaction that moves the cursor, once. */
export interface Sink {
  /** What the cursor says. */
  readonly position: Revision;
  /** Whether it says less than there is to say, once everything up to `position` is there. */
  isBehind: (position: Revision) => boolean;
  /**
   * @param end of everything: after that the outcome may stay unknown
   * @returns false where it was given up because of that
   */
  commit: (load: Pick<Load, 'records' | 'position'>, end: AbortSignal) => Promise<boolean>;
}

interface TailOptions {
  /** A connection for the watch alone. */
  watch: EtcdClient;
  map: Mapped & { readonly prefixes: PrefixSet };
  sink: Sink;
  limits: Limits;
  watchLimits: WatchLimits;
  clusterId: string;
  /** Ends when the target has everything up to here; undefined: goes on. */
  until: Revision | undefined;
  /** Hears when the watch breaks, and when it goes on. */
  told: Attempts;
  /** See WatchOptions. */
  onNote: OnNote;
}

export class Tail {
  readonly #backlog: Backlog;
  #position: Revision;
  #writtenMs = performance.now();
  revisions = 0;

  constructor(private readonly options: TailOptions) {
    this.#position = options.sink.position;
    this.#backlog = new Backlog(options.map, proven(this.#position));
  }

  /** The target has everything up to here. */
  get position(): Revision {
    return this.#position;
  }

  /**
   * Runs until a signal aborts or `until` is reached; what is under way is finished. Only at the end of
   * everything may a write be given up whose outcome nobody knows: whoever goes on has to know it.
   * @param end of everything
   * @param pause of the tail; the mirror goes on with something else
   * @throws LockstepError HISTORY_GAP where the source has compacted what comes next
   */
  async run(end: AbortSignal, pause: AbortSignal): Promise<void> {
    const reached = new AbortController();
    const written = { known: true };
    await runTogether(AbortSignal.any([end, pause, reached.signal]), [
      (stop) => this.#read(stop),
      async (stop) => {
        written.known = await this.#write(stop, end);
        reached.abort();
      },
    ]);
    if (written.known) await this.#moveCursor(end);
  }

  /** For when nothing comes: the cursor may be due all the same. */
  nudge(): void {
    this.#backlog.filled.wake();
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { watch, map, watchLimits: limits, clusterId, told, onNote } = this.options;
    const begin = () => Promise.resolve({ after: this.#backlog.position, limits });
    await lastValueFrom(
      revisions$(
        watch,
        { prefixes: map.prefixes, clusterId, begin, signal, told, onNote },
        async (batch) => this.#backlog.add(batch, signal),
      ),
      { defaultValue: undefined },
    );
  }

  /** @returns false where a write was given up */
  async #write(signal: AbortSignal, end: AbortSignal): Promise<boolean> {
    const { limits, until = Number.MAX_SAFE_INTEGER } = this.options;
    while (!signal.aborted && this.#position < until) {
      const seen = this.#backlog.filled.generation;
      const load = this.#backlog.take(limits);
      if (load.records.length > 0) {
        if (!(await this.#commit(load, end))) return false;
        this.revisions += load.revisions;
      } else if (load.position > this.#position) {
        this.#position = load.position;
      } else {
        const due = performance.now() - this.#writtenMs >= CURSOR_AGE_MS;
        if (due && !(await this.#moveCursor(end))) return false;
        await this.#backlog.filled.after(seen, signal);
      }
    }
    return true;
  }

  async #commit(load: Load, end: AbortSignal): Promise<boolean> {
    if (!(await this.options.sink.commit(load, end))) return false;
    this.#position = load.position;
    this.#writtenMs = performance.now();
    return true;
  }

  async #moveCursor(end: AbortSignal): Promise<boolean> {
    if (!this.options.sink.isBehind(this.#position)) return true;
    return this.#commit({ records: [], revisions: 0, position: this.#position }, end);
  }
}
