/** The plain mirror as a program has it: two etcds, the keys, and what the commands do with them. */
import type { OnNote } from './async/patience.js';
import { statuses, type StatusesOptions } from './async/statuses.js';
import { auditValues, type ValuesOptions, type ValuesReport } from './audit/values.js';
import type { OnDifference } from './audit/witness.js';
import { Sides, type Ends } from './ends.js';
import { KeyMap } from './mirror/keymap.js';
import { Mirror, type MirrorOptions } from './mirror/mirror.js';
import type { MirrorStatus } from './mirror/mirrorstatus.js';
import { describeClusters, type ClusterFacts } from './report/clusters.js';
import { slashWarnings } from './source/slash.js';
import { MAX_TXN_OPS } from './target/txn.js';
import type { Side } from './wire/side.js';

/** The two etcds of a mirror, which may be one, and the keys. */
export interface PlainMirrorOptions extends Ends {
  /** Keys of the source that begin so; all of them where it is empty. */
  prefix: string;
  /** What stands on the target in its place; default: the same. */
  destPrefix?: string;
  /**
   * What a person should know, from whatever runs: one sentence, without its full stop.
   * @param warn whether somebody should look
   */
  onNote?: OnNote;
}

/** Like `etcd-lockstep mirror`. */
export interface MirrorRequest
  extends
    StatusesOptions,
    Pick<MirrorOptions, 'rev' | 'allowEmpty' | 'onForeign'>,
    Partial<Pick<MirrorOptions, 'maxTxnOps' | 'prune' | 'untilSynced'>> {}

/** Like `etcd-lockstep audit --values`. */
export type ValuesRequest = Pick<ValuesOptions, 'allowEmpty' | 'onProgress'> &
  Partial<Pick<ValuesOptions, 'onDifference' | 'witness' | 'signal'>>;

/** Values, leases and deletions of some keys, brought into any live etcd. {@link close} it in the end. */
export class PlainMirror {
  readonly #sides: Sides;
  readonly #map: KeyMap;
  readonly #onNote: OnNote;

  /**
   * Nothing is dialled yet.
   * @throws LockstepError BAD_ARGUMENT for endpoints, certificate files or prefixes that cannot be used
   */
  constructor(options: PlainMirrorOptions) {
    const { source, target, prefix, destPrefix, onNote = () => undefined } = options;
    this.#map = new KeyMap(prefix, destPrefix);
    this.#sides = new Sides({ source, target }, true);
    this.#onNote = onNote;
  }

  /** Ends what is under way, at once; nothing can be asked any more. */
  close(): void {
    this.#sides.close();
  }

  /**
   * Mirrors for as long as its iterator is read; leaving the loop ends it gracefully. Started again, it
   * goes on where it was.
   * @returns its status, once a second if not told otherwise, and at its end
   * @throws LockstepError for what only a person can mend, behind the last status
   */
  async *run(request: MirrorRequest = {}): AsyncGenerator<MirrorStatus, void, undefined> {
    const { target } = this.#sides;
    const map = this.#map;
    const onNote = this.#onNote;
    const signal = this.#sides.until(request.signal);
    // Of this run alone: what a silent source owes us must not outlive it.
    const [source, sourceWatch] = [this.#sides.source.another(), this.#sides.source.another()];
    for (const client of [source, sourceWatch]) client.closeAt(signal);
    try {
      const named = map.prefix === '' ? [] : [map.prefix];
      for (const warning of await slashWarnings(source, named)) onNote(warning, true);
      const defaults = { maxTxnOps: MAX_TXN_OPS, prune: false, untilSynced: false };
      const ends = { source, sourceWatch, target };
      yield* statuses({ ...request, signal }, (stop) => {
        for (const client of [source, sourceWatch]) client.closeAt(stop);
        return new Mirror({ ...defaults, ...request, ...ends, map, onNote, signal: stop });
      });
    } finally {
      source.close();
      sourceWatch.close();
    }
  }

  /**
   * Compares value and lease of every key at one moment of the source, while both are live.
   * @throws LockstepError TARGET_NOT_OURS without a mirror's cursor, MIRROR_INCOMPLETE while it is
   *   comparing, SAME_ETCD for keys and themselves, NOTHING_COMPARED, COMPACTED
   */
  async audit(request: ValuesRequest = {}): Promise<ValuesReport> {
    const onDifference: OnDifference = () => undefined;
    const signal = this.#sides.until(request.signal);
    const options = { onDifference, ...request, signal, onNote: this.#onNote };
    return this.#sides.own(signal, async (own) =>
      auditValues({ ...options, ...own, map: this.#map }),
    );
  }

  /** Both etcds with their members, as the report of an audit names them; nothing is thrown for what they say. */
  async clusters(
    { source, target }: Pick<ValuesReport, 'source' | 'target'>,
    signal = this.#sides.until(),
  ): Promise<Record<Side, ClusterFacts>> {
    return this.#sides.own(signal, (own) => describeClusters(own, { source, target }, signal));
  }
}
