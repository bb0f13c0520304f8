/**
 * The target as apply sees it: read all that is ours in one go, and write under guards.
 *
 * An interface, so that the model test can put a target with delays, losses and duplicates here.
 */
import { LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { parseKeyValue, type KeyValue } from '../mvcc/keyvalue.js';
import { MIRRORS_PREFIX, OWN_PREFIX, prefixRange } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import type { EtcdClient } from '../wire/client.js';
import { CURSOR_KEY, parseCursor, type Cursor } from './cursor.js';
import { CUTOVER_KEY, parseCutover, type StoredCutover } from './cutoverstate.js';
import { CHAIN_KEY, parseLink, type Link } from './chain.js';
import { SLOTS, slotKey, type Effect, type Guard } from './guard.js';
import { OWNER_KEY, parseOwner, type StoredOwner } from './nightowner.js';
import { guardedTxn } from './txn.js';

/** Everything of ours on the target, read at one revision. */
export interface TargetState {
  head: Revision;
  cursor: Cursor | undefined;
  /** mod_revision of the cursor key; 0 where there is none. */
  cursorMod: Revision;
  /** Likewise of the chain. */
  chainMod: Revision;
  /** The chain's last; undefined where there is none, or somebody has written something else there. */
  link: Link | undefined;
  /** mod_revision of each slot; 0 for one never written. */
  slotMods: Revision[];
  /** Sum of the versions of slots and chain: how often they were ever written. */
  ownWrites: number;
  /** Where there is one, the target is in lockstep no more. */
  cutover: StoredCutover | undefined;
  /** Who claimed it last. */
  owner: StoredOwner | undefined;
}

export interface Target {
  /** @throws LockstepError TARGET_NOT_OURS for a cursor that is none, UNAVAILABLE, … */
  read(): Promise<TargetState>;
  /**
   * Sends one transaction, once. `revision` is the head after it.
   * @throws LockstepError UNAVAILABLE where nobody knows whether it took effect; NO_LEASE,
   *   REQUEST_TOO_LARGE, NO_SPACE and others where it did not.
   */
  write(guard: Guard, effect: Effect): Promise<{ succeeded: boolean; revision: Revision }>;
}

export class EtcdTarget implements Target {
  readonly #slots = Array.from({ length: SLOTS }, (_, slot) => slotKey(slot));

  constructor(private readonly client: EtcdClient) {}

  /** @param revision as it was then; as it is now unless given */
  async read(revision?: Revision): Promise<TargetState> {
    const range = prefixRange(OWN_PREFIX);
    const at = revision === undefined ? range : { ...range, revision };
    const { header, rows } = await this.client.few(at);
    const state: TargetState = {
      head: revision ?? header.revision,
      cursor: undefined,
      cursorMod: 0,
      chainMod: 0,
      link: undefined,
      slotMods: new Array<Revision>(SLOTS).fill(0),
      ownWrites: 0,
      cutover: undefined,
      owner: undefined,
    };
    const strays: KeyValue[] = [];
    for (const row of rows) {
      const kv = parseKeyValue(row);
      const slot = this.#slots.findIndex((name) => name.equals(kv.key));
      if (slot >= 0) {
        state.slotMods[slot] = kv.modRevision;
        state.ownWrites += kv.version;
      } else if (kv.key.equals(CURSOR_KEY)) {
        state.cursor = parseCursor(kv.value);
        state.cursorMod = kv.modRevision;
      } else if (kv.key.equals(CHAIN_KEY)) {
        state.chainMod = kv.modRevision;
        state.ownWrites += kv.version;
        state.link = parseLink(kv.value);
      } else if (kv.key.equals(CUTOVER_KEY)) {
        state.cutover = parseCutover(row);
      } else if (kv.key.equals(OWNER_KEY)) {
        state.owner = parseOwner(row);
      } else {
        strays.push(kv);
      }
    }
    const [first] = strays.filter(({ key }) => !(state.cutover && isMirrors(key)));
    if (first) throw stray(first.key.toString(), first.modRevision, state.cursor);
    return state;
  }

  async write(guard: Guard, effect: Effect): Promise<{ succeeded: boolean; revision: Revision }> {
    failpoint(`target.${kindOf(effect)}.send`);
    const answer = await this.client.txn(guardedTxn(guard, effect));
    failpoint(`target.${kindOf(effect)}.answer`);
    return answer;
  }
}

/** Where the target was cut over it may be mirrored into: no revision there counts any more. */
function isMirrors(key: Buffer): boolean {
  return key.toString().startsWith(MIRRORS_PREFIX);
}

/** A key that is none of lockstep's, among ours. */
function stray(name: string, revision: Revision, cursor: Cursor | undefined): LockstepError {
  if (!cursor && name.startsWith(MIRRORS_PREFIX))
    return new LockstepError(
      'TARGET_NOT_OURS',
      `the target is a plain mirror's, in lockstep with nobody: it has ${name}`,
      {
        hint: 'That key says how far the mirror is, and `etcd-lockstep audit --values` what differs. To follow, give a target that was restored from a base.',
      },
    );
  return new LockstepError(
    'TARGET_FOREIGN_WRITE',
    `the target has a key that nobody but etcd-lockstep may write: ${name}`,
    {
      revision,
      hint: 'Find out who wrote it. The target is no exact copy any more; make a new one from a new seed.',
    },
  );
}

/** A cursor without records begins a term; in a long interval it is one now and then in place of a filler. */
function kindOf(effect: Effect): 'filler' | 'data' | 'term' {
  if (effect.kind === 'filler') return 'filler';
  return effect.records.length > 0 ? 'data' : 'term';
}
