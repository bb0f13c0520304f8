/** A look at what the target holds, which says whether the watch can go on from its cursor. */
import type { OnNote } from '../async/patience.js';
import type { Revision } from '../mvcc/revision.js';
import type { EtcdClient } from '../wire/client.js';
import type { KeyMap } from './keymap.js';
import type { MirrorState } from './mirrorcursor.js';
import { judge, survey, type Survey } from './survey.js';
import type { Writer } from './writer.js';

export interface CursorVerdict {
  /** Whether both sides have to be compared before the watch goes on. */
  compare: boolean;
  /** Where every key there was the source's, up to which revision of the target that is so. */
  certainUpTo: Revision | undefined;
}

interface LookOptions {
  target: EtcdClient;
  map: KeyMap;
  prune: boolean;
  onNote: OnNote;
  signal: AbortSignal;
}

export class Look {
  /** What the last one has found, for who asks for its leases. */
  #found: Survey | undefined;

  constructor(private readonly options: LookOptions) {}

  /** @param why both sides have to be compared whatever is found; undefined where they need not */
  async take(
    { cursorMod, state }: Pick<Writer<MirrorState>, 'cursorMod' | 'state'>,
    why: string | undefined,
    signal: AbortSignal,
  ): Promise<CursorVerdict> {
    const { target, map, prune, onNote } = this.options;
    this.#found = await survey(target, map, signal);
    const { names } = this.#found;
    const { untouched, certain } = judge(names, state);
    if (state.revision !== null && why === undefined && !untouched)
      onNote(
        `the target has ${names.keys} keys where the mirror has left ${(state.ours?.keys ?? 0) + state.foreign.keys}, or others: comparing both sides`,
      );
    const needed = state.revision === null || why !== undefined || !untouched;
    return { compare: needed || (prune && !certain), certainUpTo: certain ? cursorMod : undefined };
  }

  /** The leases that the target's keys hold. */
  async leases(): Promise<Iterable<bigint>> {
    const { target, map, signal } = this.options;
    const { leases } = this.#found ?? (await survey(target, map, signal));
    // It gets old, so it is used once.
    this.#found = undefined;
    return leases;
  }
}
