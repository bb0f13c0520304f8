/** What a target says of itself, and how far it is behind. */
import { hasCode, LockstepError } from '../errors.js';
import {
  MIRRORS_PREFIX,
  OWN_PREFIX,
  prefixRange,
  PrefixSet,
  probeKey,
  WHOLE_STORE,
} from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { refuseOne } from '../source/sameetcd.js';
import type { EtcdClient, Header } from '../wire/client.js';
import { CURSOR_KEY, type Cursor } from './cursor.js';
import type { Phase, StoredCutover } from './cutoverstate.js';
import { ownerText } from './nightowner.js';
import { readReverse } from './reversecursor.js';
import { takeStock } from './stock.js';
import { EtcdTarget, type TargetState } from './target.js';

/** What a target is, how far it has come, and whether it may be followed into. */
export interface TargetStatus {
  /**
   * `empty`: no key at all. `mirror`: a plain mirror writes there. `foreign`: keys, and none of ours.
   * `lockstep`: it has a cursor. `cut over`: it was taken over, also where that is over since.
   */
  kind: 'empty' | 'mirror' | 'foreign' | 'lockstep' | 'cut over';
  /** Null where there is none; a retired target has none any more. */
  cursor: Cursor | null;
  /** The target's head: its position in the source's history, if it is in lockstep without trouble. */
  position: Revision;
  /** Why the target may not be followed into any more; null if it may. */
  trouble: { code: string; message: string; hint: string | null } | null;
  cutover: CutoverStatus | null;
  /** How far the source has what was written on the target since; null where nobody kept it so, or it was not asked. */
  wayBack: WayBackStatus | null;
  sourceHead: Revision | null;
  lagRevisions: number | null;
}

/** Of a target that was taken over. */
export interface CutoverStatus {
  phase: Phase;
  /** The last revision at which it was the source's exact copy. */
  exact: Revision;
  prefixes: string[];
  resources: string[];
  /** Which run has the night, or had it last. */
  owner: string | null;
}

/** What `follow --reverse` has left on the source. */
export interface WayBackStatus {
  /** The source has what the target had at this revision; while both are compared, at least. */
  position: Revision;
  comparing: boolean;
  /** Written on the source by others since the cutover; keys of them that are not as on the target, by name. */
  lateWrites: { count: number; replaced: number; open: string[]; all: boolean };
  /** When it was written last, by the clock of who wrote it: a minute ago at most, while it runs. */
  at: string;
}

/** @throws LockstepError SAME_ETCD; for what etcds say, and for keys of ours that make no sense */
export async function targetStatus(
  target: EtcdClient,
  source: EtcdClient | undefined,
): Promise<TargetStatus> {
  // Asked first because its deadline is short: a target that is not there is told soon.
  await target.status();
  if (source) await refuseOne(source, target, CURSOR_KEY);
  const mirrored = await target.few({ ...prefixRange(MIRRORS_PREFIX), countOnly: true });
  const own = await target.few({ ...prefixRange(OWN_PREFIX), countOnly: true });
  if (own.count > mirrored.count) return ofState(await new EtcdTarget(target).read(), source);
  const all = await target.few({ ...WHOLE_STORE, limit: 1, keysOnly: true });
  const kind = mirrored.count > 0 ? 'mirror' : all.count > 0 ? 'foreign' : 'empty';
  const head = source && (await source.head());
  return { ...NOTHING, kind, position: all.header.revision, ...lagOf(head, all.header.revision) };
}

const NOTHING = { cursor: null, trouble: null, cutover: null, wayBack: null };

async function ofState(state: TargetState, source: EtcdClient | undefined): Promise<TargetStatus> {
  const { cursor, cutover, owner, head: position } = state;
  const names = cursor?.prefixes ?? cutover?.state.prefixes ?? [''];
  const prefixes = names[0] === '' ? PrefixSet.everything() : PrefixSet.of(names);
  const head = source && (await source.head(probeKey(prefixes)));
  return {
    kind: cutover ? 'cut over' : cursor ? 'lockstep' : 'foreign',
    cursor: cursor ?? null,
    position,
    trouble: troubleOf(state, head?.clusterId ?? cursor?.source ?? '', prefixes),
    cutover: cutover
      ? {
          phase: cutover.state.phase,
          exact: cutover.exact,
          prefixes: cutover.state.prefixes,
          resources: cutover.state.resources,
          owner: owner ? ownerText(owner.owner) : null,
        }
      : null,
    wayBack: cutover && source ? await wayBackOf(source, cutover, prefixes) : null,
    ...lagOf(head, position),
  };
}

/** Of this night; null also where the user may not read it. */
async function wayBackOf(
  source: EtcdClient,
  { exact }: StoredCutover,
  prefixes: PrefixSet,
): Promise<WayBackStatus | null> {
  try {
    const cursor = await readReverse(source, prefixes);
    if (cursor?.exact !== exact) return null;
    const { revision: position, comparing, late, at } = cursor;
    const open = late.open.map(({ key }) => key);
    return { position, comparing, lateWrites: { ...late, open }, at };
  } catch (error) {
    if (!hasCode(error, 'PERMISSION')) throw error;
    return null;
  }
}

function lagOf(
  head: Header | undefined,
  position: Revision,
): Pick<TargetStatus, 'sourceHead' | 'lagRevisions'> {
  return head
    ? { sourceHead: head.revision, lagRevisions: head.revision - position }
    : { sourceHead: null, lagRevisions: null };
}

function troubleOf(
  state: TargetState,
  source: string,
  prefixes: PrefixSet,
): TargetStatus['trouble'] {
  try {
    takeStock(state, { source, prefixes });
    return null;
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    return { code: error.code, message: error.message, hint: error.hint ?? null };
  }
}
