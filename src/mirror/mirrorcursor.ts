/**
 * A mirror's cursor: the key on the target that says what a mirror has brought there, and up to where.
 *
 * It lies under `etcd-lockstep/mirror/`, one for each source cluster, prefix and prefix on the target,
 * so that several mirrors can write to one target. It is written in the same transaction as the data,
 * so it can be neither ahead of nor behind it. Its value is JSON, to be read with
 * `etcdctl get etcd-lockstep/mirror/ --prefix`.
 */
import { z } from 'zod';
import { LockstepError } from '../errors.js';
import { MIRRORS_PREFIX } from '../mvcc/prefix.js';
import { Tally } from '../mvcc/tally.js';
import type { KeyMap } from './keymap.js';
import type { CursorFormat } from './writer.js';

export const MIRROR_FORMAT = 1;

/** A set of keys: how many, and the sum of the digests of their names (mvcc/tally.ts). */
const names = z.object({
  keys: z.number().int(),
  names: z.string().regex(/^[0-9a-f]{16}$/),
});

const schema = z.object({
  format: z.literal(MIRROR_FORMAT),
  /** Cluster id of the source, hexadecimal. */
  source: z.string(),
  prefix: z.string(),
  destPrefix: z.string(),
  /** The target has what the source had at this revision; null while it is being compared. */
  revision: z.number().int().nonnegative().nullable(),
  /** The keys that the mirror has brought or found equal; null: not known (--rev, --prune). */
  ours: names.nullable(),
  /** Keys that were in the target's prefix and not in the source when they were compared last. */
  foreign: names,
  /** Random id of the process that wrote it. */
  mirror: z.string(),
  /** When, by that process's clock. For people. */
  at: z.string(),
});

export type MirrorCursor = z.infer<typeof schema>;
/** What the parts that write have to say; who and when is added to it. */
export type MirrorState = Pick<MirrorCursor, 'revision' | 'ours' | 'foreign'>;

/** Names with a colon of their own are no other mirror's. */
export function mirrorKey(source: string, { prefix, destPrefix }: KeyMap): Buffer {
  const part = (name: string) => name.replaceAll('%', '%25').replaceAll(':', '%3A');
  return Buffer.from(`${MIRRORS_PREFIX}${source}:${part(prefix)}:${part(destPrefix)}`);
}

export function encodeMirror(cursor: MirrorCursor): Buffer {
  return Buffer.from(JSON.stringify(cursor));
}

/**
 * How a mirror's cursor is written.
 * @param identity what stands in every cursor of this mirror
 */
export function mirrorFormat(
  key: Buffer,
  identity: Pick<MirrorCursor, 'source' | 'prefix' | 'destPrefix'>,
): CursorFormat<MirrorState> {
  return {
    encode: ({ revision, ours, foreign }, mirror) => {
      const at = new Date().toISOString();
      const state = { revision, ours, foreign };
      return encodeMirror({ format: MIRROR_FORMAT, ...identity, ...state, mirror, at });
    },
    parse: (value) => {
      const { revision, ours, foreign, mirror } = parseMirror(key, value);
      return { state: { revision, ours, foreign }, writer: mirror };
    },
    other: (mirror) =>
      new LockstepError(
        'TARGET_TAKEN_OVER',
        `another mirror (${mirror}) of the same prefix writes to the target`,
        {
          hint: 'Two mirrors run for one prefix of one target. Let one of them run; the target is unharmed.',
        },
      ),
    lost: (how, head) =>
      new LockstepError(
        'TARGET_HEAD_OFF',
        `the mirror's cursor ${key.toString()} is ${how}: the target was restored or replaced, or the key was deleted`,
        {
          revision: head,
          hint: 'Start mirror again: it looks at the target anew, and compares where it has to.',
        },
      ),
  };
}

/** @throws LockstepError TARGET_NOT_OURS for anything that is no cursor of this format */
export function parseMirror(key: Buffer, value: Buffer): MirrorCursor {
  try {
    return schema.parse(JSON.parse(value.toString()));
  } catch (cause) {
    throw new LockstepError(
      'TARGET_NOT_OURS',
      `${key.toString()} on the target holds no mirror's cursor of format ${MIRROR_FORMAT}`,
      {
        hint: 'Find out who wrote it. If nobody needs it, delete that key: the mirror then compares both sides and goes on.',
        cause,
      },
    );
  }
}

export function namesOf({ keys, hex }: Tally): MirrorCursor['foreign'] {
  return { keys, names: hex };
}

export function tallyOf(set: MirrorCursor['foreign']): Tally {
  return new Tally(set.keys, BigInt(`0x${set.names}`));
}

export const NO_KEYS: MirrorCursor['foreign'] = namesOf(new Tally());
