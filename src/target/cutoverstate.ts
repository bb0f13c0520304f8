/**
 * The cutover's state: the key on the target that says that it is in lockstep no more, and why.
 *
 * The write that creates it is the one that takes the target from its follower (cutover/takeover.ts).
 * Up to the revision before it the target is the source's exact copy; what comes after is the
 * cutover's and then Kubernetes' own. Before there is no state to keep: every step up to there can
 * be done again. It is JSON, to be read with `etcdctl get etcd-lockstep/cutover`.
 */
import { z } from 'zod';
import { LockstepError } from '../errors.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import { OWN_PREFIX } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';

export const CUTOVER_KEY = Buffer.from(`${OWN_PREFIX}cutover`);
const CUTOVER_FORMAT = 2;

const PHASES = [
  /** The target's head is above the source's; the apiservers are being moved. */
  'fenced',
  /** Every apiserver that was named serves from the target. */
  'switched',
  /** Writes are let in again. */
  'done',
  /** On the way back to the source. */
  'rolling back',
  /** The source serves, and nothing of the target counts any more: clients may write already. */
  'switched back',
  'rolled back',
  /** What was moved is being removed from the source. */
  'retiring',
  /** It is over. Nothing else of ours is on the target any more. */
  'retired',
] as const;

/** How far a night has come. */
export type Phase = (typeof PHASES)[number];

export interface CutoverState {
  format: typeof CUTOVER_FORMAT;
  phase: Phase;
  /** Cluster id of the source, hexadecimal. */
  source: string;
  prefixes: string[];
  /**
   * What Kubernetes keeps under the prefixes, as kubectl names it: what was frozen, what is moved, what
   * every later command has to look at. Empty where a prefix is no folder of Kubernetes' (`fence`).
   */
  resources: string[];
  /** What the target held when it was taken over: keys, and the sum of their digests. */
  keys: number;
  checksum: string;
  /** When writes were found to be refused everywhere; null where somebody else takes care of that. */
  frozenAt: string | null;
  fencedAt: string;
}

const schema: z.ZodType<CutoverState> = z.object({
  format: z.literal(CUTOVER_FORMAT),
  phase: z.enum(PHASES),
  source: z.string(),
  prefixes: z.array(z.string()).min(1),
  resources: z.array(z.string()),
  keys: z.number().int().nonnegative(),
  checksum: z.string(),
  frozenAt: z.string().nullable(),
  fencedAt: z.string(),
});

/** The state as it stands on the target. */
export interface StoredCutover {
  state: CutoverState;
  /** The last revision at which the target was the source's exact copy. */
  exact: Revision;
  /** Of the key: the guard of the next write to it. */
  modRevision: Revision;
}

export function newCutover(state: Omit<CutoverState, 'format'>): Buffer {
  return encodeCutover({ format: CUTOVER_FORMAT, ...state });
}

export function encodeCutover(state: CutoverState): Buffer {
  return Buffer.from(JSON.stringify(state));
}

/**
 * @param row the key's KeyValue message
 * @throws LockstepError TARGET_NOT_OURS for anything that is no state of this format
 */
export function parseCutover(row: Uint8Array): StoredCutover {
  const { value, createRevision, modRevision } = parseKeyValue(row);
  try {
    const state = schema.parse(JSON.parse(value.toString()));
    return { state, exact: createRevision - 1, modRevision };
  } catch (cause) {
    throw new LockstepError(
      'TARGET_NOT_OURS',
      `${CUTOVER_KEY.toString()} holds no state of format ${CUTOVER_FORMAT}`,
      {
        hint: 'It was written by another version of etcd-lockstep, or by hand. Use the version that began the cutover.',
        cause,
      },
    );
  }
}

/** For who wants to go on in lockstep: TARGET_CUT_OVER, with the state that was met. */
export class TargetCutOver extends LockstepError {
  constructor(readonly cutover: StoredCutover) {
    const { state, exact } = cutover;
    super(
      'TARGET_CUT_OVER',
      `the target was taken over for a cutover at revision ${exact} (${state.phase}); it is in lockstep no more`,
      { revision: exact, hint: hintFor(state.phase) },
    );
  }
}

export function refuseCutOver(cutover: StoredCutover): LockstepError {
  return new TargetCutOver(cutover);
}

function hintFor(phase: Phase): string {
  switch (phase) {
    case 'rolling back':
    case 'switched back':
      return 'Run `etcd-lockstep rollback` to its end. Then `etcd-lockstep follow --again` begins anew, or says why it needs a new seed.';
    case 'rolled back':
      return 'The source serves again. `etcd-lockstep follow --again` takes this target into lockstep again, or says why it needs a new seed.';
    case 'retiring':
      return 'The source is being emptied: run `etcd-lockstep retire` to its end.';
    case 'retired':
      return 'It is over: the target serves, and the source was emptied. There is nothing to be done.';
    default:
      return 'A follower has done its work: nothing is wrong. `etcd-lockstep cutover` goes on, `etcd-lockstep rollback` goes back. To begin anew, seed a new target.';
  }
}
